"""`datamon index`: how it stands, level, anew, and checked against what the store says."""

import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]


def state(shell: Shell, inside: Inside) -> dict[str, object]:
    ran = inside(shell, "index", "status", "--format", "json")
    assert ran.code == 0, ran
    told: dict[str, object] = json.loads(ran.out)
    return told


def generation(shell: Shell, inside: Inside) -> Path:
    """The file that questions read now."""
    [file] = Path(str(state(shell, inside)["place"])).glob("*.duckdb")
    return file


@pytest.fixture
def fresh(shell: Shell, inside: Inside) -> Shell:
    """A person with a repo, who has asked no question yet."""
    inside(shell, "repo", "create", "--repo", "orders", "--description", "d").good()
    return shell


def test_an_index_is_absent_then_current_then_behind_then_current(fresh: Shell, inside: Inside) -> None:
    assert state(fresh, inside)["state"] == "absent"
    inside(fresh, "index", "refresh").good()
    first = state(fresh, inside)
    assert (first["state"], first["behind"]) == ("current", 0)
    inside(fresh, "repo", "create", "--repo", "more", "--description", "d").good()
    then = state(fresh, inside)
    assert then["state"] == "behind"
    assert int(str(then["behind"])) >= 1
    assert "more" in inside(fresh, "query", "FROM repos").out, "a question adds what is missing"
    inside(fresh, "index", "refresh").good()
    assert state(fresh, inside)["state"] == "current"


def test_status_changes_nothing_and_tells_people_what_it_means(fresh: Shell, inside: Inside) -> None:
    ran = inside(fresh, "index", "status")
    assert "state , absent" in ran.lines
    assert ran.lines[-1] == "meaning , the first question makes one"
    assert state(fresh, inside)["state"] == "absent"


def test_a_sound_index_has_no_findings(orders: Shell, inside: Inside) -> None:
    inside(orders, "index", "refresh").good()
    ran = inside(orders, "index", "check")
    assert (ran.code, ran.out, ran.err) == (0, "", "no damage was found\n")


def test_without_an_index_check_says_so(fresh: Shell, inside: Inside) -> None:
    ran = inside(fresh, "index", "check", "--format", "jsonl")
    assert ran.code == 0
    assert json.loads(ran.out)["code"] == "index-absent"


@pytest.mark.parametrize(
    ("planted", "code"),
    [
        ("DELETE FROM kept.bundles", "row-missing"),
        ("UPDATE kept.repos SET description = 'other' WHERE name = 'orders'", "row-unexpected"),
        ("INSERT INTO kept.params VALUES ('r', 'p', '1', 'flag', NULL, NULL)", "row-unexpected"),
    ],
)
def test_what_is_wrong_in_an_index_is_found_and_rebuild_mends_it(
    orders: Shell, inside: Inside, planted: str, code: str
) -> None:
    inside(orders, "index", "refresh").good()
    with duckdb.connect(generation(orders, inside)) as connection:
        connection.execute(planted)
    ran = inside(orders, "index", "check", "--format", "jsonl")
    assert ran.code == 8
    found = [json.loads(line) for line in ran.lines]
    assert code in {each["code"] for each in found}
    assert all(each["severity"] == "damage" for each in found)
    assert inside(orders, "index", "rebuild").code == 0
    assert inside(orders, "index", "check").out == ""


@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_a_file_that_is_no_index_is_told_and_the_next_question_makes_another(
    orders: Shell, inside: Inside, content: bytes | None
) -> None:
    inside(orders, "index", "refresh").good()
    file = generation(orders, inside)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert state(orders, inside)["state"] == "unreadable"
    ran = inside(orders, "index", "check", "--format", "jsonl")
    assert (ran.code, json.loads(ran.out)["code"]) == (8, "index-unreadable")
    assert inside(orders, "query", "SELECT name FROM repos", "--format", "csv").out == "name\norders\n"
    assert state(orders, inside)["state"] == "current"


def test_deleting_the_index_changes_no_answer(orders: Shell, inside: Inside) -> None:
    before = inside(orders, "query", "FROM bundles", "--format", "json").out
    generation(orders, inside).unlink()
    assert inside(orders, "query", "FROM bundles", "--format", "json").out == before


@pytest.mark.parametrize(
    ("planted", "code"),
    [
        ("DELETE FROM bundles", "row-missing"),
        ("UPDATE repos SET shown = 'other' WHERE shown = 'orders'", "row-unexpected"),
        ("INSERT INTO refs VALUES ('r', 'x', 'label', 'b')", "row-unexpected"),
    ],
)
def test_what_is_wrong_in_the_graph_is_found_and_rebuild_mends_it(
    orders: Shell, inside: Inside, planted: str, code: str
) -> None:
    before = inside(orders, "query", "UPSTREAM OF 'orders'")
    place = Path(str(state(orders, inside)["place"])) / "graph"
    file = sqlite3.connect(place / (place / "CURRENT").read_text())
    with contextlib.closing(file), file:
        file.execute(planted)
    ran = inside(orders, "index", "check", "--format", "jsonl")
    assert ran.code == 8
    assert code in {json.loads(line)["code"] for line in ran.lines}
    assert inside(orders, "index", "rebuild").code == 0
    assert inside(orders, "index", "check").out == ""
    assert inside(orders, "query", "UPSTREAM OF 'orders'") == before


def test_a_graph_that_is_damaged_is_found_and_rebuild_mends_it(orders: Shell, inside: Inside) -> None:
    before = inside(orders, "query", "UPSTREAM OF 'orders'")
    place = Path(str(state(orders, inside)["place"])) / "graph"
    file = place / (place / "CURRENT").read_text()
    for content in (b"", b"no database", file.read_bytes()[:5000], file.read_bytes()[:-4096] + bytes(4096)):
        file.write_bytes(content)
        assert inside(orders, "index", "check").code == 8
        assert inside(orders, "index", "rebuild").code == 0
        assert inside(orders, "query", "UPSTREAM OF 'orders'") == before
        file = place / (place / "CURRENT").read_text()
