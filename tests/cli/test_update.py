"""`bundle download --name-filter` and `bundle update`, and both killed at random moments or filled with a large file."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]
ROUNDS = 100
LONGEST_S = 1.0
MOST_BYTES = 200 * 2**20
"""What a download may hold in memory, whatever its size."""
MEASURED = """
import sys
from datamon.cli.main import main
assert main(sys.argv[1:]) == 0
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
"""Prints last the most kilobytes that the process held."""


def test_a_directory_is_brought_to_the_head_and_says_what_it_did(orders: Shell, inside: Inside) -> None:
    place = ("--repo", "orders", "--destination", "copy")
    assert inside(orders, "bundle", "download", *place).code == 0
    (orders.cwd / "tree" / "a.csv").write_text("id,price\n1,33\n")
    (orders.cwd / "tree" / "b.csv").unlink()
    inside(orders, "bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "second")
    updated = inside(orders, "bundle", "update", *place)
    assert (updated.code, updated.err) == (0, "")
    assert updated.lines[-1] == "1 written, 1 removed"
    assert sorted(path.name for path in (orders.cwd / "copy").iterdir()) == ["a.csv"]
    assert inside(orders, "bundle", "update", *place, "--label", "init").lines[-1] == "2 written, 0 removed"


def test_edits_stop_an_update_and_with_force_each_is_named(orders: Shell, inside: Inside) -> None:
    place = ("--repo", "orders", "--destination", "copy")
    inside(orders, "bundle", "download", *place)
    (orders.cwd / "copy" / "a.csv").write_text("mine")
    (orders.cwd / "copy" / "mine.csv").write_text("mine")
    refused = inside(orders, "bundle", "update", *place)
    assert refused.code == 5
    assert "'a.csv', 'mine.csv'" in refused.sentence
    assert "--force" in refused.sentence
    forced = inside(orders, "bundle", "update", *place, "--force")
    assert forced.code == 0
    assert forced.err.splitlines() == [
        "gave up the edit of 'a.csv'",
        "left 'mine.csv', which the bundle does not have",
    ]
    assert (orders.cwd / "copy" / "a.csv").read_text() == (orders.cwd / "tree" / "a.csv").read_text()
    assert (orders.cwd / "copy" / "mine.csv").read_text() == "mine"


def test_only_files_that_a_name_filter_finds_are_written(orders: Shell, inside: Inside) -> None:
    place = ("--repo", "orders", "--destination", "copy")
    assert inside(orders, "bundle", "download", *place, "--name-filter", "^a").code == 0
    assert [path.name for path in (orders.cwd / "copy").iterdir()] == ["a.csv"]
    assert inside(orders, "bundle", "update", *place).lines[-1] == "0 written, 0 removed"
    assert inside(orders, "bundle", "update", *place, "--name-filter", "").lines[-1] == "1 written, 0 removed"
    wrong = inside(orders, "bundle", "update", *place, "--name-filter", "(")
    assert (wrong.code, "is no regular expression" in wrong.sentence) == (2, True)


def killed(shell: Shell, chance: random.Random, *words: str) -> bool:
    """Starts datamon, kills it after a random time; whether it had ended well by itself."""
    child = shell.start(*words)
    try:
        child.communicate(timeout=chance.uniform(0.2, LONGEST_S))
    except subprocess.TimeoutExpired:
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    return child.returncode == 0


def contents(top: Path) -> dict[str, bytes]:
    """What lies below a directory."""
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_download_or_update_that_is_killed_shows_no_half_file_and_the_next_update_finishes(orders: Shell) -> None:
    chance = random.Random(5)
    trees = [orders.cwd / "one", orders.cwd / "two"]
    for tree in trees:
        for number in range(300):
            (tree / str(number % 9)).mkdir(parents=True, exist_ok=True)
            (tree / str(number % 9) / f"{number}.bin").write_bytes(
                chance.randbytes(chance.choice([10, 9_000, 400_000]))
            )
        line = ("bundle", "upload", "--repo", "orders", "--path", tree.name, "--label", tree.name, "--message", "m")
        orders.well(*line)
    whole = [contents(tree) for tree in trees]
    allowed = {path: {tree.get(path) for tree in whole} for tree in whole for path in tree}
    place = ("--repo", "orders", "--destination", "copy")
    ended = 0
    for turn in range(ROUNDS):
        word = "update" if (orders.cwd / "copy").exists() and any((orders.cwd / "copy").iterdir()) else "download"
        ended += killed(orders, chance, "bundle", word, *place, "--label", trees[turn % 2].name)
        if (orders.cwd / "copy").exists():
            for path, content in contents(orders.cwd / "copy").items():
                assert path.endswith(".part") or content in allowed[path], path
        if turn % 10 == 9:
            orders.well("bundle", "update", *place, "--label", trees[turn % 2].name)
            assert contents(orders.cwd / "copy") == whole[turn % 2]
    assert ended < ROUNDS


@pytest.mark.slow
def test_a_download_of_any_size_needs_no_more_than_200_megabytes(orders: Shell) -> None:
    tree = orders.cwd / "large"
    tree.mkdir()
    noise = random.Random(3).randbytes(2**20)
    with open(tree / "large.bin", "wb") as file:
        for number in range(1024):
            shift = number * 977 % len(noise)
            file.write(noise[shift:] + noise[:shift] if number % 2 else f"{number},".encode() * (2**20 // 5))
    orders.well("bundle", "upload", "--repo", "orders", "--path", "large", "--message", "large")
    line = ("bundle", "download", "--repo", "orders", "--destination", "copy")
    measured = subprocess.run(
        [sys.executable, "-c", MEASURED, *line],
        cwd=orders.cwd,
        env=orders.environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert int(measured.stdout.split()[-1]) * 1024 <= MOST_BYTES
