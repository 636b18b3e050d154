"""Applying a tail to an index file: raw rows first, then the rows derived from whatever they touch."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb

from datamon.query.index import derive
from datamon.query.index.derive import Row
from datamon.query.index.schema import (
    BUNDLES,
    DELETIONS,
    ENVIRONMENTS,
    JOURNAL_EVENTS,
    KEPT,
    LOG_ENTRIES,
    OF_A_RUN,
    PACKAGES,
    REF_HISTORY,
    REFS,
    REPOS,
    STATE,
    TABLES,
    WANTED,
    WATCH,
    Table,
    statements,
    version,
)
from datamon.query.index.tables import delete, insert, replace_all
from datamon.query.index.tail import LogName, Position, Tail, run_named
from datamon.store.bundle import Entry
from datamon.store.codec import Record, text_of
from datamon.store.ids import RepoId
from datamon.store.names import RUNS_REPO
from datamon.store.opening import Store
from datamon.store.uncollected import uncollected

Connection = duckdb.DuckDBPyConnection
_MOST_NS = 2**63
STORE_LOG = ""
"""What the tables call the store's own log."""


def make_empty(connection: Connection, store: Store) -> None:
    """The database is an index of this store that has read nothing."""
    connection.execute(";".join(statements()))
    insert(
        connection,
        STATE,
        [("schema", version()), ("store", store.id), ("cursor", "{}"), ("tips", "{}"), ("broken", "[]")],
    )
    made = store.created_ns // 1000
    hidden = (store.id, RUNS_REPO, "code and streams of runs", None, None, made, None, None, None, None, RUNS_REPO)
    insert(connection, REPOS, [hidden])


def read_position(connection: Connection, store_id: str) -> Position | None:
    """How far the index has read; None when it is not an index of this store in this schema. Raises duckdb.Error when the file
    is damaged."""
    state = dict(connection.execute("SELECT name, value FROM kept.state").fetchall())
    if state.get("schema") != version() or state.get("store") != store_id:
        return None
    watch = connection.execute("SELECT repo, number FROM kept.watch").fetchall()
    environments = connection.execute("SELECT environment FROM kept.environments").fetchall()
    wanted = connection.execute("SELECT environment FROM kept.wanted").fetchall()
    return Position(
        cursor=json.loads(state["cursor"]),
        tips={_log_name(repo): number for repo, number in json.loads(state["tips"]).items()},
        watch=frozenset((_log_name(repo), number) for repo, number in watch),
        environments=frozenset(environment for (environment,) in environments),
        wanted=frozenset(environment for (environment,) in wanted),
    )


@dataclass(frozen=True, slots=True)
class Into:
    """Where rows are written: to the schema KEPT, or FRESH of an overlay; rows of other tables than these are left out."""

    schema: str = KEPT
    tables: frozenset[Table] = frozenset(TABLES)


EVERYWHERE = Into()


@uncollected()
def apply(connection: Connection, tail: Tail, into: Into = EVERYWHERE) -> None:
    """The index has everything of `tail` and stands where it ends. Meant for one transaction."""
    adding = Adding(connection, into)
    adding.add(tail)
    adding.stand_at(tail.after)


def _log_name(repo: str) -> LogName:
    return None if repo == STORE_LOG else RepoId(repo)


def event_row(event: Record) -> Row:
    """The row of JOURNAL_EVENTS that a record of a run is kept as."""
    return event["event"], run_named(event), event["kind"], _time_of(event), text_of(event)


def _time_of(event: Record) -> int | None:
    time_ns = event.get("time")
    return time_ns if type(time_ns) is int and abs(time_ns) < _MOST_NS else None


