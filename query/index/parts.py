"""All that a store holds, in parts, for making an index from its beginning."""

import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from datamon.lineage.kinds import RUN_KINDS
from datamon.lineage.stored import is_opening, run_closed_by
from datamon.query.index.tail import (
    BEGINNING,
    LogName,
    Position,
    Tail,
    environment_of,
    intents,
    read_environments,
)
from datamon.store import layout
from datamon.store.bundle import Entry
from datamon.store.codec import Record, decode
from datamon.store.ids import RepoId
from datamon.store.journal import stored_since
from datamon.store.journal_records import decoded_or_none
from datamon.store.log_entries import entry_of
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress

_AN_ENTRY_BYTES = 2_000
"""What an entry of one bundle has, and some more."""
_ENVIRONMENT = re.compile(rb'"cwd":"(?:[^"\\]|\\.)*","environment":"([^"]*)"')


@dataclass(slots=True)
class Unread:
    """How many records turned out to be none when they were decoded."""

    count: int = 0


@dataclass(slots=True)
class Part:
    """Some of a store: first its journal, then its logs. `opened` and `closed` are the records, as they are stored, that look as
    most do; `events` the other ones of runs. `own` are entries of the store's own log, `logs` whole logs of repos as they are
    stored. `after` is where a reader stands behind it, but for what `unread` counts later."""

    opened: list[bytes]
    closed: list[bytes]
    events: list[Record]
    own: list[Entry]
    logs: dict[RepoId, list[bytes]]
    environments: dict[str, Record]
    after: Position
    unread: Unread

    def decoded(self) -> Tail:
        """All of it decoded. Raises Corrupt, Invalid (`newer-format`)."""
        events = [*self.events, *self.decode(chain(self.opened, self.closed))]
        return Tail(events, self.entries(), self.environments, self.standing(), True)

    def standing(self) -> Position:
        """Where a reader stands behind it now."""
        skipped = self.after.cursor.get("skipped", 0)
        if not self.unread.count or not isinstance(skipped, int):
            return self.after
        return replace(self.after, cursor={**self.after.cursor, "skipped": skipped + self.unread.count})

    def entries(self, logs: dict[RepoId, list[Entry]] | None = None) -> dict[LogName, list[Entry]]:
        """The entries of the store's own log, and of `logs` (None: all of this part). Raises Corrupt, Invalid
        (`newer-format`)."""
        if logs is None:
            logs = {repo: entries_of(repo, stored) for repo, stored in self.logs.items()}
        own: list[tuple[LogName, list[Entry]]] = [(None, self.own)] if self.own else []
        return dict([*own, *logs.items()])

    def decode(self, bodies: Iterable[bytes]) -> list[Record]:
        """These records of runs. One that is none is counted. Raises Invalid (`newer-format`)."""
        found = [decoded_or_none(partial(decode, body, layout.JOURNAL_FILE)) for body in bodies]
        self.unread.count += found.count(None)
        return [record for record in found if record is not None and record["kind"] in RUN_KINDS]


def entries_of(repo: RepoId, stored: Iterable[bytes]) -> list[Entry]:
    """The entries of a repo's whole log. Raises Corrupt, Invalid (`newer-format`)."""
    return [entry_at(repo, number, content) for number, content in enumerate(stored, 1)]


def entry_at(repo: RepoId, number: int, stored: bytes) -> Entry:
    """An entry of a repo's log. Raises Corrupt, Invalid (`newer-format`)."""
    where = layout.log_entry(repo, number)
    return entry_of(repo, number, decode(stored, where), where)


def read_parts(
    store: Store, *, environments: bool = True, most: int = 40_000, progress: Progress = SILENT
) -> Generator[Part, None, None]:
    """What was durable in `store` when this was called, from the beginning, in parts: each has so many records at most, or the
    logs that together have a few more; the last one's position is the one after everything. `progress` hears of the bytes of
    records that whoever takes the parts is done with.

    The journal comes first and then the logs, as in `read_tail`. Raises Corrupt, Unavailable, Invalid (`newer-format`).
    """
    progress.begin("index", None, None)
    try:
        yield from _read_parts(store, environments, most, progress)
    finally:
        progress.end()


