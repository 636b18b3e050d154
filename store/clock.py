"""The one clock: nothing else asks the system for the time."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Gives nanoseconds since 1970 in UTC."""


def system_clock() -> int:
    """Nanoseconds since 1970 in UTC."""
    return time.time_ns()


def timestamp(time_ns: int) -> str:
    """`time_ns` as people read it, in UTC.

    >>> timestamp(1_700_000_000_123_456_789)
    '2023-11-14T22:13:20.123456Z'
    """
    seconds, rest_ns = divmod(time_ns, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest_ns // 1000:06d}Z"
