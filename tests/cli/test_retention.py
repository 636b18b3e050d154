"""Deleting, renaming, squashing and sizes, as a person types them."""

import json
import os
import re
import subprocess
from collections.abc import Callable

import pytest

from datamon.cli.testing import LONGEST_S, PROGRAM, Ran, Shell

Inside = Callable[..., Ran]
Golden = Callable[[str, str], None]


def second_bundle(orders: Shell, inside: Inside, *more: str) -> str:
    """Changes the tree, uploads it and gives the new bundle's id."""
    (orders.cwd / "tree" / "a.csv").write_text("id,price\n1,30\n")
    line = ("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "second", *more)
    return inside(orders, *line).good()[-1].removeprefix("Uploaded bundle id:")


def test_the_lines_and_words_of_retention(orders: Shell, inside: Inside, golden: Golden) -> None:
    second_bundle(orders, inside, "--label", "v2.0.0")
    shown = []
    for line in (
        "repo delete files --repo orders --file b.csv --dry-run",
        "repo delete files --repo orders --file b.csv --reason private",
        "bundle list --repo orders",
        "repo squash --repo orders --dry-run",
        "repo squash --repo orders",
        "label list --repo orders",
        "repo squash --repo orders",
        "branch create --repo orders --branch dev",
        "branch delete --repo orders --branch dev",
        "repo rename --repo orders sales",
        "repo list",
        "repo delete --repo sales --reason moved --force-yes",
        "repo list",
    ):
        ran = inside(orders, *line.split())
        assert ran.code == 0, ran
        shown += [f"$ datamon {line}\n", ran.out, re.sub("^", "# ", ran.err.rstrip(), flags=re.MULTILINE) + "\n"]
    golden("retention", "".join(shown).replace("# \n", ""))


def first_bundle(orders: Shell, inside: Inside) -> str:
    return inside(orders, "bundle", "get", "--repo", "orders", "--label", "init").good()[0].split(" , ")[0]


def test_a_deleted_bundle_is_told_of_wherever_it_is_named(orders: Shell, inside: Inside) -> None:
    first = first_bundle(orders, inside)
    second_bundle(orders, inside)
    refused = inside(orders, "bundle", "delete", "--repo", "orders", "--bundle", first)
    assert (refused.code, "label 'init' of 'orders' points at it" in refused.sentence) == (5, True)
    gone = inside(
        orders, "bundle", "delete", "--repo", "orders", "--bundle", first[-8:], "--force", "--reason", "wrong"
    )
    assert (gone.code, gone.err) == (0, "label 'init' was taken away\n")
    assert gone.lines[0].startswith(f"{first} , ")
    for line in (
        ("bundle", "get", "--repo", "orders", "--bundle", first),
        ("bundle", "delete", "--repo", "orders", "--bundle", first),
        ("bundle", "download", "--repo", "orders", "--bundle", first, "--destination", "x"),
    ):
        ran = inside(orders, *line)
        assert (ran.code, "was deleted at 20" in ran.sentence, "by Ada (wrong)" in ran.sentence) == (4, True, True)
    (row,) = map(json.loads, inside(orders, "query", "FROM deletions", "--format", "jsonl").good())
    assert (row["repo"], row["bundle"], row["author"], row["reason"]) == ("orders", first, "Ada", "wrong")


def test_the_originals_words_for_a_squash_still_work(orders: Shell, inside: Inside) -> None:
    made = [first_bundle(orders, inside)]
    line = ("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "m")
    made += [inside(orders, *line).good()[-1].removeprefix("Uploaded bundle id:") for _ in range(3)]
    inside(orders, "label", "set", "--repo", "orders", "--label", "v1.0", "--bundle", made[1]).good()
    words = ("--retain-n-latest", "1", "--retain-semver-tags")
    ran = inside(orders, "repo", "squash", "--repo", "orders", *words, "--format", "jsonl")
    assert [json.loads(row)["id"] for row in ran.lines] == [made[0], made[2]]
    kept = inside(orders, "repo", "squash", "--repo", "orders", "--retain-tags", "--dry-run")
    assert (kept.code, kept.out, kept.err) == (0, "", "nothing was changed; 0 would go\n")
    wrong = inside(orders, "repo", "squash", "--repo", "orders", "--keep-last", "0")
    assert (wrong.code, "1 or more" in wrong.sentence) == (2, True)


def test_a_repo_is_not_deleted_where_nobody_can_be_asked(orders: Shell) -> None:
    ran = orders("repo", "delete", "--repo", "orders", stdin="y\n")
    assert (ran.code, "give --force-yes" in ran.sentence) == (2, True)
    assert len(orders.well("repo", "list").lines) == 1


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("n", 1), ("", 1)])
def test_a_repo_is_deleted_when_the_person_at_the_terminal_says_so(orders: Shell, answer: str, left: int) -> None:
    ours, theirs = os.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [*PROGRAM, "repo", "delete", "--repo", "orders"],
            stdin=theirs,
            capture_output=True,
            text=True,
            cwd=orders.cwd,
            env=orders.environment,
            timeout=LONGEST_S,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.returncode, done.stdout) == (0, "")
    assert "Delete the repo 'orders' with its 1 bundle?" in done.stderr
    assert ("nothing was deleted" in done.stderr) == bool(left)
    assert len(orders.well("repo", "list").lines) == left


