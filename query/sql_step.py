"""Runs the SQL text of a step: over the tables in directories, into Parquet files in another; nothing else can be reached."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from datamon.errors import Invalid

ANSWER = "result"
_READERS = {
    ".parquet": "read_parquet",
    ".csv": "read_csv",
    ".json": "read_json",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
}
_PLACE = re.compile(r"LINE (\d+): .*\n( *)\^")
_KINDS = (duckdb.StatementType.SELECT, duckdb.StatementType.CREATE)


@dataclass(frozen=True, slots=True)
class SqlStep:
    """A SQL text, the directory of each input by its role, the directory that is written to, and the values of its `$name`s."""

    text: str
    inputs: Mapping[str, Path]
    output: Path
    params: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Ran:
    """The columns, with their types, of the tables that a text could read, by input and table, and of those that it made."""

    read: Mapping[tuple[str, str], Sequence[tuple[str, str]]]
    made: Mapping[str, Sequence[tuple[str, str]]]


def run_sql(step: SqlStep) -> Ran:
    """The tables that the statements make (`CREATE TABLE name AS …`; a bare SELECT makes `result`) are files name.parquet in the
    output directory when this returns. Nothing is written when a statement fails.

    Each file of an input (Parquet, CSV, JSON), and each directory of Parquet files, is a table `role.stem`, and also plain `stem`
    where only one input has it. One thread computes: the same text over the same files gives the same rows in the same order.
    Statements other than SELECT and CREATE are refused; files elsewhere, the network and extensions cannot be reached. Raises
    Invalid (`bad-sql`), which points at line and column where the engine does.
    """
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        _open_inputs(connection, step)
        _lock(connection, step)
        for statement, line in _statements(connection, step.text):
            _run(connection, step, statement, line)
        made = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' AND NOT temporary ORDER BY ALL"
        ).fetchall()
        if not made:
            raise Invalid(
                "bad-sql", "the SQL makes no table; end it with a SELECT, or write CREATE TABLE name AS SELECT …"
            )
        for (name,) in made:
            if not re.fullmatch(r"[\w][\w.-]*", name):
                raise Invalid("bad-sql", f"the table {name!r} cannot be a file's name; call it otherwise")
        for (name,) in made:
            place = _text(str(step.output.absolute() / f"{name}.parquet"))
            connection.execute(f"COPY (SELECT * FROM main.{_name(name)}) TO {place} (FORMAT parquet)")
        return _ran(connection, step, [name for (name,) in made])


def _ran(connection: duckdb.DuckDBPyConnection, step: SqlStep, made: list[str]) -> Ran:
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for schema, table, column, kind in connection.execute(
        """SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns()
        WHERE database_name = current_database() AND NOT internal ORDER BY schema_name, table_name, column_index"""
    ).fetchall():
        found.setdefault((schema, table), []).append((column, kind))
    read = {place: columns for place, columns in found.items() if place[0] in step.inputs}
    return Ran(read, {name: found["main", name] for name in made})


def _open_inputs(connection: duckdb.DuckDBPyConnection, step: SqlStep) -> None:
    connection.execute("CREATE SCHEMA inputs")
    found = {role: dict(_tables(directory)) for role, directory in step.inputs.items()}
    for role, tables in found.items():
        if role.lower() in ("main", "inputs", "temp", "pg_catalog", "information_schema"):
            raise Invalid("bad-sql", f"an input of SQL cannot be called {role!r}; give it another role")
        connection.execute(f"CREATE SCHEMA {_name(role)}")
        for table, reader in tables.items():
            held_by = [each for each, others in found.items() if table.lower() in {name.lower() for name in others}]
            try:
                connection.execute(f"CREATE VIEW {_name(role)}.{_name(table)} AS SELECT * FROM {reader}")
                if len(held_by) == 1:
                    connection.execute(
                        f"CREATE VIEW inputs.{_name(table)} AS SELECT * FROM {_name(role)}.{_name(table)}"
                    )
            except duckdb.Error as error:
                said = str(error).splitlines()[0]
                raise Invalid("bad-sql", f"the table {role}.{table} cannot be read: {said}") from error


def _tables(directory: Path) -> Iterator[tuple[str, str]]:
    """Each table below a directory with the call that reads it."""
    for path in sorted(directory.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and any(path.glob("**/*.parquet")):
            yield path.name, f"read_parquet({_text(str(path.absolute() / '**' / '*.parquet'))})"
        elif path.suffix.lower() in _READERS:
            yield path.stem, f"{_READERS[path.suffix.lower()]}({_text(str(path.absolute()))})"


def _lock(connection: duckdb.DuckDBPyConnection, step: SqlStep) -> None:
    places = ", ".join(_text(str(each.absolute())) for each in (*step.inputs.values(), step.output))
    for setting in (
        f"allowed_directories = [{places}]",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "enable_external_access = false",
        "search_path = 'main,inputs'",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


def _statements(connection: duckdb.DuckDBPyConnection, text: str) -> Iterator[tuple[duckdb.Statement, int]]:
    """The statements, each with the number of lines before it."""
    try:
        found = connection.extract_statements(text)
    except duckdb.Error as error:
        raise _fault(error, 0) from error
    at = 0
    for statement in found:
        at = max(text.find(statement.query, at), at)
        blank = len(statement.query) - len(statement.query.lstrip())
        yield statement, text[: at + blank].count("\n")
        at += len(statement.query)


def _run(connection: duckdb.DuckDBPyConnection, step: SqlStep, statement: duckdb.Statement, line: int) -> None:
    if statement.type not in _KINDS:
        said = f"line {line + 1}: only SELECT and CREATE … AS SELECT can stand in the SQL of a step, not {statement.type.name}"
        raise Invalid("bad-sql", said, line=line + 1)
    missing = sorted(set(statement.named_parameters) - step.params.keys())
    if missing:
        raise Invalid("bad-sql", f"${missing[0]} has no value; give it with --param {missing[0]}=…", line=line + 1)
    values = {name: step.params[name] for name in statement.named_parameters}
    sql = statement.query.strip().rstrip(";")
    try:
        if statement.type == duckdb.StatementType.SELECT:
            line -= 1  # ours stands before it
            connection.execute(f"CREATE TABLE main.{ANSWER} AS\n{sql}", values or None)
        else:
            connection.execute(sql, values or None)
    except duckdb.Error as error:
        raise _fault(error, line) from error


def _fault(error: duckdb.Error, lines_before: int) -> Invalid:
    said = str(error).splitlines()[0]
    place = _PLACE.search(str(error))
    if place is None:
        return Invalid("bad-sql", f"the SQL cannot be run: {said}")
    line = lines_before + int(place[1])
    column = len(place[2]) - len(f"LINE {place[1]}: ") + 1
    return Invalid("bad-sql", f"line {line}, column {column}: {said}", line=line, column=column)


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
