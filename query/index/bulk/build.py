"""Making an index from all that a store holds."""

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import duckdb

from datamon.query.index.bulk.staging import Staged, Staging
from datamon.query.index.parts import Part
from datamon.query.index.refresh import Adding
from datamon.query.index.schema import JOURNAL_EVENTS, KEPT
from datamon.query.index.tail import Tail
from datamon.store.uncollected import uncollected

Connection = duckdb.DuckDBPyConnection
_T = TypeVar("_T")
_KNOWN = """SELECT 1 FROM kept.journal_events
    WHERE run IN (SELECT run FROM news) AND run BETWEEN (SELECT min(run) FROM news) AND (SELECT max(run) FROM news)
    OR event IN (SELECT event FROM news) AND event BETWEEN (SELECT min(event) FROM news) AND (SELECT max(event) FROM news)
    LIMIT 1"""


@uncollected()
def apply_parts(connection: Connection, parts: Iterable[Part]) -> None:
    """The index, of which nobody sees anything yet, has all of these parts and stands where the last one ends. Each part is a
    transaction: a larger one stays in memory whole. Raises as `read_parts`."""
    adding = Adding(connection)
    last = None
    with closing(Staging()) as staging, closing(_ahead(map(staging.staged, _ahead(parts)))) as several:
        for staged in several:
            connection.begin()
            _add(connection, adding, staged)
            connection.commit()
            last = staged.part
    if last is not None:
        connection.begin()
        adding.stand_at(last.standing())
        connection.commit()


def _ahead(several: Iterable[_T]) -> Generator[_T, None, None]:
    """The same; the next one is made in a thread meanwhile. Closed, it waits for that."""
    following = iter(several)
    with ThreadPoolExecutor(1, thread_name_prefix="index") as threads:
        coming = threads.submit(next, following, None)
        while (made := coming.result()) is not None:
            coming = threads.submit(next, following, None)
            yield made


def _add(connection: Connection, adding: Adding, staged: Staged) -> None:
    part = staged.part
    if staged.rows and _is_known(connection, staged):
        staged = Staged(part)
    for table, rows in staged.rows.items():
        connection.register("news", rows)
        connection.execute(f"INSERT INTO {KEPT}.{table} FROM news")
        connection.unregister("news")
    bodies = [*part.opened, *part.closed] if staged.bodies is None else staged.bodies
    events = [*part.events, *part.decode(bodies)]
    adding.add(Tail(events, part.entries(staged.logs), part.environments, part.after, True))
    adding.derive_refs(sorted(part.logs) if "ref_history" in staged.rows else [])


def _is_known(connection: Connection, staged: Staged) -> bool:
    """Whether something was told before of one of the runs that are called new."""
    if JOURNAL_EVENTS.name not in staged.rows:
        return False
    connection.register("news", staged.rows[JOURNAL_EVENTS.name])
    found = connection.execute(_KNOWN).fetchall()
    connection.unregister("news")
    return bool(found)
