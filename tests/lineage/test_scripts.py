"""Which file of the project a command runs: the table is `cases/commands.txt`."""

import re
import shlex
from pathlib import Path

import pytest

from datamon.lineage.scripts import script_of

TABLE = [
    re.split(r"  +", line)
    for line in (Path(__file__).parent / "cases" / "commands.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
TEXTS = (
    *("run/train.py", "run/notes.ipynb", "lib/__init__.py", "lib/fit.py", "lib/__main__.py", "src/app/cli.py", "go.sh"),
    *("fit.R", "model.jl", "Makefile", "sub/Makefile", "Snakefile", "build.mk", "table.csv"),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    for name in TEXTS:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (root / "bin").mkdir()
    (root / "bin/tool").write_text("#!/bin/sh\n")
    (root / "bin/binary").write_bytes(b"\x7fELF\x00\x00")
    return root


@pytest.mark.parametrize(("command", "script"), TABLE, ids=[command for command, _ in TABLE])
def test_the_script_of_a_command(project: Path, command: str, script: str) -> None:
    found = script_of(shlex.split(command), project)
    assert (found.relative_to(project).as_posix() if found else "-") == script
