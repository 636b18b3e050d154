"""`datamon store`, and what a person sees of a mirrored store whose sides come and go."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]
MIRROR = """
mirror:
  sides:
  - {name: eu, metadata: ../eu/metadata, blob: ../eu/blob}
  - {name: us, metadata: ../us/metadata, blob: ../us/blob}
"""


@pytest.fixture
def mirrored(shell: Shell, inside: Inside) -> Shell:
    """A person whose store has two sides, with one bundle of the directory `tree`."""
    (shell.home / ".datamon").mkdir()
    (shell.home / ".datamon" / "datamon.yaml").write_text(MIRROR)
    (shell.cwd / "tree").mkdir()
    (shell.cwd / "tree" / "a").write_text("1\n")
    assert inside(shell, "repo", "create", "--repo", "orders", "--description", "d").code == 0
    assert _upload(shell, inside).code == 0
    return shell


def _upload(shell: Shell, inside: Inside, *words: str) -> Ran:
    return inside(shell, *words, "bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "m")


def _side(shell: Shell, name: str) -> Path:
    return shell.home / name


def test_a_store_of_one_place_says_where_it_lies(shell: Shell, inside: Inside) -> None:
    (line,) = inside(shell, "store", "get").good()
    assert line.endswith("/store")
    refused = inside(shell, "store", "promote", "us")
    assert refused.code == 2
    assert "mirror" in refused.sentence


def test_the_whole_story_of_a_side_that_is_lost_and_comes_back_empty(mirrored: Shell, inside: Inside) -> None:
    states = [line.split(" , ")[-1] for line in inside(mirrored, "store", "get").lines]
    assert states == ["decides, counts, epoch 1", "counts, epoch 1"]
    shutil.rmtree(_side(mirrored, "eu"))
    assert len(inside(mirrored, "bundle", "list", "--repo", "orders").good()) == 1
    refused = _upload(mirrored, inside)
    assert refused.code == 7
    assert "datamon store promote" in refused.sentence

    promoted = inside(mirrored, "store", "promote", "us", "--reason", "eu is gone")
    assert promoted.code == 0
    assert "run `datamon repair` when eu can be reached" in promoted.err
    refused = _upload(mirrored, inside)
    assert refused.code == 7
    assert "--degraded" in refused.sentence
    degraded = _upload(mirrored, inside, "--degraded")
    assert degraded.code == 0
    assert "us alone" in degraded.err

    checked = inside(mirrored, "check", "--format", "json")
    assert checked.code == 8
    assert {"side-behind", "side-lacks"} <= {row["code"] for row in json.loads(checked.out)}
    tried = inside(mirrored, "repair", "--dry-run")
    assert tried.code == 0
    assert inside(mirrored, "repair").code == 0
    assert inside(mirrored, "check", "--read-data").code == 0
    assert _upload(mirrored, inside).code == 0
    states = [line.split(" , ")[-1] for line in inside(mirrored, "store", "get").lines]
    assert states == ["counts, epoch 2", "decides, counts, epoch 2"]


def test_a_variable_says_the_same_as_the_flag(mirrored: Shell, inside: Inside) -> None:
    shutil.rmtree(_side(mirrored, "us"))
    variables = {**mirrored.variables, "DATAMON_DEGRADED": "1"}
    degraded = _upload(Shell(mirrored.home, mirrored.cwd, variables), inside)
    assert degraded.code == 0
    assert "eu alone" in degraded.err


def test_gc_is_refused_when_writes_are_degraded(mirrored: Shell, inside: Inside) -> None:
    refused = inside(mirrored, "--degraded", "gc")
    assert refused.code == 2
    assert inside(mirrored, "gc", "--grace", "0").code == 0


@pytest.mark.parametrize(
    "wrong",
    [
        "mirror: {sides: [{name: eu, metadata: ./eu}]}",
        "mirror: {sides: [{name: eu, metadata: ./eu}, {name: eu, metadata: ./us}]}",
        "mirror: {sides: [{name: EU, metadata: ./eu}, {name: us, metadata: ./us}]}",
        "mirror: {min_sides: 3, sides: [{name: eu, metadata: ./eu}, {name: us, metadata: ./us}]}",
        "mirror: {min_sides: 0, sides: [{name: eu, metadata: ./eu}, {name: us, metadata: ./us}]}",
    ],
)
def test_a_mirror_that_cannot_be_is_refused(wrong: str, shell: Shell, inside: Inside) -> None:
    (shell.home / ".datamon").mkdir()
    (shell.home / ".datamon" / "datamon.yaml").write_text(wrong)
    assert inside(shell, "repo", "list").code == 2
    assert not (shell.home / ".datamon" / "eu").exists()


def test_a_place_that_a_variable_says_beats_the_mirror_of_the_file(mirrored: Shell, inside: Inside) -> None:
    elsewhere = Shell(
        mirrored.home, mirrored.cwd, {**mirrored.variables, "DATAMON_METADATA": str(mirrored.home / "other")}
    )
    assert inside(elsewhere, "repo", "list").good() == []
    assert len(inside(mirrored, "--context", "", "repo", "list").out.splitlines()) == 1
