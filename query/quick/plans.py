"""SELECTs that were answered before: the SQL that they became, kept, so that the next time nothing is compiled and nothing is
loaded but the engine itself.

A plan is kept only of a statement whose SQL depends on its text alone, after all checks. One file each, below `plans` in the
directory of the index; a file holds the statement, so that two of one name are told apart.
"""

from __future__ import annotations

import os
from zlib import crc32

from datamon.query.index.sealed import DEFAULT_LIMIT_S, MOST_ROWS, SEALED, locked
from datamon.query.quick.answering import Told

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    import duckdb

VERSION = "plan 1"
MOST = 200
"""So many plans are kept."""
_SEPARATOR = "\0"
_READ_STATE = """SELECT name, value FROM kept.state
    UNION ALL SELECT 'waiting', (SELECT count(*) FROM kept.watch) + (SELECT count(*) FROM kept.wanted)"""


class Plan:
    """The SQL of a statement, for an index of this `schema`, by the program that is `made` so."""

    __slots__ = ("schema", "sql")

    def __init__(self, schema: str, sql: str) -> None:
        self.schema = schema
        self.sql = sql


def find_plan(directory: str, text: str) -> Plan | None:
    """The plan of a statement; None when none is kept by this very program."""
    try:
        with open(_path(directory, text), encoding="utf-8") as file:
            version, made, schema, known, sql = file.read().split(_SEPARATOR)
    except (OSError, ValueError):
        return None
    return Plan(schema, sql) if (version, made, known) == (VERSION, _made(), text) else None


def keep_plan(directory: str, text: str, plan: Plan) -> None:
    """The plan is kept. What cannot be written is left."""
    parts = [VERSION, _made(), plan.schema, text, plan.sql]
    if any(_SEPARATOR in part for part in parts):
        return
    path = _path(directory, text)
    fresh = f"{path}-{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _forget_some(os.path.dirname(path))
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(_SEPARATOR.join(parts))
        os.replace(fresh, path)
    except (OSError, UnicodeEncodeError):
        return


def answered(plan: Plan, directory: str, store: str, journal_bytes: int) -> Told | None:
    """The answer by the current generation in this directory; None when that is not level with the store, whose journal has so
    many bytes, or anything is wrong: the whole program says what."""
    numbers = [name for name in os.listdir(directory) if name.endswith(".duckdb") and name[:-7].isdigit()]
    if not numbers:
        return None
    import _duckdb  # the engine itself: its package takes 40 ms more to load than it

    from datamon.query.interruptible import interruptible  # as above: what only a SELECT needs

    try:
        connection = _duckdb.connect(f"{directory}/{max(numbers)}", read_only=True, config=SEALED)
        state = dict(connection.execute(_READ_STATE).fetchall())
        cursor = f'{{"offset": {journal_bytes}, '
        known = state["schema"] == plan.schema and state["store"] == store and state["waiting"] == "0"
        if not known or not state["cursor"].startswith(cursor):
            return None
        for statement in locked(DEFAULT_LIMIT_S):
            connection.execute(statement)
        return interruptible(connection, lambda: _told(connection.execute(plan.sql)))
    except (_duckdb.Error, OverflowError, ValueError, KeyError):
        return None


def _told(connection: duckdb.DuckDBPyConnection) -> Told:
    rows = connection.fetchmany(MOST_ROWS + 1)
    columns = tuple((str(column[0]), str(column[1])) for column in connection.description or ())
    told = Told(columns, rows, [])
    if len(rows) > MOST_ROWS:
        del rows[MOST_ROWS:]
        told.truncated = True
        told.notes.append(f"only the first {MOST_ROWS:,} rows are shown")
    return told


def _path(directory: str, text: str) -> str:
    return f"{directory}/plans/{crc32(text.encode('utf-8', 'surrogatepass')):08x}-{len(text)}"


def _made() -> str:
    """Which program this is: another may read the same statement otherwise."""
    folder = os.path.dirname(os.path.dirname(__file__))
    stamps = (os.stat(f"{folder}/{name}") for name in ("compile.py", "safety.py", "functions.py", "engine.py"))
    return " ".join(f"{stamp.st_size} {stamp.st_mtime_ns}" for stamp in stamps)


def _forget_some(folder: str) -> None:
    """When there are too many, half of the plans are gone, those first that were kept longest ago."""
    with os.scandir(folder) as entries:
        aged = sorted((entry.stat().st_mtime_ns, entry.path) for entry in entries)
    for _, path in aged[: MOST // 2] if len(aged) >= MOST else ():
        os.unlink(path)
