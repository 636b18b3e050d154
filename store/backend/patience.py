"""How long a far backend is waited for."""

import threading
from dataclasses import dataclass

STOPPED = threading.Event()
"""Set when nobody in this process waits any more."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. A request whose failure may pass is sent again, after pauses that double from the first to the longest (drawn at
    random, so that many who failed together do not come back together), until all of it took `total_s`. A connection is given
    up after `connect_s`, an answer of which nothing comes any more after `read_s`."""

    total_s: float = 120.0
    connect_s: float = 15.0
    read_s: float = 60.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 16.0


HASTY = Patience(total_s=60.0, connect_s=5.0, read_s=3.0, first_pause_s=0.01, longest_pause_s=0.1)
"""For tests, where the other side is near and fails on purpose."""
OF_A_SIDE = Patience(total_s=20.0)
"""For one side of a mirrored store, where others stand in for it: every command that asks it waits so long when it is gone."""


def stop_waiting() -> None:
    """From now on no request of this process is sent again, and pauses under way end: it is about to end. For a signal's handler
    too."""
    STOPPED.set()


def wait_again() -> None:
    """Requests of this process are sent again, as before `stop_waiting`."""
    STOPPED.clear()
