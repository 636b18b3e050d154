"""`datamon index push`: a store's tables, kept in PostgreSQL and brought up by what is new.

The database is one more index of the store: it knows how far it has read, and each push applies the store's tail to it in one
transaction, after the lock that pushes to one schema share. So a push that is killed has done nothing, two at once come one after
the other, and one without news writes nothing. Rows are derived by the same functions as on this machine.
"""

import datetime
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from datamon.errors import Conflict, Denied, Invalid
from datamon.query.elsewhere import schema as layout
from datamon.query.elsewhere.postgres import Postgres
from datamon.query.index import derive
from datamon.query.index.derive import Row
from datamon.query.index.parts import read_whole
from datamon.query.index.refresh import event_row
from datamon.query.index.schema import (
    BUNDLES,
    DELETIONS,
    ENVIRONMENTS,
    JOURNAL_EVENTS,
    LOG_ENTRIES,
    OF_A_RUN,
    PACKAGES,
    REF_HISTORY,
    REPOS,
    STATE,
    WANTED,
    WATCH,
    Table,
)
from datamon.query.index.tail import Position, Tail, read_tail
from datamon.store.bundle import Entry
from datamon.store.codec import Record, text_of
from datamon.store.ids import RepoId
from datamon.store.names import RUNS_REPO
from datamon.store.opening import Store