def _read_parts(store: Store, environments: bool, most: int, progress: Progress) -> Iterator[Part]:
    unread = Unread()
    position = replace(BEGINNING)
    while True:
        bodies, cursor = stored_since(store.journal, position.cursor, most)
        if not bodies and cursor == position.cursor:
            break
        part = _sorted_out(bodies, position, unread)
        named = _environments(part) if environments else set()
        wanted = position.wanted | (named - position.environments)
        part.environments = read_environments(store, wanted)
        position = replace(
            part.after,
            cursor=cursor,
            environments=position.environments | part.environments.keys(),
            wanted=wanted - part.environments.keys(),
        )
        part.after = position
        yield part
        progress.advance(0, sum(map(len, bodies)))
    for own, logs in _logs_in_parts(store, max(1, most // 4)):
        tips: dict[LogName, int] = dict(position.tips) | {repo: len(stored) for repo, stored in logs.items()}
        tips |= {None: own[-1].number} if own else {}
        watch = frozenset((log, number) for log, number in position.watch if number > tips.get(log, 0))
        position = replace(position, tips=tips, watch=watch)
        yield Part([], [], [], own, logs, {}, position, unread)
        progress.advance(0, sum(map(len, chain.from_iterable(logs.values()))))
    yield Part([], [], [], [], {}, {}, replace(position, everything=False), unread)


def read_whole(
    store: Store, *, environments: bool = True, most: int = 10_000, progress: Progress = SILENT
) -> Iterator[Tail]:
    """What `read_parts` gives, decoded. Raises as `read_parts`."""
    for part in read_parts(store, environments=environments, most=most, progress=progress):
        yield part.decoded()


def _sorted_out(bodies: list[bytes], position: Position, unread: Unread) -> Part:
    """The records of a part, with the intents among them watched."""
    opened: list[bytes] = []
    closed: list[bytes] = []
    others: list[bytes] = []
    for body in bodies:
        if b"\\u" in body:  # escapes are read in more than one way
            others.append(body)
        elif is_opening(body):
            opened.append(body)
        elif run_closed_by(body) and b'"sql":{' not in body:
            closed.append(body)
        else:
            others.append(body)
    part = Part(opened, closed, [], [], {}, {}, position, unread)
    found = [decoded_or_none(partial(decode, body, layout.JOURNAL_FILE)) for body in others]
    unread.count += found.count(None)
    records = [record for record in found if record is not None]
    part.events = [record for record in records if record["kind"] in RUN_KINDS]
    part.after = replace(position, watch=position.watch | intents(records))
    return part


def _environments(part: Part) -> set[str]:
    """The environments that the runs of a part name."""
    named = {found[1].decode("utf-8", "replace") for found in map(_ENVIRONMENT.search, part.opened) if found}
    return {digest for digest in (*named, *map(environment_of, part.events)) if digest}


def _logs_in_parts(store: Store, most: int) -> Iterator[tuple[list[Entry], dict[RepoId, list[bytes]]]]:
    """Every log, as many together as have so many entries, counting one of many bundles for several; the store's own is among the
    first."""
    own = store.logs.entries_after(None, 0)
    part: dict[RepoId, list[bytes]] = {}
    first, weight = own, len(own)
    made = {RepoId(each.record["repo"]) for each in own if each.kind == "repo-created"} | {RepoId(store.id)}
    for log in sorted(made):
        if weight >= most:
            yield first, part
            first, part, weight = [], {}, 0
        stored = store.logs.stored_after(log, 0)  # all logs of a store may be too much to hold
        if stored:
            part[log] = stored
            weight += max(len(stored), sum(map(len, stored)) // _AN_ENTRY_BYTES)
    if first or part:
        yield first, part
