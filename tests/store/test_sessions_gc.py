"""The moments at which gc could take what a session needs: nothing is lost, and without marking splits something is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.errors import Conflict, Corrupt, DatamonError, NotFound
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.repos import find_repo
from datamon.store.retention.delete_repo import delete_repo
from datamon.store.sessions.add import AddRequest, add_split
from datamon.store.sessions.commit import SessionCommit, commit_session
from datamon.store.sessions.start import cancel_session, start_session
from datamon.store.testing.faults import Killed
from datamon.store.testing.gc_world import Process, World, make_trees, verify_bundle


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A store in which A and B are garbage, and C and D are in use."""
    make_trees(tmp_path)
    world = World(tmp_path)
    process = world.process(0)
    for tree in ("AB", "CD"):
        world.upload(process, "one", tree, create=True)
        process.turns.finish()
    world.delete(process, next(iter(world.acknowledged)))
    process.turns.finish()
    return world


def run_beside_gc(world: World, work: Callable[[Process], object], moment: str) -> None:
    """The work stops before a call that begins so; a collection comes and goes; the work goes on to its end."""
    process = Process(world)
    faults: list[BaseException] = []

    def watched() -> None:
        try:
            work(process)
        except (Conflict, Corrupt, Killed) as error:
            faults.append(error)

    process.turns.begin(watched)
    reached = process.turns.go_to(moment)
    if faults:
        raise faults[0]
    assert reached
    collect(world.open(), GcRequest(0))
    process.turns.finish()
    if faults:
        raise faults[0]


def make_session(world: World, tmp_path: Path, add_at: str, commit_at: str) -> None:
    session = start_session(world.open(), "one")
    request = AddRequest("one", session.id, tmp_path / "AB", "s")
    run_beside_gc(world, lambda process: add_split(process.store, request), add_at)
    collect(world.open(), GcRequest(0))
    ask = SessionCommit("one", session.id, "AB")
    run_beside_gc(world, lambda process: commit_session(process.store, ask), commit_at)
    collect(world.open(), GcRequest(0))
    store = world.open()
    [bundle] = [one for one in store.logs.repo(session.repo).live() if one.message == "AB"]
    verify_bundle(store, bundle, "AB")
    world.check()


MOMENTS = ("append journal/", "put_if_absent repos/")


@pytest.mark.parametrize("add_at", MOMENTS)
@pytest.mark.parametrize("commit_at", MOMENTS)
def test_gc_between_any_steps_of_a_session_loses_nothing(
    world: World, tmp_path: Path, add_at: str, commit_at: str
) -> None:
    make_session(world, tmp_path, add_at, commit_at)


@pytest.mark.parametrize("add_at", MOMENTS)
def test_without_marking_splits_that_gc_would_lose_them(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, add_at: str
) -> None:
    monkeypatch.setattr("datamon.store.log_state.open_trees", lambda _: [])
    with pytest.raises(Corrupt):
        make_session(world, tmp_path, add_at, MOMENTS[0])


def commit_while(world: World, tmp_path: Path, meanwhile: Callable[[str], object]) -> None:
    """A commit stops before it reads the session's split, until `meanwhile`, given the session, and a collection are over."""
    session = start_session(world.open(), "one")
    add_split(world.open(), AddRequest("one", session.id, tmp_path / "AB", "s"))
    process, outcome = Process(world), list[BaseException]()

    def commit() -> None:
        try:
            commit_session(process.store, SessionCommit("one", session.id, "BC"))
        except DatamonError as error:
            outcome.append(error)

    process.turns.begin(commit)
    assert process.turns.go_to("get stats/")
    meanwhile(session.id)
    collect(world.open(), GcRequest(0))
    process.turns.finish()
    if outcome:
        raise outcome[0]


def test_a_split_that_is_completed_anew_and_swept_while_it_is_merged_is_merged_anew(
    world: World, tmp_path: Path
) -> None:
    commit_while(
        world, tmp_path, lambda session: add_split(world.open(), AddRequest("one", session, tmp_path / "BC", "s"))
    )
    store = world.open()
    [repo] = store.logs.store().repos
    [bundle] = [one for one in store.logs.repo(repo).live() if one.message == "BC"]
    verify_bundle(store, bundle, "BC")


def test_a_session_that_ends_and_is_swept_while_it_is_merged_says_so(world: World, tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="cancelled"):
        commit_while(world, tmp_path, lambda session: cancel_session(world.open(), "one", session))
    with pytest.raises(NotFound, match="was deleted"):
        commit_while(world, tmp_path, lambda _: delete_repo(world.open(), find_repo(world.open(), "one")))
