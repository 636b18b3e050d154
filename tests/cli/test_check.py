"""`datamon check` and `datamon repair`, as a person meets them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]


@pytest.fixture
def pack(orders: Shell) -> Path:
    [found] = (orders.home / ".datamon" / "store" / "packs").glob("*/*")
    return found


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(bytes(content))


def rows(ran: Ran) -> list[dict[str, object]]:
    return [json.loads(line) for line in ran.lines]


def test_a_sound_store_is_told_to_be_sound(orders: Shell, inside: Inside) -> None:
    for words in (("check",), ("check", "--read-data"), ("check", "--read-data=50%", "--seed", "1"), ("repair",)):
        ran = inside(orders, *words)
        assert (ran.code, ran.out) == (0, ""), ran
    assert inside(orders, "check").err == "no damage was found (0 notices)\n"


def test_damage_is_rows_that_name_the_files_and_another_exit_code(orders: Shell, inside: Inside, pack: Path) -> None:
    flip(pack, 25)
    assert inside(orders, "check").code == 0
    ran = inside(orders, "check", "--read-data", "--format", "jsonl")
    assert ran.code == 8
    cause, *files = rows(ran)
    assert (cause["severity"], cause["code"], cause["key"]) == (
        "damage",
        "bad-pack",
        f"packs/{pack.parent.name}/{pack.name}",
    )
    assert [(row["code"], row["repo"], row["path"]) for row in files] == [("file-damaged", "orders", "a.csv")]
    assert "datamon repair" in ran.err


def test_plain_lines_begin_with_how_bad_it_is(orders: Shell, inside: Inside, pack: Path) -> None:
    pack.unlink()
    ran = inside(orders, "check")
    assert (ran.code, {line.split(" , ")[0] for line in ran.lines}) == (8, {"damage"})


def test_a_share_that_is_none_is_refused(orders: Shell, inside: Inside) -> None:
    for share in ("0", "101", "-3", "all", ""):
        ran = inside(orders, "check", f"--read-data={share}")
        assert ran.code == 2
        assert "is no share of the packs" in ran.sentence


def test_a_place_without_a_store_is_not_made_one(shell: Shell, inside: Inside) -> None:
    ran = inside(shell, "check")
    assert (ran.code, ran.sentence.startswith("there is no store at ")) == (4, True)
    assert not (shell.home / ".datamon" / "store").exists()


def test_check_changes_nothing(orders: Shell, inside: Inside) -> None:
    store = orders.home / ".datamon" / "store"
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    inside(orders, "check", "--read-data")
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


def test_a_tree_heals_files_and_a_try_out_says_so_before(orders: Shell, inside: Inside, pack: Path) -> None:
    flip(pack, 25)
    assert inside(orders, "repair").code == 8
    tried = inside(orders, "repair", "--from-tree", "tree", "--dry-run", "--format", "jsonl")
    assert tried.code == 0
    assert {row["outcome"] for row in rows(tried)} == {"would be healed"}
    assert inside(orders, "check", "--read-data").code == 8
    healed = inside(orders, "repair", "--from-tree", "tree", "--format", "jsonl")
    assert [{**row, "outcome": ""} for row in rows(healed)] == [{**row, "outcome": ""} for row in rows(tried)]
    assert inside(orders, "check", "--read-data").code == 0
    inside(orders, "bundle", "download", "--repo", "orders", "--destination", "out")
    assert (orders.cwd / "out" / "a.csv").read_bytes() == (orders.cwd / "tree" / "a.csv").read_bytes()


def test_a_copy_heals_whatever_it_has(orders: Shell, inside: Inside, pack: Path) -> None:
    store = orders.home / ".datamon" / "store"
    shutil.copytree(store, orders.cwd / "copy")
    whole = pack.read_bytes()
    flip(pack, 25)
    for kind in ("segments", "stats", "index", "repos"):
        for file in (store / kind).rglob("*"):
            if file.is_file():
                file.unlink()
    lost = inside(orders, "check").lines
    assert [line.split(" , ")[:2] for line in lost if "log/" in line] == [["notice", "entry-missing"]]
    assert inside(orders, "repair", "--from", "./copy").code == 0
    assert inside(orders, "check", "--read-data").code == 0
    assert pack.read_bytes() == whole


def test_a_store_that_cannot_be_opened_any_more_is_checked_and_repaired(orders: Shell, inside: Inside) -> None:
    identity = orders.home / ".datamon" / "store" / "store.json"
    flip(identity, 3)
    assert inside(orders, "repo", "list").code == 8
    assert inside(orders, "check").lines[0].startswith("damage , bad-bytes , ")
    assert inside(orders, "repair").code == 0
    assert inside(orders, "repo", "list").code == 0
