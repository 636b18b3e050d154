"""Thirty-two processes race for one label and one branch in a bucket, and every one of them comes through."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise

import pytest

from datamon.store import layout
from datamon.store.refs import ref_history
from datamon.store.repos import create_repo
from datamon.store.testing.emulator import make_buckets, running_emulator
from datamon.store.testing.racing import opened_to_race, race

RACERS, TURNS = 32, 2


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with running_emulator() as url:
        make_buckets(url, "racing")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        yield


def test_of_thirty_two_processes_one_wins_each_number_and_the_history_has_every_winner(bucket: None) -> None:
    store = opened_to_race(0)
    repo = create_repo(store, "shared", "")
    with ProcessPoolExecutor(RACERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        made = [bundle for bundles in pool.map(race, range(RACERS), [TURNS] * RACERS) for bundle in bundles]
    assert len(set(made)) == RACERS * TURNS
    fresh = opened_to_race(0)
    state = fresh.logs.repo(repo.id)
    # One entry for each commit and each move, numbered without a gap, and nothing else.
    keys = [stored.key for stored in fresh.metadata.list(layout.log(repo.id))]
    assert keys == [layout.log_entry(repo.id, number) for number in range(1, 2 * len(made) + 1)]
    for name, kind in (("main", "branch"), ("latest", "label")):
        moves = [move for _, move in ref_history(fresh, repo, name) if move.ref_kind == kind]
        assert sorted(str(move.new) for move in moves) == sorted(made)
        assert moves[0].old is None
        assert all(later.old == earlier.new for earlier, later in pairwise(moves))
    bundles = list(state.bundles.values())
    assert all(later.parents == (earlier.id,) for earlier, later in pairwise(bundles))
