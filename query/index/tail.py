"""What the store holds that an index does not have yet."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from blake3 import blake3

from datamon.errors import Corrupt, NotFound
from datamon.lineage.kinds import RUN_KINDS
from datamon.store import layout
from datamon.store.bundle import Entry
from datamon.store.codec import Record
from datamon.store.ids import RepoId
from datamon.store.opening import Store
from datamon.store.uncollected import uncollected

Cursor = dict[str, object]
LogName = RepoId | None
"""A repo's log, or the store's own."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far an index has read: the journal's cursor, the last entry of each log, the intents whose number their log did not
    hold, the environments it has, and those that were not there. `everything`: read every log to its end, not only those the
    journal names."""

    cursor: Cursor = field(default_factory=dict)
    tips: Mapping[LogName, int] = field(default_factory=dict)
    watch: frozenset[tuple[LogName, int]] = frozenset()
    environments: frozenset[str] = frozenset()
    wanted: frozenset[str] = frozenset()
    everything: bool = False


BEGINNING = Position(everything=True)
"""Where a rebuild starts."""


@dataclass(frozen=True, slots=True)
class Tail:
    """What has come since a position, and the position after it."""

    events: list[Record]
    entries: dict[LogName, list[Entry]]
    environments: dict[str, Record]
    after: Position
    news: bool


@uncollected()
def read_tail(store: Store, position: Position, *, environments: bool = True) -> Tail | None:
    """Every record that was durable in `store` when this was called and lies after `position`; None when the journal is
    not the one that `position` was read from, so that only a rebuild helps. Without `environments` those are left aside.

    The journal is read first, then the logs it names: an entry's intent is durable before the entry, so an entry that was durable
    before the call is named by an intent that this reads, or by one that `position` watches.
    """
    try:
        records, cursor = store.journal.read(position.cursor)
    except Corrupt:
        if not position.cursor:
            raise
        return None
    events = [record for record in records if record["kind"] in RUN_KINDS]
    watch = position.watch | {each for each in intents(records) if each[1] > position.tips.get(each[0], 0)}
    logs = {log for log, _ in watch}
    lost_some = cursor.get("skipped", 0) != position.cursor.get("skipped", 0)
    entries = _read_logs(store, position, logs, everything=position.everything or lost_some)
    tips = dict(position.tips) | {log: several[-1].number for log, several in entries.items()}
    watch = frozenset((log, number) for log, number in watch if number > tips.get(log, 0))
    named = {digest for digest in map(environment_of, events) if digest} if environments else set()
    wanted = position.wanted | (named - position.environments)
    found = read_environments(store, wanted)
    after = Position(cursor, tips, watch, position.environments | found.keys(), wanted - found.keys())
    news = bool(records or entries or found) or cursor != position.cursor
    return Tail(events, entries, found, after, news)


def intents(records: list[Record]) -> frozenset[tuple[LogName, int]]:
    """The entries that these journal records announce: each by its log and number."""
    return frozenset((_log_name(record["repo"]), record["number"]) for record in records if record["kind"] == "intent")


def _log_name(repo: str | None) -> LogName:
    return None if repo is None else RepoId(repo)


def environment_of(event: Record) -> str | None:
    """The digest of the environment that a record of a run names."""
    run = event.get("run")
    digest = run.get("environment") if isinstance(run, dict) else None
    return digest if isinstance(digest, str) else None


def run_named(event: Record) -> str:
    """The run of which a journal record speaks, as an index calls it; `None` (a text) where a damaged one names none."""
    run = event.get("run")
    return str(run.get("id") if isinstance(run, dict) else run)


def _read_logs(store: Store, position: Position, logs: set[LogName], *, everything: bool) -> dict[LogName, list[Entry]]:
    entries: dict[LogName, list[Entry]] = {}
    if everything or None in logs:
        entries[None] = store.logs.entries_after(None, position.tips.get(None, 0))
    if everything:
        made = {RepoId(e.record["repo"]) for e in store.logs.entries_after(None, 0) if e.kind == "repo-created"}
        logs = logs | made | {RepoId(store.id)}
    for log in sorted(log for log in logs if log is not None):
        entries[log] = store.logs.entries_after(log, position.tips.get(log, 0))
    return {log: several for log, several in entries.items() if several}


def read_environments(store: Store, wanted: frozenset[str]) -> dict[str, Record]:
    """Those of these environments that are there, by their digests."""
    found: dict[str, Record] = {}
    for digest in sorted(wanted):
        with contextlib.suppress(NotFound):
            found[digest] = _environment(digest, store.metadata.get(layout.environment(digest)))
    return found


def _environment(digest: str, content: bytes) -> Record:
    """The environment record; an empty one when it is damaged, for no answer but that of `env` depends on it."""
    record = json.loads(content) if blake3(content).hexdigest() == digest else {}
    return record if isinstance(record, dict) else {}
