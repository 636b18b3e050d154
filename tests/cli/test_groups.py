"""Bundles, labels, branches and their forms, as the original's words have them and beyond."""

import json
import re
from collections.abc import Callable

import pytest

from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]
Golden = Callable[[str, str], None]


def good(ran: Ran) -> list[str]:
    """The lines of a command that succeeded."""
    assert (ran.code, ran.err) == (0, ""), ran
    return ran.lines


def second_bundle(orders: Shell, inside: Inside, *more: str) -> str:
    """Changes the tree, uploads it and gives the new bundle's id."""
    (orders.cwd / "tree" / "a.csv").write_text("id,price\n1,30\n")
    (orders.cwd / "tree" / "b.csv").unlink()
    (orders.cwd / "tree" / "c").mkdir()
    (orders.cwd / "tree" / "c" / "d.csv").write_text("new\n")
    line = ("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "second", *more)
    return good(inside(orders, *line))[-1].removeprefix("Uploaded bundle id:")


def test_the_plain_lines_are_those_people_know(orders: Shell, inside: Inside, golden: Golden) -> None:
    second_bundle(orders, inside, "--label", "v2")
    shown = []
    for line in (
        "repo list",
        "repo get --repo orders",
        "bundle list --repo orders",
        "bundle get --repo orders",
        "bundle get --repo orders --label init",
        "bundle list files --repo orders",
        "bundle list files --repo orders --directories",
        "label list --repo orders",
        "label list --repo orders --prefix v",
        "label get --repo orders --label v2",
        "branch list --repo orders",
    ):
        shown += [f"$ datamon {line}", *good(inside(orders, *line.split()))]
    golden("lines", "\n".join(shown) + "\n")


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_every_listing_has_every_form(orders: Shell, inside: Inside, golden: Golden, form: str) -> None:
    shown = []
    for line in (
        "repo list",
        "bundle list --repo orders",
        "bundle list files --repo orders",
        "label list --repo orders",
        "label get --repo orders --label init --with-versions",
        "branch list --repo orders",
    ):
        ran = inside(orders, *line.split(), "--format", form)
        assert (ran.code, ran.err) == (0, "")
        shown += [f"$ datamon {line} --format {form}\n", ran.out]
    golden(form, re.sub(r" +", " ", "".join(shown)))


def test_a_diff_of_two_bundles_says_what_was_added_deleted_and_changed(orders: Shell, inside: Inside) -> None:
    second = second_bundle(orders, inside)
    ran = inside(orders, "bundle", "diff", "--repo", "orders", "--label", "init", "--with", "main")
    assert (ran.code, ran.err) == (3, "")
    assert [re.sub(r"[0-9a-f]{64}", "#", line) for line in ran.lines] == [
        "U , a.csv , 13 , # , 14 , #",
        "D , b.csv , 13 , # ,  , ",
        "A , c ,  ,  , 0 , ",
        "A , c/d.csv ,  ,  , 4 , #",
    ]
    same = inside(orders, "bundle", "diff", "--repo", "orders", "--bundle", second[:12], "--with", "main")
    assert (same.code, same.out, same.err) == (0, "", "empty diff\n")


def test_a_diff_with_a_directory_sees_an_edit_that_keeps_size_and_time(orders: Shell, inside: Inside) -> None:
    """The first datamon compared names and metadata only."""
    import os

    edited = orders.cwd / "tree" / "a.csv"
    before = edited.stat()
    line = ("bundle", "diff", "--repo", "orders", "--destination", "tree")
    assert inside(orders, *line).code == 0
    edited.write_text("id,price\n1,9\n")
    os.utime(edited, ns=(before.st_atime_ns, before.st_mtime_ns))
    ran = inside(orders, *line, "--format", "jsonl")
    assert ran.code == 3
    (row,) = map(json.loads, ran.lines)
    assert (row["change"], row["path"], row["old_size"], row["new_size"]) == ("changed", "a.csv", 13, 13)
    assert row["old_content"] != row["new_content"]


def test_a_label_moves_keeps_its_history_and_goes_when_deleted(orders: Shell, inside: Inside) -> None:
    first = good(inside(orders, "bundle", "get", "--repo", "orders"))[0].split(" , ")[0]
    second = second_bundle(orders, inside)
    named = ("--repo", "orders", "--label", "prod")
    assert good(inside(orders, "label", "set", *named, "--bundle", first)) == []
    assert good(inside(orders, "label", "set", *named, "--bundle", second[-10:])) == []
    assert good(inside(orders, "label", "get", *named))[0].startswith(f"prod , {second} , ")
    assert good(inside(orders, "label", "delete", *named)) == []
    assert inside(orders, "label", "get", *named).code == 4
    history = good(inside(orders, "label", "get", *named, "--with-versions"))
    assert [line.split(" , ")[1] for line in history] == [first, second, "deleted"]
    assert good(inside(orders, "label", "list", "--repo", "orders", "--prefix", "prod")) == []


def test_a_frozen_label_never_moves_again(orders: Shell, inside: Inside) -> None:
    named = ("--repo", "orders", "--label", "release")
    first = good(inside(orders, "bundle", "get", "--repo", "orders"))[0].split(" , ")[0]
    good(inside(orders, "label", "set", *named, "--bundle", first, "--frozen"))
    second = second_bundle(orders, inside)
    moved = inside(orders, "label", "set", *named, "--bundle", second)
    assert moved.code == 5
    assert "is frozen" in moved.sentence
    deleted = inside(orders, "label", "delete", *named)
    assert (deleted.code, "is frozen" in deleted.sentence) == (5, True)
    (row,) = map(
        json.loads, good(inside(orders, "label", "list", "--repo", "orders", "--prefix", "rel", "--format", "jsonl"))
    )
    assert (row["frozen"], row["bundle"]) == (True, first)


def test_a_branch_begins_where_it_is_told_and_moves_by_itself(orders: Shell, inside: Inside) -> None:
    good(inside(orders, "branch", "create", "--repo", "orders", "--branch", "cleaned", "--at", "init"))
    second = second_bundle(orders, inside, "--branch", "cleaned")
    heads = {
        line.split(" , ")[0]: line.split(" , ")[1]
        for line in good(inside(orders, "branch", "list", "--repo", "orders"))
    }
    assert heads["cleaned"] == second
    assert heads["main"] != second
    using = good(inside(orders, "bundle", "download", "--repo", "orders", "--branch", "cleaned", "--destination", "c"))
    assert using == [f"Using bundle: {second}"]
    assert (orders.cwd / "c" / "c" / "d.csv").read_text() == "new\n"


def test_an_upload_asked_for_json_answers_with_the_bundle(orders: Shell, inside: Inside) -> None:
    line = ("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "again", "--format", "json")
    (bundle,) = json.loads(inside(orders, *line).out)
    assert (bundle["message"], bundle["repo"], bundle["position"], len(bundle["parents"])) == ("again", "orders", 2, 1)


def test_the_newest_of_many_uploads_in_a_second_is_the_last_one_made(orders: Shell, inside: Inside) -> None:
    """The first datamon took the greatest id, which was wrong in nine of twenty tries."""
    made = []
    line = ("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "m")
    for number in range(8):
        (orders.cwd / "tree" / "a.csv").write_text(f"{number}\n")
        made.append(good(inside(orders, *line))[-1].removeprefix("Uploaded bundle id:"))
    listed = [row.split(" , ")[0] for row in good(inside(orders, "bundle", "list", "--repo", "orders"))]
    assert listed[1:] == made
    assert good(inside(orders, "bundle", "get", "--repo", "orders"))[0].startswith(made[-1])


def test_a_message_cannot_move_the_cursor_or_forge_a_line(orders: Shell, inside: Inside) -> None:
    line = ("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "a\nb\x1b[2J")
    good(inside(orders, *line))
    assert good(inside(orders, "bundle", "list", "--repo", "orders"))[-1].endswith(" , a\\nb\\x1b[2J")


def test_contexts_lead_to_their_own_stores(orders: Shell, inside: Inside) -> None:
    (orders.home / ".datamon" / "datamon.yaml").write_text("contexts: {other: {metadata: ./other}}\n")
    good(inside(orders, "repo", "create", "--repo", "there", "--context", "other"))
    assert [line.split(" , ")[0] for line in good(inside(orders, "--context", "other", "repo", "list"))] == ["there"]
    assert [line.split(" , ")[0] for line in good(inside(orders, "repo", "list"))] == ["orders"]
    chosen = orders.having(DATAMON_CONTEXT="other")
    assert [line.split(" , ")[0] for line in good(inside(chosen, "repo", "list"))] == ["there"]
