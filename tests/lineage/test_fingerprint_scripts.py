"""Scripts, declared paths and notebook cells: which script a command names, and which edits change what counts."""

import json
from pathlib import Path

import pytest

from datamon.errors import Denied, NotFound
from datamon.lineage.fingerprint import fingerprint_cell, fingerprint_paths, fingerprint_script
from datamon.lineage.scripts import script_of
from datamon.store.testing.users import ordinary_user

PROJECT = {
    "run/train.py": '"""Trains."""\nimport numpy\nfrom tools import load\nimport lib.deep.fit as fit\n\nprint(load(fit.RATE))\n',
    "run/tools.py": "def load(x):\n    return x\n\n\ndef other():\n    return 1\n",
    "lib/deep/fit.py": "from . import rates\n\nRATE = rates.RATE\n",
    "lib/deep/__init__.py": "",
    "lib/deep/rates.py": "RATE = 1\n",
    "lib/unused.py": "X = 1\n",
    "go.sh": "#!/bin/sh\npython run/train.py\n",
}


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "project", PROJECT)


def train(root: Path) -> str:
    return fingerprint_script(root / "run/train.py", root).digest


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("run/train.py", "fit.RATE", "fit.RATE + 1"),
        ("run/train.py", "import numpy", "import pandas"),
        ("run/tools.py", "return x", "return -x"),
        ("run/tools.py", "return 1", "return 2"),
        ("lib/deep/fit.py", "RATE = rates", "RATE = 2 * rates"),
        ("lib/deep/rates.py", "RATE = 1", "RATE = 2"),
        ("lib/deep/__init__.py", "", "print('imported')\n"),
    ],
)
def test_an_edit_of_a_script_or_of_what_it_imports_changes_its_fingerprint(
    root: Path, file: str, old: str, new: str
) -> None:
    before = train(root)
    write(root, {file: PROJECT[file].replace(old, new)})
    assert train(root) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("run/train.py", '"""Trains."""\n', "# trains\n\n\n"),
        ("run/train.py", "print(load(fit.RATE))", "print(\n    load(fit.RATE),\n)"),
        ("run/tools.py", "def load(x):\n", "def load(x):\n    'Loads.'\n"),
        ("lib/deep/rates.py", "RATE = 1\n", "RATE = 1  # per second\n"),
        ("lib/deep/__init__.py", "", '"""A package."""\n'),
        ("lib/unused.py", "X = 1", "X = 2"),
    ],
)
def test_comments_docstrings_formatting_and_what_is_not_imported_do_not_count(
    root: Path, file: str, old: str, new: str
) -> None:
    before = train(root)
    write(root, {file: PROJECT[file].replace(old, new, 1)})
    assert train(root) == before


def test_the_fingerprint_of_a_script_names_the_files_it_was_taken_of(root: Path) -> None:
    found = fingerprint_script(root / "run/train.py", root)
    assert found.paths == (
        "run/train.py",
        "lib/deep/__init__.py",
        "lib/deep/fit.py",
        "lib/deep/rates.py",
        "run/tools.py",
    )
    assert (found.method, found.function, found.unresolved) == ("script", None, ())


def test_a_script_that_is_not_python_counts_byte_for_byte(root: Path) -> None:
    before = fingerprint_script(root / "go.sh", root)
    write(root, {"go.sh": PROJECT["go.sh"] + "\n"})
    assert before.paths == ("go.sh",)
    assert fingerprint_script(root / "go.sh", root).digest != before.digest


def test_a_script_without_ending_is_python_when_its_first_line_says_so(root: Path) -> None:
    write(root, {"tool": "#!/usr/bin/env python3\nx = 1\n"})
    before = fingerprint_script(root / "tool", root)
    write(root, {"tool": "#!/usr/bin/env python3\n# one\nx = 1\n"})
    assert fingerprint_script(root / "tool", root) == before


def test_a_script_that_cannot_be_parsed_counts_byte_for_byte_and_says_so(root: Path) -> None:
    write(root, {"bad.py": "def (\n"})
    before = fingerprint_script(root / "bad.py", root)
    write(root, {"bad.py": "def ((\n"})
    assert before.unresolved == ("bad.py: cannot be parsed",)
    assert fingerprint_script(root / "bad.py", root).digest != before.digest


def test_a_script_that_is_not_there_is_an_error(root: Path) -> None:
    with pytest.raises(NotFound, match="no code at"):
        fingerprint_script(root / "gone.py", root)


def test_a_script_that_may_not_be_read_is_an_error() -> None:
    with ordinary_user() as folder:
        script = folder / "go.sh"
        script.write_text("echo go")
        script.chmod(0)
        with pytest.raises(Denied, match="may not be read"):
            fingerprint_script(script, folder)


def test_the_outputs_of_a_notebook_do_not_count_and_its_code_does(root: Path) -> None:
    def notebook(source: str, output: str) -> str:
        cell = {"cell_type": "code", "source": [source], "outputs": [{"text": output}], "execution_count": len(output)}
        return json.dumps({"cells": [{"cell_type": "markdown", "source": output}, cell]})

    digests = []
    for source, output in (("x = 1", "one"), ("x  =  1  # now", "three"), ("x = 2", "one")):
        write(root, {"book.ipynb": notebook(source, output)})
        digests.append(fingerprint_script(root / "book.ipynb", root).digest)
    assert digests[0] == digests[1] != digests[2]


