"""The sides of a mirrored store: backends with a name, called one after the other or all at once."""

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from datamon.errors import DatamonError, Denied, Invalid, Unavailable
from datamon.store.backend import Backend

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_CALLS = 32
_Answer = TypeVar("_Answer")

FAILURES = (Unavailable, Denied)
"""What a side raises that cannot be used just now."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side, by the name under which the store's records know it. Raises Invalid (`bad-name`)."""

    name: str
    backend: Backend

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            message = f"{self.name!r} is no name for a side; use up to 32 small letters, digits and '-' inside"
            raise Invalid("bad-name", message, kind="side", name=self.name)


@dataclass(frozen=True, slots=True)
class Heard(Generic[_Answer]):
    """What sides answered to one call, and what went wrong on the others, by name."""

    answers: Mapping[str, _Answer]
    failures: Mapping[str, DatamonError]

    def told(self) -> str:
        """The failures in words."""
        return "; ".join(f"{name}: {error.message.partition('; ')[0]}" for name, error in self.failures.items())


class Sides:
    """Some sides, in the order in which a configuration names them. With `together`, calls to several go out at once, in threads.
    Raises Invalid (`bad-config`) where two have one name."""

    def __init__(self, sides: Iterable[Side], *, together: bool = True) -> None:
        self.all = tuple(sides)
        self.backends = {side.name: side.backend for side in self.all}
        self.together = together
        self._threads: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        if len(self.backends) < len(self.all) or not self.all:
            message = "a mirrored store needs sides of different names; correct `mirror` in the configuration"
            raise Invalid("bad-config", message, sides=[side.name for side in self.all])

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self.backends)

    def hear(self, names: Sequence[str], call: Callable[[str, Backend], _Answer]) -> Heard[_Answer]:
        """What `call`, given name and backend, answers for each of these sides. What else than `FAILURES` it raises is
        raised, of the first."""
        answers: dict[str, _Answer] = {}
        failures: dict[str, DatamonError] = {}
        for name, answer in self._called(names, call):
            try:
                answers[name] = answer()
            except FAILURES as error:
                failures[name] = error
        return Heard(answers, failures)

    def _called(
        self, names: Sequence[str], call: Callable[[str, Backend], _Answer]
    ) -> list[tuple[str, Callable[[], _Answer]]]:
        """For each side what gives its answer. Where they are called at once, each call is under way or done."""
        asked = [(name, partial(call, name, self.backends[name])) for name in names]
        if not self.together or len(names) < 2:
            return list(asked)
        return [(name, self._pool().submit(ask).result) for name, ask in asked]

    def _pool(self) -> "ThreadPoolExecutor":
        with self._lock:
            if self._threads is None:
                # Imported at first use: 4 ms that a start need not pay.
                from concurrent.futures import ThreadPoolExecutor

                self._threads = ThreadPoolExecutor(_CALLS, thread_name_prefix="side")
            return self._threads
