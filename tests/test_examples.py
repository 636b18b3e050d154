"""The examples run, and the command line and the decorators leave the same lineage."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

KARATE = Path(__file__).resolve().parents[1] / "examples" / "karate"
UPSTREAM = "SELECT kind, name, repo, ref, depth, how FROM UPSTREAM OF 'report' ORDER BY ALL"
PRODUCED = "SELECT pipeline, step, status, repo, content, role FROM outputs JOIN runs ON runs.id = run ORDER BY ALL"
READ = "SELECT step, role, repo, ref, ref_kind, content, path, inputs.how FROM inputs JOIN runs ON runs.id = run ORDER BY ALL"


def recorded(desk: Path, *argv: str) -> dict[str, list[dict[str, object]]]:
    """The lineage that a program leaves in an empty home: the answers to the three statements."""
    shutil.copytree(KARATE, desk)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DATAMON_")}
    surroundings = {**kept, "HOME": str(desk / "home"), "PATH": path, "PYTHONPYCACHEPREFIX": str(desk / "cache")}

    def run(*words: str) -> str:
        done = subprocess.run(words, cwd=desk, env=surroundings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("python", "fetch.py", "raw")
    run(*argv)
    return {text: json.loads(run("datamon", "query", text, "--format", "json")) for text in (UPSTREAM, PRODUCED, READ)}


def test_commands_and_decorators_leave_the_same_lineage(tmp_path: Path) -> None:
    by_commands = recorded(tmp_path / "commands", "bash", "commands.sh")
    by_decorators = recorded(tmp_path / "decorators", "python", "decorated.py", "raw")

    assert by_commands == by_decorators
    assert [row["name"] for row in by_commands[UPSTREAM] if row["kind"] == "run"] == [
        "karate/evaluate",
        "karate/prepare",
        "karate/train",
    ]
    assert len(by_commands[READ]) == 4


@pytest.mark.parametrize("script", ["fetch.py", "prepare.py", "train.py", "evaluate.py"])
def test_the_demo_plays_with_the_scripts_of_the_example(script: str) -> None:
    assert (KARATE.parents[1] / "cli" / "karate" / script).resolve() == KARATE / script