def test_a_notebook_counts_with_what_its_cells_import(root: Path) -> None:
    cells = ["%matplotlib inline\nimport local_numbers", "print(local_numbers.N)"]
    notebook = {"cells": [{"cell_type": "code", "source": cell, "outputs": []} for cell in cells]}
    write(root, {"notes/a.ipynb": json.dumps(notebook), "notes/local_numbers.py": "N = 1\n"})
    before = fingerprint_script(root / "notes/a.ipynb", root)
    assert before.paths == ("notes/a.ipynb", "notes/local_numbers.py")
    write(root, {"notes/local_numbers.py": "N = 1  # one\n"})
    assert fingerprint_script(root / "notes/a.ipynb", root).digest == before.digest
    write(root, {"notes/local_numbers.py": "N = 2\n"})
    assert fingerprint_script(root / "notes/a.ipynb", root).digest != before.digest


def test_a_notebook_whose_cells_are_no_python_counts_by_its_cells(root: Path) -> None:
    def digest(cell: str, output: str = "") -> str:
        cells = [{"cell_type": "code", "source": [cell], "outputs": [output]}]
        write(root, {"b.ipynb": json.dumps({"cells": cells})})
        return fingerprint_script(root / "b.ipynb", root).digest

    assert digest("SELECT 1 FROM a") == digest("SELECT 1 FROM a", "a row") != digest("SELECT 2 FROM a")


def test_declared_paths_count_with_their_names_and_python_among_them_by_its_tree(root: Path) -> None:
    def take() -> str:
        return fingerprint_paths([root / "lib", root / "go.sh"], root).digest

    before = take()
    write(root, {"lib/unused.py": "X = (1)  # one\n", "lib/__pycache__/unused.pyc": "x", "lib/.git/HEAD": "x"})
    assert take() == before
    (root / "lib/unused.py").rename(root / "lib/renamed.py")
    assert take() != before


def test_a_file_added_edited_or_removed_below_a_declared_path_counts(root: Path) -> None:
    digests = [fingerprint_paths([root / "lib"], root).digest]
    for files in ({"lib/sql/a.sql": "SELECT 1"}, {"lib/sql/a.sql": "SELECT 2"}):
        write(root, files)
        digests.append(fingerprint_paths([root / "lib"], root).digest)
    (root / "lib/sql/a.sql").unlink()
    digests.append(fingerprint_paths([root / "lib"], root).digest)
    assert digests[0] == digests[3]
    assert len(set(digests)) == 3


def test_links_below_a_declared_path_count_by_what_they_name(root: Path) -> None:
    (root / "lib/link").symlink_to("nowhere")
    before = fingerprint_paths([root / "lib"], root).digest
    (root / "lib/link").unlink()
    (root / "lib/link").symlink_to("elsewhere")
    assert fingerprint_paths([root / "lib"], root).digest != before


def test_the_order_in_which_paths_are_declared_does_not_count(root: Path) -> None:
    one = fingerprint_paths([root / "lib", root / "go.sh"], root)
    other = fingerprint_paths([root / "go.sh", root / "lib"], root)
    assert one.digest == other.digest
    assert (one.method, one.paths) == ("paths", ("lib", "go.sh"))


def test_a_declared_path_that_is_not_there_is_an_error(root: Path) -> None:
    with pytest.raises(NotFound, match="correct the --code path"):
        fingerprint_paths([root / "lib", root / "gone"], root)


def test_a_cell_counts_by_its_tree_and_its_magic_lines() -> None:
    first = fingerprint_cell("%time\nx = 1")
    assert fingerprint_cell("%time\n# one\nx = (1)").digest == first.digest
    assert fingerprint_cell("%timeit\nx = 1").digest != first.digest
    assert fingerprint_cell("%time\nx = 2").digest != first.digest
    assert first.method == "cell"


def test_a_cell_that_is_not_python_counts_by_its_text() -> None:
    assert fingerprint_cell("SELECT 1 FROM").digest != fingerprint_cell("SELECT 2 FROM").digest


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("python run/train.py --epochs 3", "run/train.py"),
        ("python3.11 -O -W ignore -X dev run/train.py", "run/train.py"),
        ("/usr/bin/python -u run/train.py go.sh", "run/train.py"),
        ("python -m lib.unused", "lib/unused.py"),
        ("python -mlib.deep.fit x", "lib/deep/fit.py"),
        ("python -m lib.deep", None),
        ("python -c pass run/train.py", None),
        ("python - run/train.py", None),
        ("python gone.py", None),
        ("./go.sh", "go.sh"),
        ("bash go.sh", "go.sh"),
        ("sh -e -o pipefail go.sh", "go.sh"),
        ("bash -c 'cat x | python run/train.py > out'", "run/train.py"),
        ("sh -ec 'cd . && ./go.sh'", "go.sh"),
        ("sh -c 'echo \"open'", None),
        ("env A=1 nice -n 5 python run/train.py", "run/train.py"),
        ("uv run python run/train.py", "run/train.py"),
        ("torchrun --nproc 2 run/train.py", "run/train.py"),
        ("cp table.csv copy.csv", None),
        ("true", None),
        ("/bin/ls", None),
    ],
)
def test_the_script_of_a_command_is_the_file_of_code_that_it_runs(root: Path, command: str, script: str | None) -> None:
    import shlex

    write(root, {"table.csv": "a,b\n"})
    found = script_of(shlex.split(command), root)
    assert (found.relative_to(root).as_posix() if found else None) == script


def test_a_command_typed_below_the_code_root_names_scripts_beside_it_and_modules_at_the_root(root: Path) -> None:
    assert script_of(["python", "train.py"], root / "run", root) == root / "run/train.py"
    assert script_of(["python", "-m", "lib.unused"], root / "run", root) == root / "lib/unused.py"
    assert script_of(["../go.sh"], root / "run", root) == root / "run/../go.sh"
