"""The host that a recorder runs on, and whether a recorder of this host is still there."""

import os
import platform
import socket
from functools import cache
from pathlib import Path
from typing import Literal

from datamon.lineage.records import Host
from datamon.store.machine import boot_here

_START_FIELD = 19
"""Where the start time stands in /proc/<pid>/stat, counted from the field after the command's name (proc(5))."""
Presence = Literal["here", "gone", "unknown"]


def capture_host() -> Host:
    """This host and this process, as they were when it was first asked."""
    return _host_of(os.getpid())


@cache
def _host_of(pid: int) -> Host:
    return Host(
        name=socket.gethostname(),
        boot=boot_here(),
        pid=pid,
        pid_started=process_started(pid) or 0,
        system=platform.system(),
        machine=platform.machine(),
        cpus=os.cpu_count() or 1,
    )


def process_started(pid: int) -> int | None:
    """When the process `pid` began, in the unit of `Host.pid_started`; None when there is no such process or it is a
    zombie; 0 when it is there but may not be looked at."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return _started_elsewhere(pid)
    except PermissionError:
        return 0
    return None if fields[0] in (b"Z", b"X") else int(fields[_START_FIELD])


def presence(recorder: Host, here: Host) -> Presence:
    """Whether the process of `recorder` still runs, asked on the host `here`. Only the recorder's own host knows: of others,
    and of other containers under the same name, the answer is `unknown`."""
    if recorder.name != here.name:
        return "unknown"
    if recorder.boot != here.boot:
        restarted = recorder.boot.partition("/")[0] != here.boot.partition("/")[0]
        return "gone" if restarted else "unknown"
    started = process_started(recorder.pid)
    return "here" if started == 0 or started == recorder.pid_started else "gone"


def _started_elsewhere(pid: int) -> int | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return 0
    import psutil  # 10 ms that Linux need not pay

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else int(process.create_time() * 1000)
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return 0
