"""Questions about columns, over a chain of SQL steps and one that is no SQL."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.cli.testing import Ran, Shell

ADA = {"DATAMON_NAME": "Ada", "DATAMON_EMAIL": "ada@example.org"}
Inside = Callable[..., Ran]
CLEAN = "SELECT id, amount * 2 AS amount, country, note FROM lines WHERE kept"
REPORT = """CREATE TEMP TABLE one AS SELECT country AS c, amount FROM clean.result;
CREATE TABLE t AS SELECT c AS country, sum(amount) AS revenue, count(*) AS orders FROM one GROUP BY c ORDER BY c;
CREATE TABLE notes AS SELECT id, note FROM clean.result
"""
COPY = "import shutil; shutil.copytree('t_in', 't_out', dirs_exist_ok=True)"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """raw -> clean -> report by SQL, and report -> copy by a program."""
    shell = Shell(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("work"), ADA)
    for repo in ("raw", "clean", "report", "copy"):
        assert shell("repo", "create", "--repo", repo).code == 0
    (shell.cwd / "raw").mkdir()
    (shell.cwd / "raw" / "lines.csv").write_text("id,amount,country,note,kept\n1,5,CH,x,true\n2,9,DE,y,true\n")
    (shell.cwd / "clean.sql").write_text(CLEAN)
    (shell.cwd / "report.sql").write_text(REPORT)
    assert shell("bundle", "upload", "--repo", "raw", "--path", "raw", "--message", "m").code == 0
    record(shell, "--sql", "clean.sql", "--input", "raw=r_in", "--output", "clean=r_out")
    record(shell, "--sql", "report.sql", "--input", "clean=c_in", "--output", "report=c_out")
    copying = ("--step", "copy", "--", sys.executable, "-c", COPY)
    record(shell, "--input", "report=t_in", "--output", "copy=t_out", *copying)
    return shell


def record(desk: Shell, *words: str) -> None:
    ran = desk("run", "record", *words)
    assert ran.code == 0, ran


def asked(desk: Shell, inside: Inside, statement: str) -> list[dict[str, object]]:
    ran = inside(desk, "query", statement, "--format", "json")
    assert ran.code == 0, ran
    rows: list[dict[str, object]] = json.loads(ran.out)
    return rows


def names(desk: Shell, inside: Inside, statement: str) -> list[object]:
    return [row["name"] for row in asked(desk, inside, statement)]


def test_a_column_comes_from_the_columns_of_all_steps_above(desk: Shell, inside: Inside) -> None:
    rows = asked(desk, inside, "UPSTREAM OF column 'report.t.revenue' AT column")
    assert [(row["depth"], row["name"], row["kind"]) for row in rows] == [
        (1, "clean@main.result.amount", "column"),
        (1, "clean@main.result.country", "column"),
        (2, "raw@main.lines.amount", "column"),
        (2, "raw@main.lines.country", "column"),
        (2, "raw@main.lines.kept", "column"),
    ]


def test_a_column_goes_into_columns_and_beyond_a_program_into_bundles(desk: Shell, inside: Inside) -> None:
    assert names(desk, inside, "DOWNSTREAM OF column 'raw.lines.note' AT column") == [
        "clean@main.result.note",
        "report@main.notes.note",
        "copy@main",
    ]
    ran = inside(desk, "query", "DOWNSTREAM OF column 'raw.lines.note' AT column")
    assert "whole bundles are followed over 1 run that does not tell of columns" in ran.err


def test_what_is_no_sql_has_no_columns_and_its_whole_bundle_leads_to_whole_bundles(desk: Shell, inside: Inside) -> None:
    rows = asked(desk, inside, "UPSTREAM OF 'copy' AT column")
    assert [(row["kind"], row["name"]) for row in rows] == [
        ("bundle", "report@main"),
        ("bundle", "clean@main"),
        ("bundle", "raw@main"),
    ]


def test_the_questions_of_columns(desk: Shell, inside: Inside) -> None:
    assert [row["step"] for row in asked(desk, inside, "WHAT PRODUCED column 'report.t.revenue'")] == ["report"]
    assert names(desk, inside, "WHAT USED column 'clean.result.amount'") == ["default/report"]
    assert names(desk, inside, "DOWNSTREAM OF column 'raw.lines.amount' AT run") == [
        "default/clean",
        "default/report",
        "default/copy",
    ]
    affected = asked(desk, inside, "AFFECTED BY column 'raw.lines.id' AT column")
    assert [(row["name"], row["cause"]) for row in affected] == [
        ("clean@main.result.id", "input"),
        ("report@main.notes.id", "upstream"),
        ("copy@main", "upstream"),
    ]


def test_a_walk_over_columns_ends_where_it_is_told_to(desk: Shell, inside: Inside) -> None:
    assert names(desk, inside, "DOWNSTREAM OF column 'raw.lines.id' AT column WITHIN 2") == [
        "clean@main.result.id",
        "report@main.notes.id",
    ]
    stopped = "DOWNSTREAM OF column 'raw.lines.id' AT column STOP AT (repo = 'clean')"
    assert names(desk, inside, stopped) == ["clean@main.result.id"]
    assert names(desk, inside, "UPSTREAM OF column 'report.notes.id' AT bundle") == ["clean@main", "raw@main"]


def test_the_relation_has_a_row_for_each_column_that_makes_another(desk: Shell, inside: Inside) -> None:
    statement = """SELECT input_repo, input_table, input_column, kind FROM columns
        WHERE output_repo = 'report' AND output_table = 't' AND output_column = 'revenue' ORDER BY ALL"""
    assert [tuple(row.values()) for row in asked(desk, inside, statement)] == [
        ("clean", "result", "amount", "value"),
        ("clean", "result", "country", "group"),
    ]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPSTREAM OF column 'report.t.revenu'", "did you mean t.revenue?"),
        ("WHAT PRODUCED column 'report.t.revenu'", "did you mean t.revenue?"),
        ("UPSTREAM OF column 'report'", "expected a column as"),
        ("UPSTREAM OF step 'report' AT column", "not from a step"),
        ("UPSTREAM OF column 'report.t.revenue' AT file", "a column is no file"),
        ("UPSTREAM OF column 'report.t.revenue' VIA (repo = 'clean')", "VIA is not answered for columns"),
        ("UPSTREAM OF column 'report.t.revenue' INCLUDING inferred", "INCLUDING inferred is of whole bundles"),
        ("GRAPH UPSTREAM OF column 'report.t.revenue'", "columns are not drawn"),
        ("UPSTREAM OF column 'absent.t.revenue'", "absent"),
    ],
)
def test_what_cannot_be_answered_is_said_at_its_place(desk: Shell, inside: Inside, statement: str, said: str) -> None:
    ran = inside(desk, "query", statement)
    assert ran.code != 0
    assert said in ran.err
    assert "line 1, column" in ran.err


def test_a_reused_run_has_the_columns_of_the_run_that_it_took_its_outputs_from(desk: Shell, inside: Inside) -> None:
    record(desk, "--reuse", "--sql", "clean.sql", "--input", "raw=r_in", "--output", "clean=r_out")
    record(desk, "--reuse", "--sql", "clean.sql", "--input", "raw=r_in", "--output", "clean=r_out")
    assert len(asked(desk, inside, "SELECT id FROM runs WHERE reused IS NOT NULL")) >= 1
    above = names(desk, inside, "UPSTREAM OF column 'clean.result.amount' AT column")
    assert above == ["raw@main.lines.amount", "raw@main.lines.kept"]
    assert Path(desk.cwd / "r_out" / "result.parquet").exists()
