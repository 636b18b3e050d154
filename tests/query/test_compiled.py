"""The sources as recursive SQL give on generated histories what the graph of this machine gives, which `test_oracle` holds
against networkx and a staleness of its own."""

import duckdb
import pytest
import sqlglot

from datamon.query.asking import Asking, find_bundles, find_runs
from datamon.query.compiled.closure import Predicates, closure_sql
from datamon.query.compiled.levels import levels, reached
from datamon.query.compiled.sources import source_sql
from datamon.query.engine import ask_on
from datamon.query.graph.in_memory import Node
from datamon.query.index import open_index
from datamon.query.language.parse import parse
from datamon.query.language.statement import Select
from datamon.query.place import NOWHERE
from datamon.query.sources.closure import Walk
from datamon.query.testing.recorded import recorded
from datamon.query.testing.statements import statements_about
from datamon.query.testing.worlds import Doing, World
from datamon.store.opening import Store

FAR = levels("far", "SELECT 'a'", "step")
NEAR = levels("far", "SELECT 'a'", "step", 1)
THERE = reached("there", "SELECT 'b'", "step")


def compiled_rows(world: World, connection: duckdb.DuckDBPyConnection, text: str) -> list[tuple[object, ...]]:
    asking = Asking(world.store, text, {}, NOWHERE)
    statement = parse(text)
    assert isinstance(statement, Select)
    find_bundles(asking, statement)
    find_runs(asking, statement, connection)
    [placed] = statement.sources
    sql = source_sql(asking, asking.world(connection, placed.source), placed)
    assert sql is not None
    return connection.execute(sql).fetchall()


def check_equal(seed: int, statements: int) -> int:
    """How many rows were compared. Of every second history the records come late, shuffled and by import."""
    history = recorded(seed, late=seed % 2 == 1)
    compared = 0
    with open_index(history.world.store).connect() as connection:
        for text in statements_about(history.bundles, history.runs, history.refs, seed, statements):
            graph = ask_on(connection, history.world.store, text).rows
            sql = compiled_rows(history.world, connection, text)
            assert sorted(map(repr, sql)) == sorted(map(repr, graph)), text
            compared += len(graph)
    return compared


@pytest.mark.parametrize("seed", range(100, 104))
def test_the_recursive_sql_of_a_statement_gives_the_rows_of_the_graph(seed: int) -> None:
    assert check_equal(seed, 20) > 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 260))
def test_thousands_of_statements_give_equal_rows(seed: int) -> None:
    assert check_equal(seed, 50) > 10


@pytest.mark.parametrize(
    ("changed", "using", "stale"),
    [
        ({"a": "2", "b": "1"}, "", 1),
        ({"a": "1", "b": "2"}, "", 0),
        ({"a": "2", "b": "1"}, " USING observed", 1),
        ({"a": "2", "b": "1"}, " USING declared", 0),
    ],
)
def test_what_was_read_by_path_makes_stale_what_it_was_read_for(
    store: Store, changed: dict[str, str], using: str, stale: int
) -> None:
    world = World(store)
    world.upload("raw", {"a": "1", "b": "1"})
    world.run(Doing("step", ("raw",), {"made": {"f": "1"}}, opened={"raw": ("a",)}, by_path=True))
    world.upload("raw", changed)
    with open_index(store).connect() as connection:
        rows = ask_on(connection, store, f"STALE{using}").rows
        assert len(rows) == stale
        assert sorted(map(repr, compiled_rows(world, connection, f"STALE{using}"))) == sorted(map(repr, rows))


def test_a_cycle_ends_and_each_node_has_its_shortest_distance() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE step AS FROM (VALUES ('a', 'b'), ('b', 'c'), ('c', 'a'), ('a', 'c'), ('c', 'd')) t(at_id, next_id)"
        )
        far = f"WITH RECURSIVE {FAR} SELECT id, hop FROM far ORDER BY id"
        assert connection.execute(far).fetchall() == [("a", 0), ("b", 1), ("c", 1), ("d", 2)]
        near = f"WITH RECURSIVE {NEAR} SELECT id FROM far ORDER BY id"
        assert connection.execute(near).fetchall() == [("a",), ("b",), ("c",)]
        there = f"WITH RECURSIVE {THERE} SELECT id FROM there ORDER BY id"
        assert connection.execute(there).fetchall() == [("a",), ("b",), ("c",), ("d",)]


def test_no_recursive_row_carries_a_depth_beside_a_node() -> None:
    sql = closure_sql(Walk("upstream", (Node("bundle", "x"),)), Predicates("upstream_1", stops="repo = 'a'"))
    tree = sqlglot.parse_one(sql, read="duckdb")
    assert isinstance(tree, sqlglot.exp.Query)
    recursive = [cte for cte in tree.ctes if cte.alias in sql.split(f"{cte.alias}", 1)[1]]
    touched = next(cte for cte in recursive if cte.alias == "touched")
    assert touched.args["alias"].columns == [sqlglot.exp.to_identifier("id")]
    assert " UNION SELECT" in touched.this.sql(), "a set of ids, not ways to them"
