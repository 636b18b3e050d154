"""A notebook executed headless: what its cells show, and the runs that they leave."""

import json
import re
from typing import Any

import pytest
from nbclient.exceptions import DeadKernelError

from datamon.cli.testing import Shell
from datamon.cli.testing_notebook import execute, interrupted, text_of

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


def told(desk: Shell, statement: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(desk.well("query", statement, "--format", "json").out)
    return found


def runs(desk: Shell, columns: str = "step, status, how") -> list[dict[str, Any]]:
    return told(desk, f"SELECT {columns} FROM runs ORDER BY started")


def branches(desk: Shell) -> list[str]:
    return desk.well("branch", "list", "--repo", "features").lines


def test_a_recorded_cell_is_a_run_with_what_it_read_wrote_and_was_given(desk: Shell) -> None:
    (desk.cwd / "clean.py").write_text(CLEAN)

    made = execute(desk.cwd, LOAD, RECORD)

    assert text_of(made.cells[1]).splitlines()[0] == "1", "the value of the last expression"
    assert "<caption" in text_of(made.cells[1], "text/html")
    assert runs(desk) == [{"step": "features", "status": "succeeded", "how": "cell"}]
    read = told(desk, "SELECT repo, ref, bundle FROM inputs")
    assert [(each["repo"], each["ref"]) for each in read] == [("orders", "init")]
    wrote = told(desk, "SELECT repo, branch FROM outputs")
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
    assert branches(desk) == []


def test_a_cell_that_is_interrupted_is_a_failed_run(desk: Shell) -> None:
    cell = "%%datamon_run --step waits --output features=out\nfrom pathlib import Path\nimport threading\n"
    cell += "Path('out/x').write_text('1')\nPath('waiting').touch()\nthreading.Event().wait()"

    error, after = interrupted(desk.cwd, cell, desk.cwd / "waiting", LOAD)

    assert error == "KeyboardInterrupt"
    assert after is None, "the kernel goes on"
    assert runs(desk, "step, status, error") == [{"step": "waits", "status": "failed", "error": "interrupted"}]
    assert branches(desk) == []


def test_a_cell_whose_kernel_was_killed_is_an_abandoned_run(desk: Shell) -> None:
    cell = "%%datamon_run --step dies --output features=out\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)"

    with pytest.raises(DeadKernelError):
        execute(desk.cwd, LOAD, cell)

    said = desk("query", "SELECT step, status FROM runs")
    assert "dies was stopped before its end was recorded" in said.err
    assert runs(desk, "step, status") == [{"step": "dies", "status": "abandoned"}]
    assert branches(desk) == []


def test_the_code_of_a_cell_is_kept_with_what_it_needs_of_other_cells_and_of_the_project(desk: Shell) -> None:
    (desk.cwd / "clean.py").write_text(CLEAN)
    cells = ("import clean\nk = 2", "other = 1", "%%datamon_run --step s\n# all of them\nlen(clean.rows('a')) * k")

    execute(desk.cwd, LOAD, *cells)

    [run] = runs(desk, "id")
    ran = desk("run", "code", run["id"], "--destination", "then")
    assert ran.code == 0, ran
    kept = {path.relative_to(desk.cwd / "then").as_posix(): path for path in (desk.cwd / "then").rglob("*.py")}
    assert set(kept) == {"clean.py", ".notebook/cell.py"}
    assert kept["clean.py"].read_text() == CLEAN
    assert kept[".notebook/cell.py"].read_text() == "import clean\nk = 2\n\n# all of them\nlen(clean.rows('a')) * k\n"


def test_what_a_cell_reads_and_writes_by_path_is_recorded(desk: Shell) -> None:
    read = "text = datamon.open('orders@init/a.csv').read()"
    wrote = "with datamon.open('features/rows', 'wb') as file:\n    file.write(text)"
    cell = f"%%datamon_run --step s\nimport datamon\n{read}\n{wrote}"

    execute(desk.cwd, LOAD, cell)

    assert told(desk, "SELECT repo, ref, how FROM inputs") == [{"repo": "orders", "ref": "init", "how": "observed"}]
    assert told(desk, "SELECT path, kind FROM accesses") == [{"path": "a.csv", "kind": "read"}]
    assert told(desk, "SELECT repo, branch FROM outputs") == [{"repo": "features", "branch": "main"}]


def test_cells_of_one_step_are_runs_of_it_and_the_newest_counts(desk: Shell) -> None:
    line = "%%datamon_run --step s --output features=out"
    first = f"{line}\nfrom pathlib import Path\nPath('out/x').write_text('1')"
    second = f"{line}\nfrom pathlib import Path\nPath('out/x').write_text('2')"

    execute(desk.cwd, LOAD, first, second, first)

    assert [each["step"] for each in runs(desk, "step")] == ["s", "s", "s"]
    codes = [each["code"] for each in runs(desk, "code")]
    assert codes[0] == codes[2] != codes[1]
    log = json.loads(desk.well("bundle", "log", "--repo", "features", "--format", "json").out)
    assert [each["refs"] for each in log] == [["main"], [], []]
    assert len({each["content"] for each in log}) == 2
    assert desk("query", "WHAT IS STALE", "--format", "json").out == "[]\n"


def test_what_is_shown_has_no_scripts_and_brings_its_own_ground(desk: Shell) -> None:
    """Messages and params are anybody's text; a page in a dark theme shows tables in its own colours, drawings on theirs."""
    bad = "<script>alert(1)</script>"
    record = f"%%datamon_run --step s --param 'bad={bad}' --output features=out\nopen('out/x', 'w').close()"
    cells = (record, "%datamon query SELECT value, name FROM params", "%datamon query GRAPH UPSTREAM OF 'features'")

    made = execute(desk.cwd, LOAD, *cells)

    pages = [text_of(cell, "text/html") for cell in made.cells[1:3]]
    drawing = text_of(made.cells[3], "image/svg+xml")
    assert all("&lt;script&gt;" in page for page in pages)
    for shown in (*pages, drawing):
        assert "<script" not in shown
        assert "javascript:" not in shown
        assert not re.search(r"\son\w+=", shown)
    assert not any(re.search(r"color|background", page) for page in pages)
    assert 'class="ground"' in drawing
    selectors = re.findall(r"^\s*([^{}\n@]+)\{", drawing, re.MULTILINE)
    assert selectors
    assert all(each.startswith(".datamon-lineage") for each in selectors), "a page keeps its own looks"


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
    assert "<td" in text_of(lineage, "text/html") and ">false<" in text_of(lineage, "text/html")
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


def test_imports_of_a_cell_that_others_have_too_are_no_difference(desk: Shell) -> None:
    helper = "import math\nimport json\ndef area(r):\n    return math.pi * r"
    recorded = "%%datamon_run --step s\nimport json\nimport math\nprint(json.dumps(area(math.e)))"

    execute(
        desk.cwd, LOAD, helper, recorded, recorded, "import math", recorded, "from clean import math", allow_errors=True
    )

    assert len({each["code"] for each in runs(desk, "code")}) == 1
    execute(desk.cwd, LOAD, helper.replace("pi", "tau"), recorded)
    assert len({each["code"] for each in runs(desk, "code")}) == 2
