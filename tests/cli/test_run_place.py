"""Parents, levels, retries and the environment that counts, from the command line."""

import json
import sys
from pathlib import Path

from datamon.cli.testing import Shell


def records(shell: Shell, *words: str) -> list[dict[str, object]]:
    ran = shell(*words, "--format", "json")
    assert ran.code == 0, ran.err
    found: list[dict[str, object]] = json.loads(ran.out)
    return found


def well(shell: Shell, *words: str) -> str:
    ran = shell(*words)
    assert ran.code == 0, ran.err
    return ran.out


def test_runs_are_shown_below_the_runs_they_are_part_of(shell: Shell) -> None:
    inner = f"{sys.executable} -m datamon.cli.main run record --step inner --level stage -- true"
    well(shell, "run", "record", "--step", "alone", "--", "true")
    well(shell, "run", "record", "--step", "outer", "--level", "run", "--", "sh", "-c", f"{inner}; {inner}")
    found = records(shell, "run", "list", "--tree")
    assert [(each["step"], each["depth"], each["level"]) for each in found] == [
        ("outer", 0, "run"),
        ("inner", 1, "stage"),
        ("inner", 1, "stage"),
        ("alone", 0, None),
    ]
    outer = str(found[0]["id"])
    lines = well(shell, "run", "list", "--tree", "--limit", "1").splitlines()
    assert [line[:4] for line in lines] == [outer[:4], "├── ", "└── "]
    assert len(records(shell, "run", "list", "--tree", "--step", "inner")) == 2
    shown = json.loads(well(shell, "run", "show", outer, "--format", "json"))
    assert [child["step"] for child in shown["children"]] == ["inner", "inner"]
    assert "within it" in well(shell, "run", "show", outer)


def test_a_run_may_name_its_parent_and_the_run_that_it_repeats(shell: Shell) -> None:
    well(shell, "run", "record", "--step", "first", "--level", "pod", "--", "true")
    [first] = records(shell, "run", "list")
    words = ("run", "record", "--step", "again", "--parent", str(first["id"]), "--retry-of", str(first["id"]), "--")
    well(shell, *words, "true")
    again = records(shell, "run", "list")[0]
    assert (again["parent"], again["retry_of"], again["attempt"], again["level"]) == (
        first["id"],
        first["id"],
        2,
        "pod",
    )
    assert shell("run", "record", "--parent", "nobody", "--", "true").code != 0


def test_a_lock_file_that_counts_makes_the_output_stale_when_it_changes_and_nothing_else_does(
    shell: Shell,
) -> None:
    lock = Path(shell.cwd) / "requirements.lock"
    lock.write_text("numpy==1.26\n")
    well(shell, "repo", "create", "--repo", "features")
    counts = ("--env-policy", "file:requirements.lock", "--env-policy", "package:NumPy")
    well(shell, "run", "record", "--output", "features=out", *counts, "--", "sh", "-c", "echo 1 > out/f")
    assert records(shell, "query", "WHAT IS STALE") == []
    before = records(shell, "query", "SELECT environment FROM runs")
    lock.write_text("numpy==2.0\n")
    [row] = records(shell, "query", "WHAT IS STALE")
    assert (row["cause"], row["subject"]) == ("env", "file:requirements.lock")
    assert before == records(shell, "query", "SELECT environment FROM runs")
    lock.unlink()
    [row] = records(shell, "query", "WHAT IS STALE BECAUSE env")
    assert row["new"] is None


def test_a_part_that_is_none_and_a_variable_named_like_a_secret_are_refused_before_anything_runs(shell: Shell) -> None:
    for part in ("nonsense", "package:", "variable:API_TOKEN"):
        ran = shell("run", "record", "--env-policy", part, "--", "touch", "ran")
        assert ran.code != 0
        assert part.rpartition(":")[2] in ran.err
    assert not (Path(shell.cwd) / "ran").exists()
