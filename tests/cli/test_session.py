"""`datamon session` and `datamon diamond`: many writers of one bundle, at the command line."""

import json
import os
import re
from collections.abc import Callable

import pytest

from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]
KSUID = r"[0-9A-Za-z]{27}"


@pytest.fixture
def parts(shell: Shell, inside: Inside) -> Shell:
    """A person with an empty repo `r` and two directories, which hold `same.csv` differently."""
    inside(shell, "repo", "create", "--repo", "r", "--description", "d").good()
    for name in ("one", "two"):
        (shell.cwd / name).mkdir()
        (shell.cwd / name / f"{name}.csv").write_text(name)
        (shell.cwd / name / "same.csv").write_text(f"of {name}")
    return shell


def files(shell: Shell, inside: Inside) -> list[str]:
    listed = inside(shell, "bundle", "list", "files", "--repo", "r", "--format", "json")
    return [row["path"] for row in json.loads(listed.out) if row["kind"] == "file"]


@pytest.mark.parametrize("word", ["session", "diamond"])
def test_two_splits_become_one_bundle(word: str, parts: Shell, inside: Inside) -> None:
    at = ["--repo", "r"]
    [session] = inside(parts, word, "start", *at, f"--{word}-tag", "night").good()
    assert re.fullmatch(KSUID, session)
    at += [f"--{word}", session]
    assert inside(parts, word, "add", *at, "--path", "one", "--split", "a").good() == ["Added split a with 2 entries"]
    inside(parts, word, "split", "add", *at, "--path", "two", "--split", "b", "--split-tag", "t").good()
    assert [line.split(" , ")[0] for line in inside(parts, word, "split", "list", *at).good()] == ["a", "b"]
    done = inside(parts, word, "commit", *at, "--message", "m", "--label", "v1")
    assert done.code == 0
    assert re.fullmatch(rf"Uploaded bundle id:{KSUID}", done.lines[-1])
    assert done.lines[:-1] == ["set label 'v1'"]
    assert "same.csv of the split a gave way" in done.err
    assert files(parts, inside) == [".conflicts/a/same.csv", "one.csv", "same.csv", "two.csv"]
    [line] = inside(parts, word, "list", "--repo", "r").good()
    assert line.startswith(f"{session} , ")
    assert line.endswith(" , night")


def test_a_committed_session_takes_nothing_more_and_says_which_bundle_it_became(parts: Shell, inside: Inside) -> None:
    [session] = inside(parts, "session", "start", "--repo", "r").good()
    at = ["--repo", "r", "--session", session]
    inside(parts, "session", "add", *at, "--path", "one").good()
    [made] = inside(parts, "session", "commit", *at, "--message", "m").good()
    bundle = made.removeprefix("Uploaded bundle id:")
    again = inside(parts, "session", "commit", *at, "--message", "m")
    late = inside(parts, "session", "add", *at, "--path", "two")
    assert again.code == late.code == 5
    assert bundle in again.sentence
    assert files(parts, inside) == ["one.csv", "same.csv"]


def test_a_cancelled_session_is_shown_as_such_and_makes_no_bundle(parts: Shell, inside: Inside) -> None:
    [session] = inside(parts, "session", "start", "--repo", "r").good()
    at = ["--repo", "r", "--session", session]
    inside(parts, "session", "add", *at, "--path", "one").good()
    assert inside(parts, "session", "cancel", *at).good() == []
    assert "cancelled" in inside(parts, "session", "get", *at).good()[0]
    assert inside(parts, "session", "commit", *at, "--message", "m").code == 5
    assert inside(parts, "bundle", "list", "--repo", "r").good() == []


def test_an_empty_session_a_session_that_is_not_there_and_two_modes_are_refused(parts: Shell, inside: Inside) -> None:
    [session] = inside(parts, "session", "start", "--repo", "r").good()
    at = ["--repo", "r", "--session", session, "--message", "m"]
    assert "add" in inside(parts, "session", "commit", *at).sentence
    both = inside(parts, "session", "commit", *at, "--no-conflicts", "--ignore-conflicts")
    assert "exclude each other" in both.sentence
    strange = inside(parts, "session", "commit", "--repo", "r", "--session", "2" * 27, "--message", "m")
    assert strange.code == 4
    assert "session list" in strange.sentence


def test_conflicts_that_are_not_wanted_are_named_and_the_session_stays_open(parts: Shell, inside: Inside) -> None:
    [session] = inside(parts, "session", "start", "--repo", "r").good()
    at = ["--repo", "r", "--session", session]
    for name in ("one", "two"):
        inside(parts, "session", "add", *at, "--path", name, "--split", name).good()
    refused = inside(parts, "session", "commit", *at, "--message", "m", "--no-conflicts")
    assert refused.code == 5
    assert "same.csv" in refused.sentence
    inside(parts, "session", "commit", *at, "--message", "m", "--with-checkpoints")
    assert files(parts, inside) == [".checkpoints/one/same.csv", "one.csv", "same.csv", "two.csv"]


def test_a_split_takes_what_a_list_or_a_filter_names(parts: Shell, inside: Inside) -> None:
    (parts.cwd / "list").write_text("one.csv\n")
    [session] = inside(parts, "session", "start", "--repo", "r").good()
    at = ["--repo", "r", "--session", session]
    inside(parts, "session", "add", *at, "--path", "one", "--files", "list").good()
    inside(parts, "session", "add", *at, "--path", "two", "--name-filter", "^two").good()
    inside(parts, "session", "commit", *at, "--message", "m").good()
    assert files(parts, inside) == ["one.csv", "two.csv"]


def test_a_listed_file_that_is_not_there_is_an_error_or_left_out_if_asked(parts: Shell, inside: Inside) -> None:
    (parts.cwd / "list").write_text("one.csv\ngone.csv\n")
    [session] = inside(parts, "session", "start", "--repo", "r").good()
    at = ["--repo", "r", "--session", session, "--path", "one", "--files", "list"]
    assert "gone.csv" in inside(parts, "session", "add", *at).sentence
    left_out = inside(parts, "session", "add", *at, "--skip-on-error")
    assert left_out.code == 0
    assert "gone.csv" in left_out.err


def test_a_split_that_was_begun_and_not_ended_is_told(parts: Shell, inside: Inside) -> None:
    (parts.cwd / "bad" / "pipe").parent.mkdir()
    os.mkfifo(parts.cwd / "bad" / "pipe")
    [session] = inside(parts, "session", "start", "--repo", "r").good()
    at = ["--repo", "r", "--session", session]
    inside(parts, "session", "add", *at, "--path", "one", "--split", "good").good()
    assert inside(parts, "session", "add", *at, "--path", "bad", "--split", "late").code != 0
    told = inside(parts, "session", "commit", *at, "--message", "m")
    assert told.code == 0
    assert "late" in told.err
    assert files(parts, inside) == ["one.csv", "same.csv"]
