"""`datamon run export` and `datamon run import`: files of runs between stores."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from datamon.cli.testing import Shell
from datamon.errors import EXIT_CODES, Denied


@pytest.fixture
def other(shell: Shell, tmp_path: Path) -> Shell:
    """Another person's store."""
    home = tmp_path / "other-home"
    home.mkdir()
    return replace(shell, home=home)


def recorded(shell: Shell) -> Path:
    """A file with two runs, which were recorded."""
    for number in range(2):
        assert shell("run", "record", "--param", f"n={number}", "--", "true").code == 0
    file = shell.cwd / "runs.ndjson"
    assert shell("run", "export", "--all", "--output", str(file)).err.startswith("exported ")
    return file


def test_a_file_of_runs_goes_to_another_store_and_counts_once(shell: Shell, other: Shell) -> None:
    file = recorded(shell)
    assert other.well("run", "import", str(file)).lines == ["imported 2 runs; 0 were here already"]
    assert other.well("run", "import", "--strict", str(file)).lines == ["imported 0 runs; 2 were here already"]
    assert len(other.well("run", "list").lines) == 2
    [how, *_] = {row["how"] for row in json.loads(other.well("run", "list", "--format", "json").out)}
    assert how == "imported"


def test_runs_are_chosen_by_id_by_what_they_wrote_and_by_time(shell: Shell) -> None:
    shell.well("repo", "create", "--repo", "out", "--description", "d")
    assert shell("run", "record", "--output", "out=o", "--", "sh", "-c", "echo 1 > o/f").code == 0
    recorded(shell)
    lines = [json.loads(line) for line in shell("run", "export", "--all").lines]
    assert [line["run"]["id"] for line in lines] == sorted(line["run"]["id"] for line in lines)
    one = lines[0]["run"]["id"]
    assert [json.loads(line)["run"]["id"] for line in shell("run", "export", one).lines] == [one]
    [writer] = [json.loads(line) for line in shell("run", "export", "out@main").lines]
    assert writer["close"]["outputs"][0]["repo_name"] == "out"
    assert shell("run", "export", "--all", "--since", "1d").out.count("\n") == 3
    assert shell("run", "export", "--all", "--since", "2100-01-01").out == ""


def test_bad_lines_are_told_with_their_numbers_and_the_exit_code_says_so(shell: Shell, other: Shell) -> None:
    file = recorded(shell)
    lines = file.read_text().splitlines()
    file.write_text("\n".join(["{", *lines]) + "\n")
    strict = other("run", "import", "--strict", str(file))
    assert (strict.code, strict.out) == (2, "")
    assert "line 1: it is no JSON" in strict.err
    assert other.well("run", "list").lines == []
    mixed = other("run", "import", str(file))
    assert mixed.code == 2
    assert mixed.lines == ["imported 2 runs; 0 were here already"]
    assert "line 1: it is no JSON" in mixed.err
    document = json.loads(lines[0])
    document["run"]["step"] = "another"
    file.write_text(json.dumps(document))
    differing = other("run", "import", str(file))
    assert differing.code == 5
    assert "is here and another than this line tells of" in differing.err


def test_what_to_export_must_be_said_and_be_there(shell: Shell) -> None:
    recorded(shell)
    assert shell("run", "export").code == 2
    assert shell("run", "export", "zzzz").code == 4
    assert shell("run", "import", "nowhere.ndjson").code == 4
    absent = shell("run", "export", "--all", "--output", "no/such/place.ndjson")
    assert absent.code == EXIT_CODES[Denied][0]
