"""A notebook executed headless: what its cells show, and the runs that they leave."""

import json
from typing import Any

from datamon.cli.testing import Shell
from datamon.cli.testing_notebook import execute, text_of

LOAD = "%load_ext datamon"
RECORD = """%%datamon_run --step features --input orders@init=in --output features=out --param scale=2
from pathlib import Path
import clean
rows = clean.rows(Path("in/a.csv").read_text())
Path("out/rows.txt").write_text(str(rows))
len(rows)"""
CLEAN = """def rows(text):
    return [line.split(",") for line in text.splitlines()[1:]]
"""


def runs(desk: Shell, columns: str = "step, status, how") -> list[dict[str, Any]]:
    told = desk.well("query", f"SELECT {columns} FROM runs ORDER BY started", "--format", "json").out
    found: list[dict[str, Any]] = json.loads(told)
    return found


def test_a_recorded_cell_is_a_run_with_what_it_read_wrote_and_was_given(desk: Shell) -> None:
    (desk.cwd / "clean.py").write_text(CLEAN)

    made = execute(desk.cwd, LOAD, RECORD)

    assert text_of(made.cells[1]).splitlines()[0] == "2" or "1" in text_of(made.cells[1])
    assert "<caption" in text_of(made.cells[1], "text/html")
    assert runs(desk) == [{"step": "features", "status": "succeeded", "how": "cell"}]
    read = json.loads(desk.well("query", "SELECT repo, ref, bundle FROM inputs", "--format", "json").out)
    assert [(each["repo"], each["ref"]) for each in read] == [("orders", "init")]
    wrote = json.loads(desk.well("query", "SELECT repo, branch FROM outputs", "--format", "json").out)
    assert wrote == [{"repo": "features", "branch": "main"}]
    params = json.loads(desk.well("query", "SELECT name, value, source FROM params", "--format", "json").out)
    assert [(each["name"], str(each["value"]), each["source"]) for each in params] == [("scale", "2", "explicit")]
    desk.well("bundle", "download", "--repo", "features", "--branch", "main", "--destination", "again")
    assert (desk.cwd / "again" / "rows.txt").read_text() == "[['1', '3']]"


def test_a_cell_that_raises_is_a_failed_run_and_raises(desk: Shell) -> None:
    cell = "%%datamon_run --step breaks --output features=out\nx = 1\nraise ValueError('no rows')"

    made = execute(desk.cwd, LOAD, cell, "x", allow_errors=True)

    [error] = [each for each in made.cells[1].outputs if each.output_type == "error"]
    assert (error.ename, error.evalue) == ("ValueError", "no rows")
    assert "raise ValueError(" in text_of(made.cells[1])
    assert text_of(made.cells[2]) == "1"
    assert runs(desk, "step, status, error") == [{"step": "breaks", "status": "failed", "error": "ValueError: no rows"}]
    assert desk("branch", "get", "--repo", "features", "--branch", "main").code != 0


def test_questions_show_tables_and_drawings_and_give_answers(desk: Shell) -> None:
    (desk.cwd / "clean.py").write_text(CLEAN)
    cells = (
        "%datamon query SELECT step, status FROM runs WHERE step = $wanted",
        "found = %datamon WHAT PRODUCED 'features'\nlen(found)",
        "%datamon query GRAPH UPSTREAM OF 'features'",
        "%%datamon query\nUPSTREAM OF\n  'features'",
    )

    made = execute(desk.cwd, LOAD, RECORD, "wanted = 'features'", *cells)

    table, count, graph, lineage = made.cells[3:]
    assert "<td" in text_of(table, "text/html") and "succeeded" in text_of(table, "text/html")
    assert "features  succeeded" in text_of(table)
    assert text_of(count).splitlines()[-1] == "1"
    assert text_of(graph, "image/svg+xml").startswith("<svg") and "└── " in text_of(graph)
    assert "<svg" in text_of(lineage, "image/svg+xml") and "orders" in text_of(lineage, "text/html")


def test_what_is_wrong_is_said_in_one_line_and_nothing_is_recorded(desk: Shell) -> None:
    cells = (
        "%datamon query WAHT IS STALE",
        "%%datamon_run --step s --output nowhere=out\n1",
        "%%datamon_run --stepp s\n1",
        "%%datamon_run --step s\nawait later()",
    )

    made = execute(desk.cwd, LOAD, *cells, allow_errors=True)

    said = [text_of(cell) for cell in made.cells[1:]]
    assert all("Traceback" not in each and each.startswith(("Invalid: ", "NotFound: ")) for each in said), said
    assert runs(desk) == []


def test_the_code_of_a_cell_is_what_it_reaches(desk: Shell) -> None:
    """Comments, layout, other cells, being run again: no difference. A function that it calls: one."""
    recorded = "%%datamon_run --step s\nscaled(3)"
    same = "%%datamon_run --step s\n# scaled\nscaled( 3 )"
    cells = (
        "from clean import rows\nk = 2\nother = 1",
        "def scaled(n):\n    return n * k",
        *(recorded, "other = 2", same),
        *("def scaled(n):\n    return n * k + 1", recorded),
        *("def scaled(n):\n    return n * k", recorded, "k = 3", recorded),
    )
    (desk.cwd / "clean.py").write_text(CLEAN)

    execute(desk.cwd, LOAD, *cells)

    codes = [each["code"] for each in runs(desk, "code")]
    assert codes[0] == codes[1] == codes[3]
    assert len(set(codes)) == 3
