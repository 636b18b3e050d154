"""The lineage of the columns of TPC-H's 22 queries: against tables written by hand from the SQL, and against what a change of the
tables changes."""

import random
from pathlib import Path

import duckdb
import pytest

from datamon.query.columns.derive import derive
from datamon.query.columns.lineage import TableColumn, TableLineage
from datamon.query.testing.tpch import SCHEMAS, load_tables, value

HERE = Path(__file__).parent / "tpch"
QUERIES = {path.stem: path.read_text() for path in sorted(HERE.glob("q*.sql"))}
REVIEWED = sorted(path.stem for path in (HERE / "expected").glob("*.txt"))
SEEDS = 1
"""How many seeds of tables each column's change is tried with."""


@pytest.mark.parametrize("name", REVIEWED)
def test_a_query_has_the_lineage_that_was_written_by_hand(name: str) -> None:
    assert shown(_lineage(name)) == (HERE / "expected" / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", QUERIES)
def test_every_output_column_comes_from_known_columns_or_is_a_count(name: str) -> None:
    found = _lineage(name)
    with duckdb.connect() as connection:
        load_tables(connection, 1)
        described = connection.execute(QUERIES[name]).description or []
    assert [column[0] for column in described] == list(found.values)
    for column, sources in found.values.items():
        assert all(each.column in SCHEMAS[each.table] for each in sources)
        assert sources or column in ("count_order", "order_count", "custdist", "numwait", "numcust")


@pytest.mark.parametrize("name", QUERIES)
def test_a_change_of_a_column_changes_no_output_column_that_lineage_does_not_name(name: str) -> None:
    found, seen = _lineage(name), 0
    for seed in range(SEEDS):
        with duckdb.connect() as connection:
            load_tables(connection, seed)
            before = _answer(connection, name)
            for source in (TableColumn(table, column) for table, columns in SCHEMAS.items() for column in columns):
                connection.execute("BEGIN")
                _change(connection, source, seed)
                after = _answer(connection, name)
                connection.execute("ROLLBACK")
                changed = {column for column in before if before[column] != after[column]}
                seen += len(changed)
                unnamed = {column for column in changed if source not in found.sources(column)}
                assert not unnamed, f"{source} changed {unnamed} with seed {seed}"
    assert seen or name in NEVER_SEEN


NEVER_SEEN: set[str] = set()


def _lineage(name: str) -> TableLineage:
    (found,) = derive(QUERIES[name], SCHEMAS)
    return found


def shown(found: TableLineage) -> str:
    """As the files in `expected` are written."""
    lines = [f"value {column}: {_listed(sources)}".rstrip() for column, sources in found.values.items()]
    lines += [
        f"{kind}: {_listed(found.influences[kind])}"
        for kind in ("filter", "join", "group", "order")
        if kind in found.influences
    ]
    return "\n".join(lines) + "\n"


def _listed(sources: frozenset[TableColumn]) -> str:
    return " ".join(sorted(f"{each.table}.{each.column}" for each in sources))


def _answer(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, list[str]]:
    """Each column's values, sorted: which rows there are matters, not their order. Sums are rounded: they depend on the order in
    which they are made."""
    found = connection.execute(QUERIES[name])
    names = [column[0] for column in found.description or []]
    rows = found.fetchall()
    return {
        column: sorted(repr(round(row[n], 3) if isinstance(row[n], float) else row[n]) for row in rows)
        for n, column in enumerate(names)
    }


def _change(connection: duckdb.DuckDBPyConnection, source: TableColumn, seed: int) -> None:
    """Other values of the same sort stand in the column."""
    chance = random.Random(seed + 1000)
    rows = connection.execute(f"SELECT rowid FROM {source.table} ORDER BY rowid").fetchall()
    new = [value(chance, source.table, source.column, chance.randint(1, len(rows))) for _ in rows]
    connection.execute(f"UPDATE {source.table} SET {source.column} = ?[rowid + 1]", [new])
