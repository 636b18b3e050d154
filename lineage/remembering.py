"""What was found out a moment ago, for functions that are called a thousand times a second."""

from collections.abc import Callable
from typing import Generic, TypeVar

BELIEVED_NS = 10**9
"""What was found out so long ago is found out again."""

T = TypeVar("T")


class Remembered(Generic[T]):
    """One thing that takes time to find out. Any number of threads may ask."""

    def __init__(self) -> None:
        self._found: tuple[int, T] | None = None

    def now(self, now_ns: int, find: Callable[[], T]) -> T:
        """What `find` gives, or gave less than a second ago."""
        found = self._found
        if found is None or abs(now_ns - found[0]) >= BELIEVED_NS:
            found = self._found = (now_ns, find())
        return found[1]
