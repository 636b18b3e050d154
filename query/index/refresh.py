"""Applying a tail to an index file: raw rows first, then the rows derived from whatever they touch."""

import json
from collections import defaultdict
from collections.abc import Iterable

import duckdb

from datamon.query.index import derive
from datamon.query.index.derive import Row
from datamon.query.index.schema import (
    BUNDLES,
    DELETIONS,
    ENVIRONMENTS,
    JOURNAL_EVENTS,
    LOG_ENTRIES,
    OF_A_RUN,
    PACKAGES,
    REF_HISTORY,
    REFS,
    REPOS,
    STATE,
    WANTED,
    WATCH,
    statements,
    version,
)
from datamon.query.index.tables import delete, insert, replace_all
from datamon.query.index.tail import LogName, Position, Tail
from datamon.store.bundle import Entry
from datamon.store.codec import Record, encode
from datamon.store.ids import RepoId
from datamon.store.names import RUNS_REPO
from datamon.store.opening import Store

Connection = duckdb.DuckDBPyConnection
_STORE_LOG = ""


def make_empty(connection: Connection, store: Store) -> None:
    """The database is an index of this store that has read nothing."""
    connection.execute(";".join(statements()))
    insert(connection, STATE, [("schema", version()), ("store", store.id), ("cursor", "{}"), ("broken", "[]")])
    made = store.created_ns // 1000
    hidden = (store.id, RUNS_REPO, "code and streams of runs", None, None, made, None, None, None, None, RUNS_REPO)
    insert(connection, REPOS, [hidden])


def read_position(connection: Connection, store_id: str) -> Position | None:
    """How far the index has read; None when it is not an index of this store in this schema. Raises duckdb.Error when the file
    is damaged."""
    state = dict(connection.execute("SELECT name, value FROM kept.state").fetchall())
    if state.get("schema") != version() or state.get("store") != store_id:
        return None
    tips = connection.execute("SELECT repo, max(number) FROM kept.log_entries GROUP BY repo").fetchall()
    watch = connection.execute("SELECT repo, number FROM kept.watch").fetchall()
    environments = connection.execute("SELECT environment FROM kept.environments").fetchall()
    wanted = connection.execute("SELECT environment FROM kept.wanted").fetchall()
    return Position(
        cursor=json.loads(state["cursor"]),
        tips={_log_name(repo): number for repo, number in tips},
        watch=frozenset((_log_name(repo), number) for repo, number in watch),
        environments=frozenset(environment for (environment,) in environments),
        wanted=frozenset(environment for (environment,) in wanted),
    )


def apply(connection: Connection, tail: Tail) -> None:
    """The index has everything of `tail` and stands where it ends. Meant for one transaction."""
    _apply_events(connection, tail.events)
    _apply_entries(connection, tail.entries)
    _apply_environments(connection, tail.environments)
    _keep_position(connection, tail.after)


def _log_name(repo: str) -> LogName:
    return None if repo == _STORE_LOG else RepoId(repo)


def _text(record: Record) -> str:
    return encode(record).decode()


def _apply_events(connection: Connection, events: list[Record]) -> None:
    if not events:
        return
    fresh = {event["event"]: event for event in events}
    known = connection.execute("SELECT event FROM kept.journal_events WHERE event IN (SELECT unnest(?))", [list(fresh)])
    for (event,) in known.fetchall():
        del fresh[event]
    of_run: dict[str, list[Record]] = defaultdict(list)
    for event in sorted(fresh):
        of_run[_run_of(fresh[event])].append(fresh[event])
    told = "SELECT DISTINCT run FROM kept.journal_events WHERE run IN (SELECT unnest(?))"
    before = {run for (run,) in connection.execute(told, [list(of_run)]).fetchall()}
    insert(connection, JOURNAL_EVENTS, [(e, _run_of(each), each["kind"], _text(each)) for e, each in fresh.items()])
    _derive_anew(connection, sorted(before))
    new = sorted(of_run.keys() - before)
    _keep_runs(connection, new, ((run, record) for run in new for record in of_run[run]))


def _run_of(event: Record) -> str:
    run = event.get("run")
    return str(run["id"] if isinstance(run, dict) else run)


def _derive_anew(connection: Connection, runs: list[str]) -> None:
    """The rows of runs of which there were some already."""
    if not runs:
        return
    for table in OF_A_RUN:
        delete(connection, table, "id" if table.name == "runs" else "run", runs)
    told = connection.execute(
        "SELECT run, record FROM kept.journal_events WHERE run IN (SELECT unnest(?)) ORDER BY run, event", [runs]
    )
    _keep_runs(connection, runs, ((run, json.loads(record)) for run, record in told.fetchall()))


