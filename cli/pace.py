"""How fast work goes, and how long it has still to go."""

from collections import deque

WINDOW_S = 30.0
"""Rates are those of the last so many seconds."""
_SPACING_S = 0.25
_SHORTEST_S = 1.0


class Pace:
    """What was done when, over the last seconds. Times are in seconds and never fall; counts are totals since the beginning."""

    def __init__(self, now_s: float) -> None:
        self._noted: deque[tuple[float, int, int]] = deque([(now_s, 0, 0)])

    def note(self, now_s: float, files: int, size_bytes: int) -> tuple[float, float]:
        """So much is done by now; files and bytes a second, 0 while nothing can be said."""
        while len(self._noted) > 1 and self._noted[1][0] <= now_s - WINDOW_S:
            self._noted.popleft()
        if now_s - self._noted[-1][0] >= _SPACING_S:
            self._noted.append((now_s, files, size_bytes))
        since_s, files_then, bytes_then = self._noted[0]
        spent_s = now_s - since_s
        if spent_s < _SHORTEST_S:
            return 0.0, 0.0
        return (files - files_then) / spent_s, (size_bytes - bytes_then) / spent_s


def seconds_left(left: tuple[int, int], rates: tuple[float, float]) -> float | None:
    """How long `left` (files, bytes) takes at these rates a second; None when that cannot be said. Many small files are bound by
    their number and few large ones by their bytes: the slower of the two counts.

    >>> seconds_left((100, 1_000), (10.0, 10.0)), seconds_left((1, 0), (0.0, 5.0))
    (100.0, None)
    """
    if any(many and not rate for many, rate in zip(left, rates, strict=True)):
        return None
    return max((many / rate for many, rate in zip(left, rates, strict=True) if rate), default=0.0)
