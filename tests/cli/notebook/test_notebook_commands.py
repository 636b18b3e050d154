"""Notebooks as commands: what runs them is recorded with the notebook's code and papermill's parameters."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from datamon.cli.testing import Shell
from datamon.cli.testing_notebook import write_notebook

CELLS = (
    "scale = 1",
    "from pathlib import Path\nPath('out').mkdir(exist_ok=True)\nPath('out/x').write_text(str(scale))",
)
PAPERMILL = ("run", "record", "--output", "features=out", "--", "papermill", "nb.ipynb", "done.ipynb", "-k", "python3")


def asked(desk: Shell, statement: str) -> list[dict[str, Any]]:
    ran = desk("query", statement, "--format", "json")  # what a name resolved to stands on stderr
    assert ran.code == 0, ran
    told: list[dict[str, Any]] = json.loads(ran.out)
    return told


def prepared(desk: Shell) -> Path:
    path = desk.cwd / "nb.ipynb"
    write_notebook(path, *CELLS)
    notebook: Any = nbformat.read(path, 4)  # type: ignore[no-untyped-call]
    notebook.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
    return path


def test_a_papermill_run_has_its_params_with_their_source_and_the_notebooks_code(desk: Shell) -> None:
    prepared(desk)
    (desk.cwd / "p.yaml").write_text("depth: 3\nscale: 9\n")

    ran = desk(*PAPERMILL, "-f", "p.yaml", "-p", "scale", "4", "-r", "name", "007")

    assert ran.code == 0, ran
    assert (desk.cwd / "out" / "x").read_text() == "4"
    [run] = asked(desk, "SELECT step, status FROM runs")
    assert run == {"step": "nb", "status": "succeeded"}
    params = {p["name"]: p for p in asked(desk, "SELECT name, value, source, file FROM params")}
    assert {name: p["source"] for name, p in params.items()} == {
        "scale": "explicit",
        "name": "explicit",
        "depth": "file",
    }
    assert params["depth"]["file"] == "p.yaml"
    shown = json.loads(desk.well("run", "show", asked(desk, "SELECT id FROM runs")[0]["id"], "--format", "json").out)
    assert {p["name"]: p["value"] for p in shown["params"]} == {"scale": 4, "name": "007", "depth": 3}
    assert shown["code"]["paths"][0] == "nb.ipynb"


def test_a_papermill_run_is_rebuilt_when_its_file_of_params_says_another_value(desk: Shell) -> None:
    prepared(desk)
    (desk.cwd / "p.yaml").write_text("scale: 9\n")
    assert desk(*PAPERMILL, "-f", "p.yaml").code == 0
    (desk.cwd / "p.yaml").write_text("scale: 10\n")
    assert [each["cause"] for each in asked(desk, "WHY IS 'features' STALE")] == ["param"]

    ran = desk("rebuild", "features")

    assert ran.code == 0, ran
    assert (desk.cwd / "out" / "x").read_text() == "10"
    assert asked(desk, "WHAT IS STALE") == []


def test_a_recorded_cell_is_not_rebuilt_and_why_is_said(desk: Shell) -> None:
    line = "%%datamon_run --step s --input orders=in --output features=out"
    write_notebook(
        desk.cwd / "nb.ipynb", "%load_ext datamon", f"{line}\nopen('out/x', 'w').write(open('in/a.csv').read())"
    )
    assert desk("run", "record", "--step", "all", "--", "jupyter", "execute", "nb.ipynb").code == 0
    (desk.cwd / "tree" / "a.csv").write_text("id\n")
    assert desk("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "m").code == 0

    ran = desk("rebuild", "features")

    assert ran.code != 0
    assert "it was a cell of a notebook, which datamon cannot start" in ran.err


def test_a_file_of_params_that_only_papermill_can_read_is_a_note_and_no_error(desk: Shell) -> None:
    prepared(desk)
    (desk.cwd / "p.params").write_text("scale: 5\n")

    ran = desk(*PAPERMILL, "-f", "p.params", "-y", "{depth: [1, 2]}")

    assert ran.code == 0, ran
    assert "the command's params of a file are not recorded: " in ran.err
    assert (desk.cwd / "out" / "x").read_text() == "5"
    assert asked(desk, "SELECT name, value FROM params") == [{"name": "depth", "value": "[1, 2]"}]


def test_a_papermill_whose_notebook_raises_is_a_failed_run(desk: Shell) -> None:
    path = prepared(desk)
    write_notebook(path, *CELLS, "raise ValueError('no rows')")

    ran = desk(*PAPERMILL)

    assert ran.code != 0
    assert asked(desk, "SELECT step, status FROM runs") == [{"step": "nb", "status": "failed"}]
    assert desk.well("branch", "list", "--repo", "features").lines == []


def test_cells_that_are_recorded_in_a_recorded_notebook_are_part_of_its_run(desk: Shell) -> None:
    write_notebook(desk.cwd / "nb.ipynb", "%load_ext datamon", "%%datamon_run --step inner\n1 + 1")

    ran = desk("run", "record", "--step", "outer", "--", "jupyter", "execute", "nb.ipynb")

    assert ran.code == 0, ran
    runs = {each["step"]: each for each in asked(desk, "SELECT step, id, parent, how FROM runs")}
    assert (runs["outer"]["how"], runs["inner"]["how"]) == ("command", "cell")
    assert (runs["outer"]["parent"], runs["inner"]["parent"]) == (None, runs["outer"]["id"])


@pytest.mark.parametrize(
    "command", ["papermill nb.ipynb done.ipynb", "jupyter execute nb.ipynb", "python -m papermill nb.ipynb d.ipynb"]
)
def test_outputs_metadata_and_layout_of_a_notebook_are_not_its_code(desk: Shell, command: str) -> None:
    path = prepared(desk)
    record = ("run", "record", "--output", "features=out", "--", *command.split())
    assert desk(*record).code == 0
    notebook: Any = nbformat.read(path, 4)  # type: ignore[no-untyped-call]
    notebook.metadata["title"] = "another"
    notebook.cells[1].source += "  # said"
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="old")]  # type: ignore[no-untyped-call]
    notebook.cells.append(nbformat.v4.new_markdown_cell("words"))  # type: ignore[no-untyped-call]
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]

    assert desk("query", "WHAT IS STALE", "--format", "json").out == "[]\n"

    notebook.cells[0].source = "scale = 2"
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
    assert [each["cause"] for each in asked(desk, "WHY IS 'features' STALE")] == ["code"]