def test_a_rename_wants_one_new_name(orders: Shell, inside: Inside) -> None:
    for words in ((), ("sales", "--new-name", "sold")):
        ran = inside(orders, "repo", "rename", "--repo", "orders", *words)
        assert (ran.code, "one new name" in ran.sentence) == (2, True)
    inside(orders, "repo", "rename", "--repo", "orders", "--new-name", "sales").good()
    gone = inside(orders, "bundle", "list", "--repo", "orders")
    assert (gone.code, "was renamed to 'sales' by Ada" in gone.sentence) == (4, True)


def test_sizes_say_what_is_shared_and_what_is_stored(orders: Shell, inside: Inside) -> None:
    for number in range(2):
        inside(orders, "bundle", "upload", "--repo", "orders", "--path", "tree", "--message", f"{number}").good()
    (row,) = map(
        json.loads, inside(orders, "repo", "get", "--repo", "orders", "--with-size", "--format", "jsonl").good()
    )
    assert (row["bundles"], row["entries"], row["bytes"], row["distinct_bytes"]) == (3, 6, 78, 26)
    assert 26 < row["stored_bytes"] < 200
    line = inside(orders, "repo", "list", "--with-size").good()[0]
    assert line.endswith(f" , 3 bundles , 6 entries , 78 bytes , 26 distinct , {row['stored_bytes']} stored")


def test_a_run_shows_that_what_it_wrote_was_deleted(orders: Shell, inside: Inside) -> None:
    inside(orders, "repo", "create", "--repo", "out").good()
    command = ("cp", "in/a.csv", "in/b.csv", "out/")
    ran = orders("run", "record", "--input", "orders=in", "--output", "out=out", "--", *command)
    assert ran.code == 0, ran
    (run,) = map(json.loads, inside(orders, "run", "list", "--format", "jsonl").good())
    before = inside(orders, "run", "show", run["id"]).good()
    assert "deleted" not in "\n".join(before)
    good_enough = inside(orders, "repo", "delete", "files", "--repo", "out", "--file", "b.csv", "--reason", "private")
    assert good_enough.code == 0
    (shown,) = [line for line in inside(orders, "run", "show", run["id"]).good() if "replaced by" in line]
    assert re.search(r"out  out@main  \w{27}  deleted at \S+ by Ada \(private\) and replaced by \w{27}", shown)
    record = json.loads(inside(orders, "run", "show", run["id"], "--format", "json").out)
    (output,) = record["outputs"]
    assert (output["deleted_by"], output["reason"], len(output["replaced_by"])) == ("Ada", "private", 27)
    assert record["inputs"][0]["deleted"] is None