DEFAULT_SCHEMA = "datamon"
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 (all times of the tables are UTC and carry no zone)


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push brought: records of runs, and entries of logs. `whole` when the tables were made anew."""

    events: int
    entries: int
    whole: bool


def push(store: Store, url: str, schema: str = DEFAULT_SCHEMA) -> Pushed:
    """The schema has every record that was durable in `store` before this call, or, when it fails, what it had before.

    Raises Invalid (`bad-argument`, `bad-url`, `missing-extra`), Conflict (`engine-busy`, `other-store`: the schema is of another
    store), Denied (`engine-denied`; `hidden-store` for an encrypted store, whose tables would say what it hides), Unavailable
    (`engine-unavailable`).
    """
    check_name(schema)
    if store.cover.hides:
        said = "this store is encrypted, and its tables in a database would say what it hides; ask it on this machine"
        raise Denied("hidden-store", said)
    with Postgres(url) as database:
        database.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"datamon {schema}"])
        pushed = _pushed(database, store, schema)
        database.commit()
        return pushed


def check_name(schema: str) -> None:
    """Raises Invalid (`bad-argument`) for what cannot be the name of a schema."""
    if not (schema.isascii() and schema.isidentifier() and schema == schema.lower()) or len(schema) > 40:
        said = f"{schema!r} cannot name a schema; use at most 40 small letters, digits and _, first a letter"
        raise Invalid("bad-argument", said, schema=schema)


def _pushed(database: Postgres, store: Store, schema: str) -> Pushed:
    position = read_position(database, store.id, schema)
    tail = read_tail(store, position) if position is not None else None
    tails: Iterable[Tail] = [tail] if tail and tail.news else []
    if tail is None:
        _make_empty(database, store, schema)
        tails = read_whole(store)
    events = entries = 0
    for each in tails:
        _Tables(database, schema).apply(each)
        events += len(each.events)
        entries += sum(map(len, each.entries.values()))
    return Pushed(events, entries, tail is None)


def read_state(database: Postgres, schema: str) -> dict[str, str] | None:
    """What the schema says of itself; None when nothing was pushed there."""
    kept = layout.schemas(schema)[1]
    if database.execute("SELECT to_regclass(%s)", [f'"{kept}".state']) == [(None,)]:
        return None
    return {str(name): str(value) for name, value in database.execute(f'SELECT name, value FROM "{kept}".state')}


def read_position(database: Postgres, store_id: str, schema: str) -> Position | None:
    """How far the tables have read; None when there are none, or of another version. Raises Conflict (`other-store`)."""
    state = read_state(database, schema)
    if state is None:
        return None
    if state.get("store") != store_id:
        said = f"the schema {schema} of {database.place} is of another store; push to another one with --schema"
        raise Conflict("other-store", said, schema=schema)
    if state.get("schema") != layout.version(schema):
        return None
    kept = layout.schemas(schema)[1]
    tips = database.execute(f'SELECT repo, max(number) FROM "{kept}".log_entries GROUP BY repo')
    watch = database.execute(f'SELECT repo, number FROM "{kept}".watch')
    environments = database.execute(f'SELECT environment FROM "{kept}".environments')
    wanted = database.execute(f'SELECT environment FROM "{kept}".wanted')
    return Position(
        cursor=json.loads(state["cursor"]),
        tips={_log_name(repo): int(str(number)) for repo, number in tips},
        watch=frozenset((_log_name(repo), int(str(number))) for repo, number in watch),
        environments=frozenset(str(each) for (each,) in environments),
        wanted=frozenset(str(each) for (each,) in wanted),
    )


def _log_name(repo: object) -> RepoId | None:
    return RepoId(str(repo)) if repo else None


def _make_empty(database: Postgres, store: Store, schema: str) -> None:
    for each in layout.schemas(schema):
        database.execute(f'DROP SCHEMA IF EXISTS "{each}" CASCADE')
    for statement in layout.statements(schema):
        database.execute(statement)
    tables = _Tables(database, schema)
    state = (("schema", layout.version(schema)), ("store", store.id), ("cursor", "{}"), ("broken", "[]"))
    tables.insert(STATE, list(state))
    made = store.created_ns // 1000
    hidden = (store.id, RUNS_REPO, "code and streams of runs", None, None, made, None, None, None, None, RUNS_REPO)
    tables.insert(REPOS, [hidden])


class _Tables:
    """The stored tables of a schema, inside one transaction. What it does is what `index.refresh` does to a file."""

    def __init__(self, database: Postgres, schema: str) -> None:
        self.database = database
        self.kept = layout.schemas(schema)[1]

    def apply(self, tail: Tail) -> None:
        """The tables have everything of `tail` and stand where it ends."""
        self._events(tail.events)
        self._entries(tail.entries)
        self._environments(tail.environments)
        self._stand_at(tail.after)

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """The table has these rows in addition, times given in microseconds since 1970."""
        if rows:
            times = [place for place, (_, kind) in enumerate(table.columns) if kind == "TIMESTAMP"]
            names = [name for name, _ in table.columns]
            self.database.put(self._name(table), names, (_with_times(row, times) for row in rows))

    def _name(self, table: Table) -> str:
        return f'"{self.kept}"."{table.name}"'

    def _delete(self, table: Table, column: str, values: Iterable[str]) -> None:
        statement = f'DELETE FROM {self._name(table)} WHERE "{column}" = ANY(%s)'
        self.database.execute(statement, [list(values)])

    def _events(self, events: list[Record]) -> None:
        if not events:
            return
        rows = {event["event"]: event_row(event) for event in events}
        known = f"SELECT event FROM {self._name(JOURNAL_EVENTS)} WHERE event = ANY(%s)"
        for (event,) in self.database.execute(known, [list(rows)]):
            del rows[event]
        self.insert(JOURNAL_EVENTS, list(rows.values()))
        self._runs(sorted({str(row[1]) for row in rows.values()}))

    def _runs(self, runs: list[str]) -> None:
        told = f"SELECT run, record FROM {self._name(JOURNAL_EVENTS)} WHERE run = ANY(%s) ORDER BY run, event"
        records = ((str(run), json.loads(str(text))) for run, text in self.database.execute(told, [runs]))
        rows, broken = derive.rows_of_runs(records)
        for table in OF_A_RUN:
            self._delete(table, "id" if table.name == "runs" else "run", runs)
            self.insert(table, rows[table.name])
        [(before,)] = self.database.execute(f"SELECT value FROM {self._name(STATE)} WHERE name = 'broken'")
        self._keep("broken", json.dumps(sorted((set(json.loads(str(before))) - set(runs)) | set(broken))))

    def _keep(self, name: str, value: str) -> None:
        self.database.execute(f"UPDATE {self._name(STATE)} SET value = %s WHERE name = %s", [value, name])

    def _entries(self, entries: dict[RepoId | None, list[Entry]]) -> None:
        raw: list[Row] = []
        derived: derive.Rows = {"bundles": [], "deletions": [], "ref_history": []}
        for log, several in entries.items():
            raw += [(log or "", each.number, each.kind, text_of(each.record)) for each in several]
            for name, rows in (derive.rows_of_entries(log, several) if log is not None else {}).items():
                derived[name] += rows
        self.insert(LOG_ENTRIES, raw)
        for table in (BUNDLES, DELETIONS, REF_HISTORY):
            self.insert(table, derived[table.name])
        self._place_replacements(sorted({str(row[0]) for row in derived["deletions"] if row[-1] is not None}))
        self._refs(sorted({str(row[0]) for row in derived["ref_history"]}))
        if None in entries:
            self._repos()

    def _place_replacements(self, repos: list[str]) -> None:
        """Bundles that stand in for deleted ones have their positions: chains of them in the order of their log."""
        told = f"""SELECT repo, bundle, replaced_by FROM {self._name(DELETIONS)}
            WHERE repo = ANY(%s) AND replaced_by IS NOT NULL ORDER BY repo, position"""
        place = f"""UPDATE {self._name(BUNDLES)} AS b SET position = o.position FROM {self._name(BUNDLES)} AS o
            WHERE b.repo = %s AND b.id = %s AND o.repo = b.repo AND o.id = %s"""
        for repo, old, new in self.database.execute(told, [repos]) if repos else ():
            self.database.execute(place, [repo, new, old])

    def _refs(self, repos: list[str]) -> None:
        if not repos:
            return
        refs = f'"{self.kept}".refs'
        self.database.execute(f"DELETE FROM {refs} WHERE repo = ANY(%s)", [repos])
        self.database.execute(
            f"""INSERT INTO {refs} SELECT * FROM (
                SELECT DISTINCT ON (repo, ref) * FROM {self._name(REF_HISTORY)} WHERE repo = ANY(%s)
                ORDER BY repo, ref, position DESC, place DESC) AS last WHERE "new" IS NOT NULL""",
            [repos],
        )

    def _repos(self) -> None:
        told = f"SELECT record FROM {self._name(LOG_ENTRIES)} WHERE repo = '' AND kind = ANY(%s) ORDER BY number"
        records = self.database.execute(told, [sorted(derive.REPO_KINDS)])
        rows = derive.rows_of_repos(json.loads(str(record)) for (record,) in records)
        self.database.execute(f"DELETE FROM {self._name(REPOS)} WHERE name <> %s", [RUNS_REPO])
        self.insert(REPOS, rows)

    def _environments(self, environments: dict[str, Record]) -> None:
        self.insert(ENVIRONMENTS, [(digest, text_of(record)) for digest, record in environments.items()])
        packages = [
            row for digest, record in environments.items() for row in derive.rows_of_environment(digest, record)
        ]
        self.insert(PACKAGES, packages)

    def _stand_at(self, position: Position) -> None:
        self._keep("cursor", json.dumps(position.cursor, sort_keys=True))
        for table, rows in (
            (WATCH, [(log or "", number) for log, number in sorted(position.watch, key=str)]),
            (WANTED, [(digest,) for digest in sorted(position.wanted)]),
        ):
            self.database.execute(f"DELETE FROM {self._name(table)}")
            self.insert(table, rows)


def _with_times(row: Row, places: Sequence[int]) -> list[object]:
    values = list(row)
    for place in places:
        micros = values[place]
        if micros is not None:
            values[place] = _EPOCH + datetime.timedelta(microseconds=int(str(micros)))
    return values
