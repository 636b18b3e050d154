"""The SQL of a step, run over directories."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from datamon.errors import Invalid
from datamon.query.sql_step import SqlStep, run_sql


@pytest.fixture
def step(tmp_path: Path) -> SqlStep:
    for role in ("shop", "crm"):
        (tmp_path / role).mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "secret.csv").write_text("a\n1\n")
    (tmp_path / "shop" / "orders.csv").write_text("id,amount\n1,10\n2,20\n3,5\n")
    (tmp_path / "shop" / "both.csv").write_text("x\n1\n")
    (tmp_path / "crm" / "both.csv").write_text("x\n2\n")
    return SqlStep("", {"shop": tmp_path / "shop", "crm": tmp_path / "crm"}, tmp_path / "out", {})


def _with(step: SqlStep, text: str, **params: object) -> SqlStep:
    return SqlStep(text, step.inputs, step.output, params)


def test_tables_and_the_answer_become_parquet_files(step: SqlStep) -> None:
    text = """CREATE TEMP TABLE t AS SELECT * FROM orders WHERE amount > $least;
    CREATE TABLE big AS FROM t;
    SELECT sum(x) AS s FROM crm.both"""
    assert tuple(run_sql(_with(step, text, least=7)).made) == ("big", "result")
    assert pq.read_table(step.output / "big.parquet").to_pydict() == {"id": [1, 2], "amount": [10, 20]}
    assert pq.read_table(step.output / "result.parquet").to_pydict() == {"s": [2]}


def test_the_same_text_over_the_same_files_gives_the_same_bytes(step: SqlStep) -> None:
    made = []
    for _ in range(2):
        run_sql(_with(step, "SELECT id % 2 AS k, sum(amount) AS s FROM orders GROUP BY k ORDER BY k"))
        made.append((step.output / "result.parquet").read_bytes())
    assert made[0] == made[1]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM '{}/secret.csv'",
        "SELECT * FROM read_text('{}/secret.csv')",
        "COPY orders TO '{}/shop/x.csv'",
        "SELECT * FROM 'https://example.org/a.csv'",
        "INSTALL httpfs",
        "ATTACH '{}/x.db'",
        "SET threads = 4",
    ],
)
def test_nothing_but_the_inputs_can_be_reached(step: SqlStep, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        run_sql(_with(step, text.format(step.output.parent)))
    assert caught.value.code == "bad-sql"
    assert not list(step.output.iterdir())
    assert {path.name for path in step.inputs["shop"].iterdir()} == {"orders.csv", "both.csv"}


def test_a_fault_is_pointed_at(step: SqlStep) -> None:
    with pytest.raises(Invalid, match="line 3, column 8") as caught:
        run_sql(_with(step, "CREATE TABLE a AS SELECT 1 AS x;\n\nSELECT amout FROM orders"))
    assert (caught.value.facts["line"], caught.value.facts["column"]) == (3, 8)


@pytest.mark.parametrize("text", ["SELECT * FROM both", "SELECT $nothing", "SELEC 1", "", "CREATE VIEW v AS SELECT 1"])
def test_what_cannot_be_run_is_said(step: SqlStep, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        run_sql(_with(step, text))
    assert caught.value.code == "bad-sql"
