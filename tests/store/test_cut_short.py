"""The power is cut, or the process killed, at random moments of uploads, checkouts, label moves, deletions and gc."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from datamon.store.bundle import Bundle
from datamon.store.check.check import check
from datamon.store.check.packs import Sample
from datamon.store.download import download
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.opening import Store
from datamon.store.repos import find_repo, list_repos
from datamon.store.testing.cut_work import opened
from datamon.store.testing.power import power_disk, why_no_loop
from datamon.store.testing.trees import snapshot
from datamon.store.update import UpdateRequest, update
from datamon.store.upload import UploadRequest, upload

LONGEST_S = 0.12
"""The cut comes at most so long after an answer: some operations take a millisecond, gc a tenth of a second."""

Told = dict[str, Any]
Worker = subprocess.Popen[str]


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips, loudly, where loop devices cannot be mounted."""
    why = why_no_loop(tmp_path_factory.mktemp("loop") / "probe")
    if why is not None:
        pytest.skip(f"capability: loop devices cannot be mounted here, so NO POWER CUT WAS TRIED ({why})")


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("seed", range(12))
def test_a_power_cut_loses_nothing_that_was_answered(tmp_path: Path, seed: int) -> None:
    cut_power(tmp_path, random.Random(seed))


@pytest.mark.slow
@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_two_hundred_power_cuts_lose_nothing_that_was_answered(tmp_path: Path, seed: int) -> None:
    cut_power(tmp_path, random.Random(seed))


@pytest.mark.parametrize("seed", range(4))
def test_a_kill_loses_nothing_that_was_answered(tmp_path: Path, seed: int) -> None:
    kill(tmp_path, random.Random(seed), kills=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2000, 2050))
def test_hundreds_of_kills_lose_nothing_that_was_answered(tmp_path: Path, seed: int) -> None:
    kill(tmp_path, random.Random(seed), kills=8)


def cut_power(work: Path, chance: random.Random) -> None:
    """Twice on one disk, since a store that survived once has what a new one has not: old condemned packs, caches, leftovers."""
    told: list[Told] = []
    with power_disk(work / "power") as disk:

        def cut(worker: Worker) -> None:
            disk.cut()
            assert worker.wait(timeout=60) == 1

        for turn in range(2):
            told += until_cut(disk.root, work / f"{turn}", chance, cut)
            disk.unmount()
            disk.mount()
            # Not with the state that lies on the disk: what is mapped into memory from there keeps it from being unmounted.
            work_goes_on(look(disk.root, work / f"state-{turn}", told, work / f"{turn}"), work / f"{turn}")


def kill(work: Path, chance: random.Random, kills: int) -> None:
    """A store on which one process after the other is killed."""
    told: list[Told] = []
    for turn in range(kills):
        told += until_cut(work / "disk", work / f"{turn}", chance, subprocess.Popen.kill)
        store = look(work / "disk", work / "disk" / "state", told, work / f"{turn}")
        made = work_goes_on(store, work / f"{turn}")
        update(store, UpdateRequest(made, work / f"{turn}" / "checkout-one", giving_up_edits=True))
        # What else is there may be a person's: the bundle that it came from can be collected by now.
        assert snapshot(work / f"{turn}" / "checkout-one").items() >= snapshot(work / f"{turn}" / "next").items()


def until_cut(disk: Path, trees: Path, chance: random.Random, cut: Callable[[Worker], None]) -> list[Told]:
    """Works on the disk until it is cut, after some answers and a while; gives what the work told."""
    command = [
        sys.executable,
        "-m",
        "datamon.store.testing.cut_work",
        str(disk),
        str(trees),
        str(chance.randrange(2**32)),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        told: list[Told] = []
        answers = chance.randrange(1, 25)
        for line in worker.stdout:
            told.append(json.loads(line))
            answers -= told[-1]["state"] == "done"
            if not answers:
                break
        with suppress(subprocess.TimeoutExpired):
            worker.wait(timeout=chance.uniform(0, LONGEST_S))
        assert worker.poll() is None, "it ended by itself"
        cut(worker)
        rest = worker.stdout.read()
    return told + [json.loads(line) for line in rest.splitlines() if line.endswith("}")]


def look(disk: Path, state: Path, told: list[Told], work: Path) -> Store:
    """Everything answered is there and whole, and check finds no damage; gives the store."""
    store = opened(disk, state)
    answered = [one for one in told if one["state"] == "done"]
    begun_gone = {one["bundle"] for one in told if one["op"] == "delete"}
    gone = {one["bundle"] for one in answered if one["op"] == "delete"}
    uploaded = {one["bundle"]: one for one in answered if one["op"] == "upload"}
    live = {bundle.id: bundle for bundle in live_bundles(store)}
    assert not gone & live.keys(), "a deletion that was answered is undone"
    assert uploaded.keys() - begun_gone <= live.keys(), "an upload that was answered is lost"
    for identity, bundle in live.items():
        download(store, bundle, work / identity)
        if identity in uploaded:
            assert bundle.content == uploaded[identity]["content"]
            assert snapshot(work / identity) == snapshot(Path(uploaded[identity]["tree"]))
    labels_stand(store, told)
    assert [finding for finding in check(store, Sample(100)) if finding.severity == "damage"] == []
    return store


def work_goes_on(store: Store, work: Path) -> Bundle:
    """The next upload works, and gc takes nothing of it; gives its bundle."""
    tree = work / "next"
    tree.mkdir()
    (tree / "file").write_bytes(random.Random(work.name).randbytes(200_000))
    made = upload(store, UploadRequest("one", tree, "after the cut"))
    collect(store, GcRequest(grace_ns=0))
    download(store, made, work / "again")
    assert snapshot(work / "again") == snapshot(tree)
    return made


def live_bundles(store: Store) -> Iterator[Bundle]:
    """Every bundle that is not deleted."""
    for repo in list_repos(store):
        state = store.logs.repo(repo.id)
        yield from (one for one in state.bundles.values() if one.id not in state.deleted)


def labels_stand(store: Store, told: list[Told]) -> None:
    """The label of each repo is where the last answer put it, or where something begun after that did."""
    for name in {one["repo"] for one in told if one["op"] == "label"}:
        moves = [one for one in told if one["op"] in ("label", "delete") and one["repo"] == name]
        last = max((n for n, one in enumerate(moves) if (one["state"], one["op"]) == ("done", "label")), default=None)
        if last is None:
            continue
        possible = {moves[last]["bundle"]} | {one["bundle"] for one in moves[last:] if one["op"] == "label"}
        removed = {one["bundle"] for one in moves[last:] if one["op"] == "delete"}
        ref = store.logs.repo(find_repo(store, name).id).refs.get("chosen")
        assert (ref.bundle in possible) if ref else (possible & removed), "a label that was answered is elsewhere"
