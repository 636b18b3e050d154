"""A connection to the index reads it and does nothing else."""

from pathlib import Path

import duckdb
import pyarrow
import pytest

from datamon.query.index import Index, open_index
from datamon.query.index.connect import stopped
from datamon.store.opening import Store
from datamon.store.repos import create_repo


@pytest.fixture
def index(store: Store) -> Index:
    """The index of a store with one repo."""
    create_repo(store, "orders", "")
    return open_index(store)


REFUSED = [
    "CREATE TABLE t (a INT)",
    "CREATE SCHEMA s",
    "CREATE VIEW v AS SELECT 1",
    "INSERT INTO kept.repos SELECT * FROM kept.repos",
    "UPDATE kept.repos SET name = 'x'",
    "DELETE FROM kept.repos",
    "DROP VIEW repos",
    "ALTER TABLE kept.repos ADD COLUMN x INT",
    "SELECT * FROM read_text('{file}')",
    "SELECT * FROM read_csv('{file}')",
    "SELECT * FROM '{file}'",
    "SELECT * FROM glob('{directory}/*')",
    "COPY (SELECT 1) TO '{directory}/out.csv'",
    "EXPORT DATABASE '{directory}/out'",
    "ATTACH '{directory}/other.duckdb'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET max_execution_time = 0",
    "SET memory_limit = '1TB'",
    "RESET lock_configuration",
    "PRAGMA enable_profiling",
    "SET threads = 1",
    "CREATE PERSISTENT SECRET s (TYPE http)",
]


def test_what_would_write_reach_out_or_change_settings_is_refused(index: Index, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with index.connect() as connection:
        for statement in REFUSED:
            with pytest.raises(duckdb.Error):
                pytest.fail(f"{statement}: {connection.execute(_named(statement, tmp_path)).fetchall()}")
        assert connection.execute("SELECT name FROM repos").fetchall() == [("orders",)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret.csv"]


def _named(statement: str, directory: Path) -> str:
    return statement.format(file=directory / "secret.csv", directory=directory)


def test_a_variable_of_python_is_no_table(index: Index) -> None:
    secret = pyarrow.table({"a": [42]})
    with index.connect() as connection, pytest.raises(duckdb.CatalogException):
        connection.execute("SELECT * FROM secret")
    assert secret.num_rows == 1


def test_what_is_made_for_the_time_being_is_gone_with_the_connection(index: Index) -> None:
    with index.connect() as connection:
        connection.execute("CREATE TEMP TABLE t AS SELECT 1 AS a")
    with index.connect() as connection, pytest.raises(duckdb.CatalogException):
        connection.execute("SELECT * FROM t")


def test_a_statement_stops_at_its_limit(index: Index) -> None:
    with index.connect(limit_s=0.2) as connection, pytest.raises(duckdb.InterruptException):
        connection.execute(
            "SELECT count(*) FROM range(1000000000) a(x), range(1000) b(y) WHERE (x * y) % 7 = 3"
        ).fetchall()


def test_two_connections_may_have_different_limits(index: Index) -> None:
    with index.connect(limit_s=5) as short, index.connect(limit_s=50) as long:
        sql = "SELECT current_setting('max_execution_time')"
        assert [each.execute(sql).fetchall() for each in (short, long)] == [[(5000,)], [(50000,)]]


def test_a_connection_may_take_a_limited_share_of_memory(index: Index) -> None:
    with index.connect() as connection:
        (limit,) = connection.execute("SELECT current_setting('memory_limit')").fetchall()[0]
    assert limit == "3.7 GiB"


def test_the_error_of_a_stopped_statement_says_what_to_do() -> None:
    error = stopped(60)
    assert (error.code, error.message) == (
        "query-stopped",
        "the query was stopped after 60 seconds; narrow it, or allow it more time",
    )
