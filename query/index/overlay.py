"""A generation with what has come since laid over it, in memory: so that a question sees the newest records without the whole
file being written again for a few of them."""

from typing import Final

from datamon.query.index.schema import (
    BUNDLES,
    DELETIONS,
    JOURNAL_EVENTS,
    KEPT,
    LOG_ENTRIES,
    OF_A_RUN,
    REF_HISTORY,
    REFS,
    REPOS,
    RUNS,
    STATE,
    TABLES,
    WANTED,
    WATCH,
    WITH_SYSTEM,
    Table,
    relations,
)

BASE: Final = "base"
"""What a generation's file is called in a connection."""
FRESH: Final = "fresh"
"""The schema of the rows that lie over the generation's; those of some keys are gone from it, which `gone` names."""
GONE: Final = "gone"

_WHOLE = (STATE, WATCH, WANTED, REPOS)
"""Small tables, of which all rows lie over."""
_KEYS: dict[str, str] = {table.name: "run" for table in OF_A_RUN} | {
    RUNS.name: "id",
    REFS.name: "repo",
    BUNDLES.name: "id",
}
"""By which column rows of a generation can be gone."""


_SOURCES: dict[str, Table] = {table.name: JOURNAL_EVENTS for table in OF_A_RUN} | {
    REFS.name: REF_HISTORY,
    REPOS.name: LOG_ENTRIES,
    BUNDLES.name: DELETIONS,
}
"""From what else rows of a table are derived."""


def tables_about(about: str | None) -> frozenset[Table]:
    """The kept tables that the relations read which the SELECT `about` can name, and those from which their rows are derived
    (None: all)."""
    if about is None:
        return frozenset(TABLES)
    text = " ".join(relations(about))
    read = {table for table in TABLES if f"{KEPT}.{table.name}" in text}
    return frozenset(read | {_SOURCES[table.name] for table in read if table.name in _SOURCES})


def overlay(tables: frozenset[Table], about: str | None = None) -> str:
    """The statements that lay an empty overlay over the generation that is attached as BASE, of these tables; of the relations,
    those that the SELECT `about` can name (None: all)."""
    made = [f"CREATE SCHEMA {schema}" for schema in (KEPT, FRESH, GONE, WITH_SYSTEM)]
    for table in TABLES:  # each takes half a millisecond
        if table not in tables:
            continue
        made.append(table.sql_in(FRESH))
        if table in _WHOLE:
            made.append(f"INSERT INTO {FRESH}.{table.name} FROM {BASE}.{KEPT}.{table.name}")
        elif table.name in _KEYS:
            made.append(f"CREATE TABLE {GONE}.{table.name} ({_KEYS[table.name]} VARCHAR)")
        made.append(f"CREATE VIEW {KEPT}.{table.name} AS {_both(table)}")
    return ";".join(["BEGIN", *made, *relations(about), "COMMIT"])


def _both(table: Table) -> str:
    fresh = f"SELECT * FROM {FRESH}.{table.name}"  # noqa: S608 (names of ours, here and below)
    if table in _WHOLE:
        return fresh
    key = _KEYS.get(table.name)
    left = f" ANTI JOIN {GONE}.{table.name} USING ({key})" if key else ""
    columns = ", ".join(f'"{name}"' for name, _ in table.columns)
    return f"SELECT {columns} FROM {BASE}.{KEPT}.{table.name}{left} UNION ALL {fresh}"  # noqa: S608


def hide(table: str, column: str) -> str:
    """The statement after which the generation's rows of these keys, a list to be bound, are gone."""
    assert _KEYS[table] == column, f"rows of {table} go by {_KEYS[table]}"
    return f"INSERT INTO {GONE}.{table} SELECT unnest(?)"
