"""The lineage of columns that the records of SQL steps tell, and the relation `columns` that is made of it."""

import json
from collections.abc import Collection, Iterator
from functools import lru_cache, partial
from pathlib import PurePosixPath
from typing import NamedTuple

import duckdb

from datamon.errors import Invalid
from datamon.lineage.records import Run, combine
from datamon.lineage.sql_parts import SqlRecord, SqlTable
from datamon.query.columns.derive import derive
from datamon.query.columns.lineage import TableColumn
from datamon.query.facts import recorded_runs
from datamon.query.sources.tables import put_table
from datamon.store.opening import Store

COLUMNS = tuple(
    (name, "VARCHAR")
    for name in (
        "run",
        "output_repo",
        "output_bundle",
        "output_table",
        "output_column",
        "input_repo",
        "input_bundle",
        "input_table",
        "input_column",
        "kind",
    )
)
Row = tuple[object, ...]
ROWS = ""
"""In place of a column's name: which rows the table has."""
_KEPT_DERIVATIONS = 4096


class Made(NamedTuple):
    """A column of an output, by the output's role."""

    role: str
    table: str
    column: str


class Source(NamedTuple):
    """A column of an input that makes another one what it is: its `value`, or by another kind which rows there are. `ROWS` in
    place of a column are the rows of the table: whether there are more or fewer."""

    role: str
    table: str
    column: str
    kind: str


_TOLD = """
    SELECT r.id FROM runs r JOIN kept.journal_events e ON e.run = r.id
    WHERE r.status = 'succeeded' AND e.kind = 'run-closed' AND (contains(e.record, '"sql":') OR r.reused IS NOT NULL)
    GROUP BY r.id ORDER BY r.id"""
Derived = dict[Made, tuple[Source, ...]]


def attach_columns(connection: duckdb.DuckDBPyConnection, _store: Store) -> None:
    """The index connection has the relation `columns` until it is closed. Reads no data: only what runs recorded."""
    put_table(connection, "columns", COLUMNS, list(_rows(connection)))


def _rows(connection: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    known = SqlRuns(connection)
    runs = [run for (run,) in connection.execute(_TOLD).fetchall()]
    known.look(runs)
    for run in runs:
        found = known.derived(run)
        if not found:
            continue
        read, wrote = known.inputs(run), known.outputs(run)
        place = partial(known.place, run)
        for made, sources in found.items():
            if made.role not in wrote or made.column == ROWS:
                continue
            sources = tuple(source for source in sources if source.column != ROWS)
            output = (run, *wrote[made.role], made.table, made.column)
            for source in sources:
                yield (*output, *read[source.role], place(source.role, source.table), source.column, source.kind)
            if not sources:
                yield (*output, None, None, None, None, "value")


class SqlRuns:
    """The runs of SQL steps among those that were looked at; each is read once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._looked: set[str] = set()
        self._runs: dict[str, Run] = {}
        self._originals: dict[str, Run] = {}
        self._repos = dict(connection.execute("SELECT id, coalesce(shown, id) FROM kept.repos").fetchall())

    def look(self, runs: Collection[str]) -> None:
        """These runs are known, and those whose outputs they took."""
        new = sorted(set(runs) - self._looked)
        self._looked.update(new)
        for run in _with_sql(self._connection, new):
            self._runs[run.id] = run
        wanted = {run.closed.reused for run in self._runs.values() if run.closed and run.closed.reused}
        while wanted := wanted - self._originals.keys():
            found: dict[str, Run] = {run.id: run for run in recorded_runs(self._connection, wanted)}
            self._originals |= found
            wanted = {run.closed.reused for run in found.values() if run.closed and run.closed.reused}
            if not found:
                break

    def sql(self, run: str) -> SqlRecord | None:
        """What the run ran, or the one whose outputs it took; None for one that is no SQL step or did not tell."""
        seen: set[str] = set()
        told = self._runs.get(run)
        while told is not None and told.closed is not None and told.id not in seen:
            if told.closed.sql is not None:
                return told.closed.sql
            seen.add(told.id)
            told = self._originals.get(told.closed.reused or "")
        return None

    def derived(self, run: str) -> Derived | None:
        """From what each column of its outputs is made; None where that cannot be told."""
        sql = self.sql(run)
        if sql is None or not {table.role for table in sql.read} <= self.inputs(run).keys():
            return None
        return derived(sql)

    def place(self, run: str, role: str, table: str) -> str:
        """What a table of an input is called in its bundle: below the part that the run read, if it read a part."""
        [path] = [PurePosixPath(each.path) for each in self._runs[run].inputs if each.role == role]
        above = path.parent if path.stem == table else path
        return str(above / table)

    def inputs(self, run: str) -> dict[str, tuple[str, str]]:
        """The repo and bundle of each input, by its role."""
        return {each.role: (self._repos.get(each.repo, each.repo_name), each.bundle) for each in self._runs[run].inputs}

    def outputs(self, run: str) -> dict[str, tuple[str, str]]:
        """The same of each output."""
        return {
            each.role: (self._repos.get(each.repo, each.repo_name), each.bundle) for each in self._runs[run].outputs
        }


def _with_sql(connection: duckdb.DuckDBPyConnection, runs: list[str]) -> Iterator[Run]:
    """Those of these runs that ran SQL, or took the outputs of another run."""
    told = connection.execute(
        """SELECT run, list(record ORDER BY event) FROM kept.journal_events WHERE run IN (
            SELECT e.run FROM kept.journal_events e LEFT JOIN kept.runs r ON r.id = e.run
            WHERE e.kind = 'run-closed' AND e.run IN (SELECT unnest(?::VARCHAR[]))
                AND (contains(e.record, '"sql":') OR r.reused IS NOT NULL))
        GROUP BY run ORDER BY run""",
        [runs],
    ).fetchall()
    for _, records in told:
        run = combine(map(json.loads, records))
        if run is not None:
            yield run


@lru_cache(_KEPT_DERIVATIONS)
def derived(sql: SqlRecord) -> Derived | None:
    """From what each column that a SQL step made is made. None where that cannot be told, or where what sqlglot says of them
    is not what DuckDB made. The same text over the same tables is derived once in a process."""
    read = {_called(table): table for table in sql.read}
    schemas = {name: dict(zip(table.columns, table.types, strict=True)) for name, table in read.items()}
    try:
        found = {each.name.lower(): each for each in derive(sql.text, schemas)}
    except Invalid:
        return None
    answer: Derived = {}
    for table in sql.made:
        lineage = found.get(table.name.lower())
        if lineage is None or [each.lower() for each in lineage.values] != [each.lower() for each in table.columns]:
            return None
        try:
            influences = {_source(read, each, kind) for kind, all_ in lineage.influences.items() for each in all_}
            influences |= {_source(read, TableColumn(each, ROWS), "rows") for each in lineage.read}
            answer[Made(table.role, table.name, ROWS)] = tuple(sorted(influences))
            for column, values in zip(table.columns, lineage.values.values(), strict=True):
                sources = {_source(read, each, "value") for each in values}
                answer[Made(table.role, table.name, column)] = tuple(sorted({*sources, *influences}))
        except KeyError:
            return None
    return answer


def _called(table: SqlTable) -> str:
    return f"{table.source}.{table.name}"


def _source(read: dict[str, SqlTable], column: TableColumn, kind: str) -> Source:
    table = read[column.table]
    return Source(table.role, table.name, column.column, kind)
