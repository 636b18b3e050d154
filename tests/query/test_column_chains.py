"""Columns followed over generated chains of SQL steps, against what a change of the raw table changes."""

import random
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from datamon.lineage.sql_parts import SqlRecord, SqlTable
from datamon.query.engine import ask
from datamon.query.sql_step import Ran, SqlStep, run_sql
from datamon.query.testing.worlds import Doing, World
from datamon.store.opening import memory_store
from datamon.store.testing.clocks import SteppingClock

RAW = ("a", "b", "c", "d", "e")
ROWS = 24
STEPS = (
    "SELECT {0} + {1} AS a, {2} AS b, {3} AS c, {4} AS d, {0} AS e FROM t",
    "SELECT {0} AS a, {1} AS b, {2} AS c, {3} AS d, {4} AS e FROM t WHERE {2} % 3 <> 0",
    "SELECT {0} AS a, sum({1}) AS b, max({2}) AS c, count(*) AS d, min({3}) AS e FROM t GROUP BY {0}",
    "SELECT {0} AS a, row_number() OVER (PARTITION BY {1} ORDER BY {2}, {3}) AS b, {2} AS c, 1 AS d, {4} AS e FROM t",
    "SELECT l.{0} AS a, r.{1} AS b, l.{2} AS c, r.{3} AS d, l.{4} AS e FROM t l JOIN t r ON l.{0} = r.{1}",
    """CREATE TEMP TABLE u AS SELECT {0} AS x, {1} AS y FROM source.t;
    CREATE TABLE t AS SELECT x AS a, y AS b, x * y AS c, 0 AS d, y AS e FROM u UNION SELECT {2}, {3}, {4}, 0, 1 FROM source.t""",
    "CREATE TABLE t AS SELECT {0} AS a, {1} AS b, {2} AS c, {3} AS d, {4} AS e FROM source.t ORDER BY {1}, {2}, {0} LIMIT 9",
    "WITH w AS (SELECT * FROM t) SELECT a, b, c, d, (SELECT max({0}) FROM w v WHERE v.{1} <= w.{2}) AS e FROM w",
)
Values = dict[str, list[str]]


@dataclass(frozen=True)
class Chain:
    """The texts of steps, of which each reads what the one before it made."""

    texts: tuple[str, ...]
    folder: Path

    def build(self, changed: str | None) -> list[tuple[Ran, Values]]:
        """The columns of what each step makes, sorted, from the raw table, in which one column may have other values."""
        top = self.folder / (changed or "unchanged")
        raw = top / "source0"
        raw.mkdir(parents=True)
        chance = {name: random.Random(f"{name} {name == changed}") for name in RAW}
        lines = [",".join(str(chance[name].randint(0, 7)) for name in RAW) for _ in range(ROWS)]
        (raw / "t.csv").write_text("\n".join([",".join(RAW), *lines]) + "\n")
        built = []
        for number, text in enumerate(self.texts, 1):
            output = top / f"source{number}"
            output.mkdir()
            ran = run_sql(SqlStep(text, {"source": top / f"source{number - 1}"}, output, {}))
            built.append((ran, _values(output / "t.parquet")))
        return built


def _values(file: Path) -> Values:
    with duckdb.connect() as connection:
        found = connection.execute(f"FROM read_parquet('{file}')")
        names, rows = [column[0] for column in found.description or []], found.fetchall()
    return {name: sorted(str(row[n]) for row in rows) for n, name in enumerate(names)}


def _step(chance: random.Random) -> str:
    text = chance.choice(STEPS).format(*chance.sample(RAW, len(RAW)))
    return text if text.startswith("CREATE") else f"CREATE TABLE t AS {text.replace('FROM t', 'FROM source.t')}"


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 20))])
def test_a_change_of_a_column_changes_no_column_that_the_answer_does_not_name(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    chain = Chain(tuple(_step(chance) for _ in range(chance.choice((2, 3)))), tmp_path)
    before = chain.build(None)
    world = World(memory_store(clock=SteppingClock()))
    world.upload("s0", {"t.csv": "raw"})
    for number, (text, (ran, _)) in enumerate(zip(chain.texts, before, strict=True), 1):
        reads, writes = f"s{number - 1}", f"s{number}"
        read = tuple(_table(reads, source, name, columns) for (source, name), columns in ran.read.items())
        made = tuple(_table(writes, "", name, columns) for name, columns in ran.made.items())
        sql = SqlRecord(text, read, made)
        world.run(Doing(f"step{number}", (reads,), {writes: {"t.parquet": f"{seed} {number}"}}, sql=sql))
    seen = 0
    for column in RAW:
        rows = ask(world.store, f"DOWNSTREAM OF column 's0.t.{column}' AT column")
        assert {row["kind"] for row in rows} <= {"column"}, "every step of these can be followed"
        named = {str(row["name"]) for row in rows}
        for number, (old, new) in enumerate(zip(before, chain.build(column), strict=True), 1):
            changed = {name for name in old[1] if old[1][name] != new[1][name]}
            unnamed = {name for name in changed if f"s{number}@main.t.{name}" not in named}
            seen += len(changed)
            assert not unnamed, f"{column} changed {unnamed} of step {number} of {chain.texts}"
    assert seen


def _table(role: str, source: str, name: str, columns: object) -> SqlTable:
    assert isinstance(columns, list)
    return SqlTable(role, source, name, tuple(column for column, _ in columns), tuple(kind for _, kind in columns))


def test_both_directions_name_the_same_pairs() -> None:
    world = World(memory_store(clock=SteppingClock()))
    world.upload("s0", {"t.csv": "raw"})
    for number in (1, 2):
        columns = ("a", "b")
        tables = (SqlTable(f"s{number - 1}", "source", "t", columns, ("BIGINT", "BIGINT")),)
        made = (SqlTable(f"s{number}", "", "t", columns, ("BIGINT", "BIGINT")),)
        sql = SqlRecord("CREATE TABLE t AS SELECT b AS a, a AS b FROM source.t", tables, made)
        world.run(Doing(f"step{number}", (f"s{number - 1}",), {f"s{number}": {"t.parquet": str(number)}}, sql=sql))
    above = ask(world.store, "UPSTREAM OF column 's2.t.a' AT column")
    assert [row["name"] for row in above] == ["s1@main.t.b", "s0@main.t.a"]
    below = ask(world.store, "DOWNSTREAM OF column 's0.t.a' AT column")
    assert [row["name"] for row in below] == ["s1@main.t.b", "s2@main.t.a"]
