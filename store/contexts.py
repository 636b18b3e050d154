"""Contexts that a team shares: named places of stores, kept in a place of their own (docs/format.md, "Shared contexts").

A context is a numbered sequence of immutable versions, made by `put_if_absent`; the last one holds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from datamon.errors import Conflict, Corrupt, NotFound, Unavailable
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.bundle import Author
from datamon.store.clock import Clock, system_clock
from datamon.store.codec import Record, decode_sealed, encode_sealed, stamped
from datamon.store.fetching import get_many
from datamon.store.ids import new_ksuid
from datamon.store.names import check_name

ATTEMPTS = 100
"""How often one version is tried before the context counts as contended."""

Place = dict[str, Any]
"""What a context says: keys of the configuration, with values that JSON can say."""


@dataclass(frozen=True, slots=True)
class SharedContext:
    """One version of a context: what its `place` says, who wrote it and when. `place` None says that it was deleted. `entry` is
    a KSUID of its own, by which a writer whose answer was lost knows its version."""

    name: str
    number: int
    entry: str
    place: Place | None
    author: Author
    time_ns: int

    def to_record(self) -> Record:
        """As it is stored."""
        fields = {
            "name": self.name,
            "number": self.number,
            "entry": self.entry,
            "place": self.place,
            "author": self.author.to_record(),
            "time": self.time_ns,
        }
        return stamped("context", fields)


class SharedContexts:
    """The contexts in one place. Nothing is remembered: each call asks the place. `author` is for what is written."""

    def __init__(self, backend: Backend, author: Author, clock: Clock = system_clock) -> None:
        self._backend = backend
        self._author = author
        self._clock = clock

    @property
    def url(self) -> str:
        """Where they lie, as a person would write it."""
        return self._backend.url

    def find(self, name: str) -> SharedContext | None:
        """The context as it stands; None when there is none, or none any more. Raises Corrupt, Denied, Unavailable,
        Invalid (`bad-name`, `newer-format`)."""
        last = self._last(check_name("context", name))
        return last if last is not None and last.place is not None else None

    def list(self) -> list[SharedContext]:
        """The contexts that there are, by name. Raises as `find`."""
        last: dict[str, str] = {}
        for stored in self._backend.list(
            layout.CONTEXTS
        ):  # in order, so that the last of each folder is its last version
            last[stored.key.rpartition("/")[0]] = stored.key
        keys = list(last.values())
        found = [self._decoded(key, content) for key, content in zip(keys, get_many(self._backend, keys), strict=True)]
        return sorted((context for context in found if context.place is not None), key=lambda context: context.name)

    def create(self, name: str, place: Place, *, replace: bool = False) -> SharedContext:
        """The context says this when it is returned, by a new version of it; of racing creators one wins.

        Raises Conflict (`context-exists`) when it exists, unless it is to be replaced; and as `find`.
        """

        def check(last: SharedContext | None) -> None:
            if last is not None and last.place is not None and not replace:
                raise Conflict(
                    "context-exists",
                    f"{last.author.name} has made the context {name!r} in {self.url}; choose another name, or change it with "
                    "--force",
                    context=name,
                )

        return self._append(check_name("context", name), place, check)

    def delete(self, name: str) -> SharedContext:
        """The context is gone when this returns its last version, which says so; earlier ones stay.
        Raises NotFound (`context-not-found`), and as `find`."""

        def check(last: SharedContext | None) -> None:
            if last is None or last.place is None:
                raise NotFound(
                    "context-not-found",
                    f"there is no context {name!r} in {self.url}; `datamon context list` shows those there are",
                    context=name,
                )

        return self._append(check_name("context", name), None, check)

    def _append(self, name: str, place: Place | None, check: Callable[[SharedContext | None], None]) -> SharedContext:
        entry = new_ksuid(self._clock())
        for _ in range(ATTEMPTS):
            last = self._last(name)
            check(last)
            number = 1 if last is None else last.number + 1
            version = SharedContext(name, number, entry, place, self._author, self._clock())
            if self._put(version):
                return version
        raise Conflict(
            "log-contended",
            f"{ATTEMPTS} other writers were first to change the context {name!r}; try again when fewer write at once",
            context=name,
        )

    def _put(self, version: SharedContext) -> bool:
        """Whether this version stands; another writer's may stand in its place."""
        key = layout.context_version(version.name, version.number)
        lost_answer: Unavailable | None = None
        try:
            if self._backend.put_if_absent(key, encode_sealed(version.to_record())):
                return True
        except Unavailable as error:
            lost_answer = error
        try:  # whether this was carried out is what is there, not what the answer said
            return self._decoded(key, self._backend.get(key)).entry == version.entry
        except NotFound:
            if lost_answer is not None:
                raise lost_answer from None
            return False

    def _last(self, name: str) -> SharedContext | None:
        keys = [stored.key for stored in self._backend.list(layout.context(name))]
        return self._decoded(keys[-1], self._backend.get(keys[-1])) if keys else None

    def _decoded(self, key: str, content: bytes) -> SharedContext:
        where = f"{self._backend.url}/{key}"
        context = _context(decode_sealed(content, where))
        if context is None or layout.context_version(context.name, context.number) != key:
            raise Corrupt(
                "bad-record", f"the record at {where} is no context; restore it, or delete it there", where=where
            )
        return context


def _context(record: Record) -> SharedContext | None:
    """What the record says, None when it is not one of a context."""
    place = record.get("place")
    if record.get("kind") != "context" or not isinstance(place, dict | None):
        return None
    try:
        author = Author.from_record(record["author"])
        return SharedContext(record["name"], record["number"], record["entry"], place, author, record["time"])
    except (KeyError, TypeError):
        return None