class Adding:
    """One transaction on a connection."""

    def __init__(self, connection: Connection, into: Into = EVERYWHERE) -> None:
        self._connection = connection
        self._into = into.schema
        self._tables = into.tables

    def add(self, tail: Tail) -> None:
        """The index has everything of `tail`, and does not say so."""
        self._apply_events(tail.events)
        self._apply_entries(tail.entries)
        self._apply_environments(tail.environments)

    def stand_at(self, position: Position) -> None:
        """The index says that it has everything before this."""
        if STATE not in self._tables:
            return
        self._set("cursor", json.dumps(position.cursor, sort_keys=True))
        self._set(
            "tips", json.dumps({log or STORE_LOG: number for log, number in position.tips.items()}, sort_keys=True)
        )
        watch = sorted((log or STORE_LOG, number) for log, number in position.watch)
        replace_all(self._connection, WATCH, watch, self._into)
        replace_all(self._connection, WANTED, [(digest,) for digest in sorted(position.wanted)], self._into)

    def _insert(self, table: Table, rows: Sequence[Row]) -> None:
        if table in self._tables:
            insert(self._connection, table, rows, self._into)

    def _apply_events(self, events: list[Record]) -> None:
        if not events or JOURNAL_EVENTS not in self._tables:
            return
        fresh = {event["event"]: event for event in events}
        for event in self._known("event", list(fresh)):
            del fresh[event]
        of_run: dict[str, list[Record]] = defaultdict(list)
        for event in sorted(fresh):
            of_run[run_named(fresh[event])].append(fresh[event])
        before = self._known("run", list(of_run))
        self._insert(JOURNAL_EVENTS, list(map(event_row, fresh.values())))
        self._derive_anew(sorted(before))
        new = sorted(of_run.keys() - before)
        self._keep_runs(new, ((run, record) for run in new for record in of_run[run]))

    def _known(self, column: str, ids: list[str]) -> set[str]:
        """Those of the ids of events or runs that events are kept of. Ids begin with their time, and rows lie in its order: named
        with the first and the last of them, a search for new ids passes over the blocks of old ones."""
        if not ids:
            return set()
        statement = f"""SELECT DISTINCT {column} FROM kept.journal_events
            WHERE {column} IN (SELECT unnest(?)) AND {column} BETWEEN ? AND ?"""  # noqa: S608
        found = self._connection.execute(statement, [ids, min(ids), max(ids)])
        return {identity for (identity,) in found.fetchall()}

    def _derive_anew(self, runs: list[str]) -> None:
        """The rows of runs of which there were some already."""
        if not runs:
            return
        for table in self._tables.intersection(OF_A_RUN):
            delete(self._connection, table, "id" if table.name == "runs" else "run", runs, self._into)
        told = self._connection.execute(
            "SELECT run, record FROM kept.journal_events WHERE run IN (SELECT unnest(?)) ORDER BY run, event", [runs]
        )
        self._keep_runs(runs, ((run, json.loads(record)) for run, record in told.fetchall()))

    def _keep_runs(self, runs: list[str], records: Iterable[tuple[str, Record]]) -> None:
        """The rows that these records make, a run's together in the order of their events."""
        rows, broken = derive.rows_of_runs(records)
        for table in OF_A_RUN:
            self._insert(table, rows[table.name])
        self._keep_broken(set(runs), broken)

    def _keep_broken(self, derived: set[str], broken: list[str]) -> None:
        if STATE not in self._tables:
            return
        (before,) = self._connection.execute("SELECT value FROM kept.state WHERE name = 'broken'").fetchall()
        now = sorted((set(json.loads(before[0])) - derived) | set(broken))
        self._set("broken", json.dumps(now))

    def _apply_entries(self, entries: dict[LogName, list[Entry]]) -> None:
        raw: list[Row] = []
        derived: derive.Rows = {"bundles": [], "deletions": [], "ref_history": []}
        for log, several in entries.items():
            raw += [(log or STORE_LOG, each.number, each.kind, text_of(each.record)) for each in several]
            if log is not None:
                for name, rows in derive.rows_of_entries(log, several).items():
                    derived[name] += rows
        self._insert(LOG_ENTRIES, raw)
        for table in (BUNDLES, DELETIONS, REF_HISTORY):
            self._insert(table, derived[table.name])
        if BUNDLES in self._tables:
            self._place_replacements(sorted({str(row[0]) for row in derived["deletions"] if row[-1] is not None}))
        if REFS in self._tables:
            self.derive_refs(sorted({str(row[0]) for row in derived["ref_history"]}))
        if None in entries and REPOS in self._tables:
            self._derive_repos()

    def _place_replacements(self, repos: list[str]) -> None:
        """Bundles that stand in for deleted ones have their positions."""
        for repo in repos:
            told = self._connection.execute(
                "SELECT bundle, replaced_by FROM kept.deletions WHERE repo = ? AND replaced_by IS NOT NULL ORDER BY position",
                [repo],
            ).fetchall()
            known = self._connection.execute("SELECT id, position FROM kept.bundles WHERE repo = ?", [repo])
            positions: dict[str, int] = dict(known.fetchall())
            for old, new in told:
                positions[new] = positions[old]
            self._move({new: positions[new] for _, new in told}, repo)

    def _move(self, positions: dict[str, int], repo: str) -> None:
        """These bundles of the repo have these positions. Bundle ids are the repo's own, as they are made at random."""
        made = list(positions)
        rows = self._connection.execute(
            """SELECT b.* REPLACE (epoch_us(time) AS time, m.position AS position)
            FROM kept.bundles b JOIN (SELECT unnest(?) AS id, unnest(?) AS position) m ON b.id = m.id WHERE b.repo = ?""",
            [made, list(positions.values()), repo],
        ).fetchall()
        delete(self._connection, BUNDLES, "id", [str(row[0]) for row in rows], self._into)
        self._insert(BUNDLES, rows)

    def derive_refs(self, repos: list[str]) -> None:
        """What the refs of these repos are now, from what moved them."""
        if not repos:
            return
        delete(self._connection, REFS, "repo", repos, self._into)
        self._connection.execute(
            f"""INSERT INTO {self._into}.refs FROM (
                FROM kept.ref_history WHERE repo IN (SELECT unnest(?))
                QUALIFY row_number() OVER (PARTITION BY repo, ref ORDER BY position DESC, place DESC) = 1
            ) WHERE new IS NOT NULL""",
            [repos],
        )

    def _derive_repos(self) -> None:
        told = self._connection.execute(
            "SELECT record FROM kept.log_entries WHERE repo = ? AND kind IN (SELECT unnest(?)) ORDER BY number",
            [STORE_LOG, sorted(derive.REPO_KINDS)],
        )
        rows = derive.rows_of_repos(json.loads(record) for (record,) in told.fetchall())
        self._connection.execute(f"DELETE FROM {self._into}.repos WHERE name <> ?", [RUNS_REPO])  # noqa: S608
        self._insert(REPOS, rows)

    def _apply_environments(self, environments: dict[str, Record]) -> None:
        self._insert(ENVIRONMENTS, [(digest, text_of(record)) for digest, record in environments.items()])
        rows = [row for digest, record in environments.items() for row in derive.rows_of_environment(digest, record)]
        self._insert(PACKAGES, rows)

    def _set(self, name: str, value: str) -> None:
        self._connection.execute(f"UPDATE {self._into}.state SET value = ? WHERE name = ?", [value, name])  # noqa: S608
