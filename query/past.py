"""A store as it was recorded at a moment: its logs up to there, and an index of what was known then.

The index of the past is made by the same code from the same records, without those that came later, so that a question about
the past is the question that would have been answered then.
"""

import datetime
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import duckdb

from datamon.lineage.records import RUN_CLOSED, RUN_OPENED
from datamon.query.index.connect import lock_down, open_in_memory
from datamon.query.index.refresh import apply, make_empty
from datamon.query.index.sealed import DEFAULT_LIMIT_S
from datamon.query.index.tail import LogName, Position, Tail
from datamon.query.language.faults import Span, fault
from datamon.query.language.statement import Options
from datamon.query.values import Params
from datamon.store.bundle import Entry
from datamon.store.codec import Record
from datamon.store.ids import RepoId
from datamon.store.log import UpTo
from datamon.store.log_entries import entry_of
from datamon.store.opening import Store

Connection = duckdb.DuckDBPyConnection
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_FORMS = "'2026-03-31', '2026-03-31 14:00' or '2026-03-31T14:00:00Z'"


@dataclass(frozen=True, slots=True)
class Past:
    """A moment that is asked about: the store as it stood, and a connection to what was known."""

    store: Store
    connection: Connection


def moment(text: str, options: Options, params: Params) -> UpTo | None:
    """The moment after AS OF, None where nothing is said. Without a zone it is UTC; a date alone is its end. Raises Invalid
    (`bad-statement`) for what is no time."""
    value = options.as_of
    if value is None:
        return None
    given = value.literal if value.param is None else params[value.param]
    return UpTo(_nanoseconds(text, value.span, given), made=options.by_started)


def _nanoseconds(text: str, place: Span, given: object) -> int:
    if isinstance(given, datetime.date) and not isinstance(given, datetime.datetime):
        given = given.isoformat()
    if isinstance(given, str) and _DATE.fullmatch(given.strip()):
        given = f"{given.strip()}T23:59:59.999999"
    try:
        when = given if isinstance(given, datetime.datetime) else datetime.datetime.fromisoformat(str(given).strip())
        zoned = when if when.tzinfo else when.replace(tzinfo=datetime.UTC)
        whole = (zoned - _EPOCH) // datetime.timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise fault(text, place, f"expected a time such as {_FORMS}") from None
    return whole * 1000 + 999


def past_store(store: Store, upto: UpTo) -> Store:
    """The store as its logs stood at that moment, to be read."""
    return replace(store, logs=store.logs.as_of(upto))


def open_past(store: Store, connection: Connection, upto: UpTo, *, limit_s: float = DEFAULT_LIMIT_S) -> Past:
    """The store and its index as they were recorded at that moment, from a connection that has everything. The caller closes the
    connection. Costs as much as building an index of what was recorded until then."""
    then = past_store(store, upto)
    made = open_in_memory()
    try:
        made.begin()
        make_empty(made, then)
        events = list(_events(connection, upto))
        apply(made, Tail(events, _entries(connection, upto), _environments(connection), Position(), news=True))
        made.commit()
        return Past(then, lock_down(made, limit_s))
    except BaseException:
        made.close()
        raise


def _events(connection: Connection, upto: UpTo) -> Iterator[Record]:
    rows = connection.execute("SELECT record FROM kept.journal_events ORDER BY event").fetchall()
    for (text,) in rows:
        event = json.loads(text)
        if _event_time(event, by_started=upto.made) <= upto.time_ns:
            yield event


def _event_time(event: Record, *, by_started: bool) -> int:
    """When a record was made; by the runs' own times when what it tells happened."""
    if by_started and event["kind"] == RUN_OPENED:
        return int(event["run"]["started"])
    if by_started and event["kind"] == RUN_CLOSED:
        return int(event["close"]["ended"])
    return int(event["time"])


def _entries(connection: Connection, upto: UpTo) -> dict[LogName, list[Entry]]:
    found: dict[LogName, list[Entry]] = {}
    rows = connection.execute("SELECT repo, number, record FROM kept.log_entries ORDER BY repo, number").fetchall()
    for repo, number, text in rows:
        log = RepoId(repo) if repo else None
        entry = entry_of(log, number, json.loads(text), f"the index, entry {number} of {repo or 'the store'}")
        if upto.has(entry):
            found.setdefault(log, []).append(entry)
    return found


def _environments(connection: Connection) -> dict[str, Record]:
    """All of them: a run that was not recorded yet names none."""
    rows = connection.execute("SELECT environment, record FROM kept.environments").fetchall()
    return {digest: json.loads(text) for digest, text in rows}