def _keep_runs(connection: Connection, runs: list[str], records: Iterable[tuple[str, Record]]) -> None:
    """The rows that these records make, a run's together in the order of their events."""
    rows, broken = derive.rows_of_runs(records)
    for table in OF_A_RUN:
        insert(connection, table, rows[table.name])
    _keep_broken(connection, set(runs), broken)


def _keep_broken(connection: Connection, derived: set[str], broken: list[str]) -> None:
    (before,) = connection.execute("SELECT value FROM kept.state WHERE name = 'broken'").fetchall()
    now = sorted((set(json.loads(before[0])) - derived) | set(broken))
    connection.execute("UPDATE kept.state SET value = ? WHERE name = 'broken'", [json.dumps(now)])


def _apply_entries(connection: Connection, entries: dict[LogName, list[Entry]]) -> None:
    raw: list[Row] = []
    derived: derive.Rows = {"bundles": [], "deletions": [], "ref_history": []}
    for log, several in entries.items():
        raw += [(log or _STORE_LOG, each.number, each.kind, _text(each.record)) for each in several]
        if log is not None:
            for name, rows in derive.rows_of_entries(log, several).items():
                derived[name] += rows
    insert(connection, LOG_ENTRIES, raw)
    for table in (BUNDLES, DELETIONS, REF_HISTORY):
        insert(connection, table, derived[table.name])
    _place_replacements(connection, sorted({str(row[0]) for row in derived["deletions"] if row[-1] is not None}))
    _derive_refs(connection, sorted({str(row[0]) for row in derived["ref_history"]}))
    if None in entries:
        _derive_repos(connection)


def _place_replacements(connection: Connection, repos: list[str]) -> None:
    """Bundles that stand in for deleted ones have their positions."""
    for repo in repos:
        told = connection.execute(
            "SELECT bundle, replaced_by FROM kept.deletions WHERE repo = ? AND replaced_by IS NOT NULL ORDER BY position",
            [repo],
        ).fetchall()
        known = connection.execute("SELECT id, position FROM kept.bundles WHERE repo = ?", [repo])
        positions: dict[str, int] = dict(known.fetchall())
        for old, new in told:
            positions[new] = positions[old]
        made = [new for _, new in told]
        connection.execute(
            """UPDATE kept.bundles SET position = m.position FROM (SELECT unnest(?) AS id, unnest(?) AS position) m
            WHERE bundles.repo = ? AND bundles.id = m.id""",
            [made, [positions[new] for new in made], repo],
        )


def _derive_refs(connection: Connection, repos: list[str]) -> None:
    if not repos:
        return
    delete(connection, REFS, "repo", repos)
    connection.execute(
        """INSERT INTO kept.refs FROM (
            FROM kept.ref_history WHERE repo IN (SELECT unnest(?))
            QUALIFY row_number() OVER (PARTITION BY repo, ref ORDER BY position DESC, place DESC) = 1
        ) WHERE new IS NOT NULL""",
        [repos],
    )


def _derive_repos(connection: Connection) -> None:
    told = connection.execute(
        "SELECT record FROM kept.log_entries WHERE repo = ? AND kind IN (SELECT unnest(?)) ORDER BY number",
        [_STORE_LOG, sorted(derive.REPO_KINDS)],
    )
    rows = derive.rows_of_repos(json.loads(record) for (record,) in told.fetchall())
    connection.execute("DELETE FROM kept.repos WHERE name <> ?", [RUNS_REPO])
    insert(connection, REPOS, rows)


def _apply_environments(connection: Connection, environments: dict[str, Record]) -> None:
    insert(connection, ENVIRONMENTS, [(digest, _text(record)) for digest, record in environments.items()])
    rows = [row for digest, record in environments.items() for row in derive.rows_of_environment(digest, record)]
    insert(connection, PACKAGES, rows)


def _keep_position(connection: Connection, position: Position) -> None:
    connection.execute(
        "UPDATE kept.state SET value = ? WHERE name = 'cursor'", [json.dumps(position.cursor, sort_keys=True)]
    )
    replace_all(connection, WATCH, sorted((log or _STORE_LOG, number) for log, number in position.watch))
    replace_all(connection, WANTED, [(digest,) for digest in sorted(position.wanted)])
