"""What a run took, as the operating system counts it."""

import resource
import sys

from datamon.lineage.records import Resources

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def usage_here() -> resource.struct_rusage:
    """What this process, with all its threads, has used so far."""
    return resource.getrusage(resource.RUSAGE_SELF)


def of_command(wall_ns: int, used: resource.struct_rusage, recorder_rss: int) -> Resources:
    """What a command and the processes it waited for took. `recorder_rss` is the recorder's own `ru_maxrss` when it started the
    command: Linux hands that on to the command, whose memory is known only when it was more."""
    known = sys.platform == "darwin" or used.ru_maxrss > recorder_rss
    return Resources(
        wall_s=_seconds(wall_ns),
        user_s=round(used.ru_utime, 6),
        system_s=round(used.ru_stime, 6),
        max_rss_bytes=used.ru_maxrss * _RSS_UNIT if known else None,
    )


def since(before: resource.struct_rusage, wall_ns: int) -> Resources:
    """What this process took since `before`. Other threads' work counts too; the memory is the process's largest so far."""
    now = usage_here()
    return Resources(
        wall_s=_seconds(wall_ns),
        user_s=round(now.ru_utime - before.ru_utime, 6),
        system_s=round(now.ru_stime - before.ru_stime, 6),
        max_rss_bytes=now.ru_maxrss * _RSS_UNIT,
    )


def _seconds(wall_ns: int) -> float:
    return max(0, wall_ns) / 10**9
