"""How the process of a SQL step tells the one that records it what it ran: in a file that a variable of its environment names."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from datamon.lineage.records import InputRecord
from datamon.lineage.sql_parts import SqlRecord, SqlTable
from datamon.lineage.workplace import scratch
from datamon.store.opening import Store

PROGRAM = "datamon.cli.sql_program"
"""The module that a recorded command line runs a SQL file with."""
VARIABLE = "DATAMON_SQL_TOLD"
MOST_BYTES = 1_000_000
"""What a SQL step tells is recorded up to this size."""

Columns = Sequence[tuple[str, str]]
"""The columns of a table in order, each with its type."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a SQL step ran: its text, the columns of the tables that it could read by (input, table), and of those it made."""

    text: str
    read: Mapping[tuple[str, str], Columns]
    made: Mapping[str, Columns]


@dataclass(frozen=True, slots=True)
class Ear:
    """Where a command tells it; nowhere when it is no SQL step. `variables` are to be in its environment."""

    place: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def listening(store: Store, argv: Sequence[str]) -> Iterator[Ear]:
    """Where the command can tell what it ran, until the end of the context."""
    if PROGRAM not in argv:
        yield Ear()
        return
    with scratch(store) as directory:
        place = directory / "sql.json"
        yield Ear(place, {VARIABLE: str(place)})


def tell(place: Path, told: Told) -> None:
    """The file holds it when this returns."""
    read = [[source, name, list(columns)] for (source, name), columns in told.read.items()]
    made = [[name, list(columns)] for name, columns in told.made.items()]
    place.write_text(json.dumps({"text": told.text, "read": read, "made": made}), "utf-8")


def heard(ear: Ear, inputs: Sequence[InputRecord], output_role: str, notes: list[str]) -> SqlRecord | None:
    """What the command told, for the record; what cannot be recorded is a note. In the SQL an input is called by its repo."""
    if ear.place is None:
        return None
    try:
        content = ear.place.read_bytes()
        if len(content) > MOST_BYTES:
            notes.append(
                f"the lineage of columns is not recorded: text and schemas take more than {MOST_BYTES:,} bytes"
            )
            return None
        told = json.loads(content)
        roles = {each.repo_name.lower(): each.role for each in inputs}
        read = tuple(_table(roles[source.lower()], source, name, columns) for source, name, columns in told["read"])
        made = tuple(_table(output_role, "", name, columns) for name, columns in told["made"])
        return SqlRecord(told["text"], read, made)
    except (OSError, ValueError, KeyError, TypeError) as error:
        notes.append(f"the lineage of columns is not recorded: the SQL step did not tell what it ran ({error})")
        return None


def _table(role: str, source: str, name: str, columns: Columns) -> SqlTable:
    return SqlTable(role, source, name, tuple(column for column, _ in columns), tuple(kind for _, kind in columns))
