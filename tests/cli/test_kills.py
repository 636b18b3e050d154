"""kill -9 at random moments of an upload and of a recorded run, again and again, on one store."""

import json
import os
import random
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from datamon.cli.testing import Shell

ROUNDS = 40
LONGEST_S = 1.2
"""Both commands end within this on a quiet machine, so that kills fall before, into and after the work."""


def killed(shell: Shell, chance: random.Random, *words: str) -> bool:
    """Starts datamon, kills it after a random time; whether it had ended well by itself."""
    child = shell.start(*words)
    try:
        child.communicate(timeout=chance.uniform(0.15, LONGEST_S))
    except subprocess.TimeoutExpired:
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    return child.returncode == 0


def rows(shell: Shell, *words: str) -> list[dict[str, object]]:
    ran = shell(*words, "--format", "json")
    assert ran.code == 0, ran.err
    found: list[dict[str, object]] = json.loads(ran.out)
    return found


@pytest.mark.slow
def test_no_upload_that_was_killed_is_seen_and_none_that_ended_is_lost(orders: Shell) -> None:
    chance = random.Random(7)
    tree = orders.cwd / "tree"
    known = 1
    for turn in range(ROUNDS):
        (tree / "noise.bin").write_bytes(chance.randbytes(6_000_000))
        (tree / "turn.txt").write_text(str(turn))
        line = ("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", str(turn))
        ended = killed(orders, chance, *line)
        bundles = rows(orders, "bundle", "list", "--repo", "orders")
        assert known + ended <= len(bundles) <= known + 1
        if len(bundles) > known:
            check_whole(orders, tree, turn)
        known = len(bundles)
    orders.well(*line)
    check_whole(orders, tree, turn)
    assert 1 < known < ROUNDS + 1


def check_whole(shell: Shell, tree: Path, turn: int) -> None:
    """The head of the repo is the tree of this turn, byte for byte."""
    copy = shell.cwd / f"copy-{turn}"
    ran = shell("bundle", "download", "--repo", "orders", "--destination", str(copy))
    assert ran.code == 0, ran.err
    for path in tree.iterdir():
        assert (copy / path.name).read_bytes() == path.read_bytes()
    shutil.rmtree(copy)


@pytest.mark.slow
def test_a_recorder_that_was_killed_leaves_a_truthful_record_and_refs_that_agree_with_it(orders: Shell) -> None:
    chance = random.Random(11)
    assert orders("repo", "create", "--repo", "copies").code == 0
    ended = 0
    for turn in range(ROUNDS):
        shutil.rmtree(orders.cwd / "out", ignore_errors=True)
        script = f"echo {turn} > out/turn; cp in/a.csv out/"
        line = ("run", "record", "--input", "orders=in", "--output", "copies=out", "--", "sh", "-c", script)
        ended += killed(orders, chance, *line)
        runs = rows(orders, "query", "SELECT id, status FROM runs ORDER BY started")
        assert {run["status"] for run in runs} <= {"succeeded", "failed", "abandoned"}, "nothing runs any more"
        moved = rows(orders, "query", "SELECT run FROM ref_history WHERE repo = 'copies' ORDER BY position")
        written = rows(
            orders,
            "query",
            "SELECT run FROM outputs JOIN runs ON runs.id = run WHERE status = 'succeeded' ORDER BY started",
        )
        assert moved == written, "each run that succeeded moved the branch, and no other did"
        assert len(moved) >= ended
    assert 0 < ended < ROUNDS
