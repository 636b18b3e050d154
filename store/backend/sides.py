"""The sides of a mirrored store: backends with a name, called one after the other or all at once."""

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, NoReturn, TypeVar

from datamon.errors import DatamonError, Denied, Invalid, Unavailable
from datamon.store.backend import Backend

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
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
        return list(zip(names, _at_once([ask for _, ask in asked]), strict=True))


def _at_once(calls: Sequence[Callable[[], _Answer]]) -> list[Callable[[], _Answer]]:
    """What gives the answer of each call, or raises what it raised. All are done; this thread does the first. The threads of the
    others are gone: with one left over, a process could not fork."""
    told: list[Callable[[], _Answer]] = [_never] * len(calls)

    def do(place: int) -> None:
        try:
            told[place] = partial(_given, calls[place]())
        except BaseException as error:  # noqa: BLE001 (whoever asks for the answer gets it)
            told[place] = partial(_raised, error)

    threads = [threading.Thread(target=do, args=(place,), name="side", daemon=True) for place in range(1, len(calls))]
    for thread in threads:
        thread.start()
    do(0)
    for thread in threads:
        thread.join()
    return told


def _given(answer: _Answer) -> _Answer:
    return answer


def _raised(error: BaseException) -> NoReturn:
    raise error


def _never() -> NoReturn:
    raise AssertionError("every call was made")
