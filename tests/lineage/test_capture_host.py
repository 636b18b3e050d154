"""The host of a recorder, and whether the recorder is still there."""

import os
import subprocess
import sys
from dataclasses import replace

from datamon.lineage.capture.host import capture_host, presence, process_started


def ended_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    return child.pid


def test_this_process_is_here() -> None:
    here = capture_host()
    assert here.pid == os.getpid()
    assert here.name
    assert presence(here, here) == "here"


def test_a_process_that_ended_is_gone() -> None:
    here = capture_host()
    assert presence(replace(here, pid=ended_process()), here) == "gone"


def test_a_zombie_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout as stream:
        stream.read()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    try:
        assert process_started(child.pid) is None
    finally:
        child.wait()


def test_another_process_under_the_same_number_is_not_the_recorder() -> None:
    here = capture_host()
    assert presence(replace(here, pid_started=here.pid_started - 1), here) == "gone"


def test_after_a_restart_of_the_host_its_recorders_are_gone() -> None:
    here = capture_host()
    assert presence(replace(here, boot="another"), here) == "gone"


def test_of_other_hosts_and_other_containers_nothing_is_known() -> None:
    here = replace(capture_host(), boot="boot/pid:[1]")
    assert presence(replace(here, name="elsewhere", pid=ended_process()), here) == "unknown"
    assert presence(replace(here, boot="boot/pid:[2]", pid=ended_process()), here) == "unknown"
