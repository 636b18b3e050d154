"""Applying what has come since to the graph's file. What records mean is said by `index.derive`, as for the tables."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from datamon.lineage.records import RUN_CLOSED, RUN_OPENED
from datamon.query.graph.position import STORE_LOG, OutOfReachError
from datamon.query.graph.schema import STATEMENTS, VERSION
from datamon.query.index import derive
from datamon.query.index.derive import Row
from datamon.query.index.tail import Position, Tail, run_named
from datamon.store.bundle import Entry
from datamon.store.codec import Record, text_of
from datamon.store.ids import RepoId
from datamon.store.names import RUNS_REPO
from datamon.store.opening import Store
from datamon.store.uncollected import uncollected

_NEAR = """SELECT bundle FROM inputs WHERE run = :run UNION SELECT bundle FROM outputs WHERE run = :run
    UNION SELECT n FROM bundles WHERE run = :run"""


def make_empty(file: sqlite3.Connection, store: Store) -> None:
    """The file is the graph of this store, of which nothing was read."""
    for statement in STATEMENTS:
        file.execute(statement)
    state = [("version", VERSION), ("store", store.id), ("cursor", "{}"), ("watch", "[]")]
    file.executemany("INSERT INTO state VALUES (?, ?)", state)
    file.execute("INSERT INTO repos VALUES (?, ?, NULL, NULL, NULL)", (store.id, RUNS_REPO))


@uncollected()
def apply(file: sqlite3.Connection, store: Store, tail: Tail) -> None:
    """The file has everything of `tail` and stands where it ends. Meant for one transaction. Raises OutOfReachError."""
    _Applying(file, store.id).apply(tail)


def _mark(event: Record) -> str:
    """Rises as `combine` orders records."""
    return f"{event['time']:020d} {event['event']}"


class _Applying:
    """One transaction, and the numbers of what it has met."""

    def __init__(self, file: sqlite3.Connection, store_id: str) -> None:
        self._file = file
        self._store_id = store_id
        self._bundles: dict[str, int] = {}
        self._runs: dict[str, int] = {}
        self._steps: dict[tuple[object, object], int] = {}
        self._arrays = False
        self._touched: set[tuple[str, int]] = set()

    def apply(self, tail: Tail) -> None:
        """As the function of this name."""
        self._arrays = bool(self._file.execute("SELECT 1 FROM state WHERE name = 'arrays'").fetchall())
        for log, entries in tail.entries.items():
            if log is not None:
                self._log(log, entries)
        if None in tail.entries:
            self._repos(tail.entries[None])
        self._events(tail.events)
        if self._arrays:
            self._many("INSERT OR IGNORE INTO touched VALUES (?, ?)", self._touched)
        self._position(tail.after)

    def _repos(self, entries: Sequence[Entry]) -> None:
        kept = [(each.number, text_of(each.record)) for each in entries if each.kind in derive.REPO_KINDS]
        self._many("INSERT OR REPLACE INTO repo_records VALUES (?, ?)", kept)
        told = self._file.execute("SELECT record FROM repo_records ORDER BY number")
        rows = derive.rows_of_repos(json.loads(record) for (record,) in told)
        self._file.execute("DELETE FROM repos WHERE id <> ?", (self._store_id,))
        few = [(row[0], row[10], row[6], row[7], row[9]) for row in rows]
        self._many("INSERT INTO repos VALUES (?, ?, ?, ?, ?)", few)

    def _log(self, repo: RepoId, entries: Sequence[Entry]) -> None:
        rows = derive.rows_of_entries(repo, entries)
        for row in rows["bundles"]:
            self._bundle_row(row)
        kept = [(row[0], row[1], row[2], row[3], row[4], row[6], row[7]) for row in rows["deletions"]]
        self._many("INSERT INTO deletions VALUES (?, ?, ?, ?, ?, ?, ?)", kept)
        if any(row[-1] is not None for row in rows["deletions"]):
            self._place_replacements(repo)
        for row in rows["ref_history"]:
            self._ref_row(row)

    def _bundle_row(self, row: Row) -> None:
        identity, repo, position, content = str(row[0]), row[1], row[2], row[3]
        n = self._bundle(identity)
        run = None if row[12] is None else self._run(str(row[12]))
        values = (repo, position, content, row[6], row[8], run, row[13], n)
        changed = self._file.execute(
            """UPDATE bundles SET repo = ?, position = ?, content = ?, author = ?, time = ?, run = ?, role = ?
            WHERE n = ? AND repo IS NULL""",
            tuple(map(_plain, values)),
        ).rowcount
        if not changed:
            raise OutOfReachError(f"the bundle {identity} stands twice in the logs")
        self._touched.add(("bundle", n))
        if run is not None:
            self._touched.add(("run", run))

    def _place_replacements(self, repo: str) -> None:
        """Bundles that stand in for deleted ones have their positions."""
        told = self._file.execute(
            "SELECT bundle, replaced_by FROM deletions WHERE repo = ? AND replaced_by IS NOT NULL ORDER BY position, rowid",
            (repo,),
        ).fetchall()
        for old, new in told:
            self._file.execute(
                "UPDATE bundles SET position = (SELECT b.position FROM bundles b WHERE b.id = ?) WHERE id = ?",
                (old, new),
            )

    def _ref_row(self, row: Row) -> None:
        repo, ref, kind, new = row[0], row[1], row[2], row[6]
        if new is None:
            self._file.execute("DELETE FROM refs WHERE repo = ? AND ref = ?", (repo, ref))
        else:
            self._file.execute("INSERT OR REPLACE INTO refs VALUES (?, ?, ?, ?)", (repo, ref, kind, new))

    def _events(self, events: Iterable[Record]) -> None:
        by_run: dict[str, dict[str, Record]] = defaultdict(dict)
        for event in events:
            by_run[run_named(event)][str(event["event"])] = event
        for run in sorted(by_run):
            self._run_events(run, by_run[run])

    def _run_events(self, run: str, events: dict[str, Record]) -> None:
        n = self._run(run)
        ((opened, closed),) = self._file.execute("SELECT opened, closed FROM runs WHERE n = ?", (n,)).fetchall()
        if closed is not None:
            _refuse_older(run, {RUN_OPENED: opened, RUN_CLOSED: closed}, events.values())
            return
        told = self._file.execute("SELECT event, record FROM waiting WHERE run = ?", (run,))
        known = {event: json.loads(record) for event, record in told}
        every = {**events, **known}
        rows, broken = derive.rows_of_runs((run, every[event]) for event in sorted(every))
        settled = bool(rows["runs"]) and any(event["kind"] == RUN_CLOSED for event in every.values())
        self._touch(n)
        self._forget(n)
        if rows["runs"]:
            self._derived(n, rows)
            self._touch(n)
        if settled and not broken:
            self._file.execute("DELETE FROM waiting WHERE run = ?", (run,))
            marks = [_first(every.values(), RUN_OPENED), _first(every.values(), RUN_CLOSED)]
            self._file.execute("UPDATE runs SET opened = ?, closed = ? WHERE n = ?", (*marks, n))
        else:
            fresh = [(event, run, text_of(events[event])) for event in events.keys() - known.keys()]
            self._many("INSERT INTO waiting VALUES (?, ?, ?)", fresh)

    def _touch(self, run: int) -> None:
        """The arrays are no longer right about this run, nor about what lies next to it now."""
        if self._arrays:
            near = self._file.execute(_NEAR, {"run": run})
            self._touched |= {("run", run), *(("bundle", n) for (n,) in near)}

    def _forget(self, n: int) -> None:
        self._file.execute("UPDATE runs SET step = NULL, status = NULL WHERE n = ?", (n,))
        self._file.execute("DELETE FROM inputs WHERE run = ?", (n,))
        self._file.execute("DELETE FROM outputs WHERE run = ?", (n,))

    def _derived(self, n: int, rows: Mapping[str, list[Row]]) -> None:
        (row,) = rows["runs"]
        values = (self._step(row[1], row[2]), row[3], row[5], row[6], row[8], row[13], n)
        self._file.execute(
            "UPDATE runs SET step = ?, status = ?, started = ?, ended = ?, author = ?, code = ? WHERE n = ?",
            tuple(map(_plain, values)),
        )
        read = [
            (n, place, self._bundle(str(each[6])), each[1], each[9], self._hides(each[2], each[3]))
            for place, each in enumerate(rows["inputs"])
        ]
        self._many("INSERT INTO inputs VALUES (?, ?, ?, ?, ?, ?)", read)
        wrote = [
            (n, place, self._bundle(str(each[5])), each[1], *each[2:5], each[6], self._hides(each[2], each[3]))
            for place, each in enumerate(rows["outputs"])
            if each[5] is not None
        ]
        self._many("INSERT INTO outputs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", wrote)

    def _hides(self, repo: object, name: object) -> bool:
        """Whether an edge is of the hidden repo."""
        return repo == self._store_id or name == RUNS_REPO

    def _position(self, after: Position) -> None:
        self._many(
            "INSERT OR REPLACE INTO tips VALUES (?, ?)", [(log or STORE_LOG, n) for log, n in after.tips.items()]
        )
        watch = json.dumps(sorted((log or STORE_LOG, number) for log, number in after.watch))
        state = [("cursor", json.dumps(after.cursor, sort_keys=True)), ("watch", watch)]
        self._many("INSERT OR REPLACE INTO state VALUES (?, ?)", state)

    def _bundle(self, identity: str) -> int:
        if identity not in self._bundles:
            self._bundles[identity] = self._number("bundles", identity)
        return self._bundles[identity]

    def _run(self, identity: str) -> int:
        if identity not in self._runs:
            self._runs[identity] = self._number("runs", identity)
        return self._runs[identity]

    def _number(self, table: str, identity: str) -> int:
        found = self._file.execute(f"SELECT n FROM {table} WHERE id = ?", (_plain(identity),)).fetchone()  # noqa: S608
        if found:
            return int(found[0])
        made = self._file.execute(f"INSERT INTO {table} (id) VALUES (?)", (_plain(identity),))  # noqa: S608
        assert made.lastrowid is not None
        return made.lastrowid

    def _step(self, pipeline: object, step: object) -> int:
        named = (_plain(pipeline), _plain(step))
        if named not in self._steps:
            self._file.execute("INSERT OR IGNORE INTO steps (pipeline, step) VALUES (?, ?)", named)
            (self._steps[named],) = self._file.execute(
                "SELECT n FROM steps WHERE pipeline = ? AND step = ?", named
            ).fetchone()
        return self._steps[named]

    def _many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        self._file.executemany(statement, [tuple(map(_plain, row)) for row in rows])


def _refuse_older(run: str, marks: Mapping[str, str], events: Iterable[Record]) -> None:
    """Raises OutOfReachError when one of these records counts instead of those that settled the run."""
    for event in events:
        if event["kind"] in marks and _mark(event) < marks[event["kind"]]:
            raise OutOfReachError(f"an earlier record of run {run} came later")


def _first(events: Iterable[Record], kind: str) -> str:
    return min(_mark(event) for event in events if event["kind"] == kind)


def _plain(value: object) -> object:
    """The value as SQLite takes it: a lone surrogate is no character, and a '?' stands for it, as in the tables."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
