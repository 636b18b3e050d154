"""`datamon run record --sql`: a SQL file is a step like any other."""

import json
from collections.abc import Callable

import pyarrow.parquet as pq
import pytest

from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]
SQL = """-- by size
CREATE TABLE big AS SELECT * FROM orders.lines WHERE amount >= $least ORDER BY id;
SELECT sum(amount) AS total FROM big
"""
RECORD = (
    "run",
    "record",
    "--sql",
    "report.sql",
    "--input",
    "orders=in",
    "--output",
    "report=out",
    "--param",
    "least=10",
)


@pytest.fixture
def desk(shell: Shell, inside: Inside) -> Shell:
    """A person with a SQL file, a repo of lines and a repo for the report."""
    (shell.cwd / "report.sql").write_text(SQL)
    (shell.cwd / "raw").mkdir()
    (shell.cwd / "raw" / "lines.csv").write_text("id,amount\n1,5\n2,20\n3,30\n")
    for repo in ("orders", "report"):
        assert inside(shell, "repo", "create", "--repo", repo).code == 0
    assert inside(shell, "bundle", "upload", "--repo", "orders", "--path", "raw", "--message", "m").code == 0
    return shell


def test_a_sql_file_is_run_and_recorded(desk: Shell, inside: Inside) -> None:
    ran = inside(desk, *RECORD)
    assert ran.code == 0, ran
    assert pq.read_table(desk.cwd / "out" / "big.parquet").to_pydict() == {"id": [2, 3], "amount": [20, 30]}
    assert pq.read_table(desk.cwd / "out" / "result.parquet").to_pydict() == {"total": [50]}
    assert _asked(desk, inside, "SELECT step, status FROM runs") == [{"step": "report", "status": "succeeded"}]


def test_a_comment_makes_nothing_stale_and_an_edit_does(desk: Shell, inside: Inside) -> None:
    assert inside(desk, *RECORD).code == 0
    (desk.cwd / "report.sql").write_text(SQL.replace("-- by size", "-- by how\n\n-- large"))
    assert _asked(desk, inside, "WHAT IS STALE") == []
    (desk.cwd / "report.sql").write_text(SQL.replace("sum", "max"))
    assert [row["cause"] for row in _asked(desk, inside, "WHAT IS STALE")] == ["code"]


def test_the_same_again_is_reused_also_with_another_comment_and_another_param_is_not(
    desk: Shell, inside: Inside
) -> None:
    again = ("run", "record", "--reuse", *RECORD[2:])
    assert inside(desk, *again).code == 0
    (desk.cwd / "report.sql").write_text(f"-- once more\n{SQL}")
    assert "the command was not run" in inside(desk, *again).err
    assert "param 'least' is 25 and was 10" in inside(desk, *again[:-1], "least=25").err
    runs = _asked(desk, inside, "SELECT reused IS NOT NULL AS reused FROM runs ORDER BY started, id")
    assert [row["reused"] for row in runs] == [False, True, False]


def test_a_sql_step_is_rebuilt_after_an_edit_and_replayed_bit_by_bit(desk: Shell, inside: Inside) -> None:
    assert inside(desk, *RECORD).code == 0
    (desk.cwd / "report.sql").write_text(SQL.replace("sum", "max"))
    ran = inside(desk, "rebuild", "report")
    assert ran.code == 0, ran
    assert pq.read_table(desk.cwd / "out" / "result.parquet").to_pydict() == {"total": [30]}
    assert _asked(desk, inside, "WHAT IS STALE") == []
    [newest] = _asked(desk, inside, "SELECT id FROM runs ORDER BY started DESC, id DESC LIMIT 1")
    ran = inside(desk, "run", "replay", str(newest["id"]))
    assert (ran.code, ran.lines[0]) == (0, "report@main: matched bit by bit"), ran


def test_a_failed_statement_moves_no_ref_and_is_pointed_at(desk: Shell, inside: Inside) -> None:
    (desk.cwd / "report.sql").write_text(SQL.replace("sum", "summ"))
    ran = inside(desk, *RECORD)
    assert ran.code == 1
    assert _asked(desk, inside, "SELECT status FROM runs") == [{"status": "failed"}]
    assert _asked(desk, inside, "SELECT * FROM bundles WHERE repo = 'report'") == []


@pytest.mark.parametrize(
    "line",
    [
        ("run", "record"),
        (*RECORD, "--", "true"),
        ("run", "record", "--sql", "report.sql", "--input", "orders=in"),
        (
            "run",
            "record",
            "--sql",
            "report.sql",
            "--input",
            "orders=a",
            "--input",
            "orders@main=b",
            "--output",
            "report=o",
        ),
        ("run", "record", "--sql", "absent.sql", "--output", "report=out"),
    ],
)
def test_a_line_that_cannot_be_meant_records_nothing(desk: Shell, inside: Inside, line: tuple[str, ...]) -> None:
    assert inside(desk, *line).code != 0
    assert _asked(desk, inside, "SELECT id FROM runs") == []


def test_the_record_holds_the_text_and_the_tables_that_were_read_and_made(desk: Shell, inside: Inside) -> None:
    assert inside(desk, *RECORD).code == 0
    exported = json.loads(inside(desk, "run", "export", "--all").out.splitlines()[0])
    told = exported["close"]["sql"]
    assert told["text"] == SQL
    assert [(each["role"], each["source"], each["name"], each["columns"]) for each in told["read"]] == [
        ("orders", "orders", "lines", ["id", "amount"])
    ]
    assert [(each["role"], each["name"], each["types"]) for each in told["made"]] == [
        ("report", "big", ["BIGINT", "BIGINT"]),
        ("report", "result", ["HUGEINT"]),
    ]


def _asked(desk: Shell, inside: Inside, statement: str) -> list[dict[str, object]]:
    ran = inside(desk, "query", statement, "--format", "json")
    assert ran.code == 0, ran
    rows: list[dict[str, object]] = json.loads(ran.out)
    return rows
