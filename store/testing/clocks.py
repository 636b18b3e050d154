"""Clocks for tests: time passes only when they say so."""

import threading

START_NS = 1_750_000_000_000_000_000
"""15 June 2025, 15:06:40 UTC."""


class SteppingClock:
    """A clock that moves by `step_ns` at each look: forward, not at all, or backwards."""

    def __init__(self, start_ns: int = START_NS, step_ns: int = 1_000_000_000) -> None:
        self.now_ns = start_ns
        self.step_ns = step_ns
        self._lock = threading.Lock()

    def __call__(self) -> int:
        """The time of this look."""
        with self._lock:
            self.now_ns += self.step_ns
            return self.now_ns
