"""Which side of a mirrored store decides on its logs, and since when (docs/design.md, "Mirrored stores").

Each side carries marks: for every epoch that it knows of one that closes the epochs before, and one that says that the side is
whole in it. A mark's name says the epoch's number and which side decides in it, so that a listing of marks tells everything.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from datamon.errors import DatamonError, Invalid, NotFound, Unavailable
from datamon.store.backend import Backend
from datamon.store.backend.sides import Sides

_DIGITS = 20
_WHOLE = ".whole"
_MARK = re.compile(rf"([0-9]{{{_DIGITS}}})-([a-z0-9-]+?)({re.escape(_WHOLE)})?")


class Epoch(NamedTuple):
    """A time in which one side, the first, decides. Of two with one number, made by people who could not see each other, the one
    of the greater name counts."""

    number: int
    first: str

    def __str__(self) -> str:
        """As it stands in the names of marks and in records."""
        return f"{self.number:0{_DIGITS}d}-{self.first}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """From that. Raises ValueError."""
        match = _MARK.fullmatch(text)
        if match is None or match[3]:
            raise ValueError(f"{text!r} is no epoch")
        return cls(int(match[1]), match[2])


class Marks(NamedTuple):
    """What one side's marks say: the highest epoch it knows of, and the highest in which it is whole (None: there is none)."""

    epoch: Epoch | None
    whole: Epoch | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stood when all sides were looked at: the epoch, which sides are whole in it, and what each side's marks said;
    a side that did not answer is in `failures`."""

    epoch: Epoch
    whole: frozenset[str]
    marks: dict[str, Marks]
    failures: dict[str, DatamonError]

    @property
    def first(self) -> str:
        """The side that decides."""
        return self.epoch.first

    @property
    def is_settled(self) -> bool:
        """Whether the first side is whole, so that its word counts."""
        return self.first in self.whole


def _untold(_: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an acknowledgement promises: that so many sides have it; `degraded`: that one has. `tell` hears, in a sentence, of the
    first acknowledgement that promises less than it should."""

    min_sides: int = 2
    degraded: bool = False
    tell: Callable[[str], None] = field(default=_untold, compare=False)

    @property
    def needed(self) -> int:
        """How many sides must have what is acknowledged."""
        return 1 if self.degraded else self.min_sides


class Arbiter:
    """Knows who decides in one mirrored store. `sides` hold its metadata; below `prefix` lie the marks; `decides` says of a key,
    or of a prefix of keys, whether the first side's word counts there, and `before` of such a key which key a side must have
    before it may have this one. Any thread may call it."""

    def __init__(
        self,
        sides: Sides,
        terms: Terms,
        *,
        prefix: str,
        decides: Callable[[str], bool],
        before: Callable[[str], str | None],
    ) -> None:
        if not 1 <= terms.min_sides <= len(sides.all):
            message = f"min_sides is {terms.min_sides} of {len(sides.all)} sides; correct `mirror` in the configuration"
            raise Invalid("bad-config", message, min_sides=terms.min_sides)
        self.sides = sides
        self.terms = terms
        self.prefix = prefix
        self.decides = decides
        self.before = before
        self._standing: Standing | None = None
        self._told = False
        self._lock = threading.Lock()

    @property
    def believed(self) -> int:
        """So many sides must say that something is not there: then at least one of them would have what was acknowledged."""
        return len(self.sides.all) - self.terms.min_sides + 1

    @property
    def standing(self) -> Standing:
        """As it was found when last looked for. Raises as `refresh`."""
        return self._standing or self.refresh()

    def refresh(self) -> Standing:
        """As it is now. Raises Unavailable (`too-few-sides`) when no side answers, NotFound (`key-not-found`) when none has
        a mark."""
        heard = self.sides.hear(self.sides.names, lambda name, _: self.look(name))
        known = [marks.epoch for marks in heard.answers.values() if marks.epoch is not None]
        if not heard.answers or (not known and heard.failures):
            message = (
                f"no side of the mirrored store tells who decides ({heard.told()}); try again when one can be reached"
            )
            raise Unavailable("too-few-sides", message, sides=list(heard.failures))
        if not known:
            message = f"there is no mirrored store on {', '.join(self.sides.names)}; name the places of one"
            raise NotFound("key-not-found", message, sides=self.sides.names)
        epoch = max(known)
        if epoch.first not in self.sides.backends:
            message = f"the side {epoch.first!r} decides in this store; add it to `mirror` in the configuration"
            raise Invalid("bad-config", message, side=epoch.first)
        whole = frozenset(name for name, marks in heard.answers.items() if marks == (epoch, epoch))
        self._standing = Standing(epoch, whole, dict(heard.answers), dict(heard.failures))
        return self._standing

    def look(self, name: str) -> Marks:
        """What this side's marks say now: one listing. Raises Unavailable, Denied."""
        return read_marks(self.sides.backends[name], self.prefix)

    def tell_once(self, sentence: str) -> None:
        """Whoever listens hears it, if nothing was told before."""
        with self._lock:
            told, self._told = self._told, True
        if not told:
            self.terms.tell(sentence)


def read_marks(side: Backend, prefix: str) -> Marks:
    """What the marks below `prefix` on a side say. That it is whole in an epoch counts only beside the mark of that epoch, which
    was there before: what was put on a side that had just lost everything says nothing."""
    found = [match for stored in side.list(prefix) if (match := _MARK.fullmatch(stored.key.removeprefix(prefix)))]
    known = {Epoch(int(match[1]), match[2]) for match in found if match[3] is None}
    whole = {Epoch(int(match[1]), match[2]) for match in found if match[3] is not None}
    return Marks(max(known | whole, default=None), max(known & whole, default=None))


def mark_key(prefix: str, epoch: Epoch) -> str:
    """Where the mark lies that closes the epochs before `epoch`."""
    return f"{prefix}{epoch}"


def whole_key(prefix: str, epoch: Epoch) -> str:
    """Where the mark lies that says that the side is whole in `epoch`."""
    return f"{prefix}{epoch}{_WHOLE}"
