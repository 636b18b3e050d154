"""The moments at which gc could lose data: with the protocol nothing is lost, and without the part that guards it something is.

Each schedule is run twice. Were the second run to lose nothing, the first would show nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from datamon.errors import Corrupt
from datamon.store import layout, reliance
from datamon.store.gc import collect as collecting
from datamon.store.gc import condemn as condemning
from datamon.store.gc.mark import Marks
from datamon.store.log import StoreState
from datamon.store.opening import Store
from datamon.store.testing.gc_world import Process, World, make_trees


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("trees")
    make_trees(root)
    return root


@pytest.fixture
def world(trees: Path) -> World:
    """A store whose repo holds a bundle of C and D, and in which A and B are garbage."""
    world = World(trees)
    process = world.process(0)
    for tree in ("AB", "CD"):
        world.upload(process, "one", tree, create=True)
        process.turns.finish()
    world.delete(process, next(iter(world.acknowledged)))
    process.turns.finish()
    return world


def newcomer(world: World) -> Process:
    """One more process, which has done nothing yet."""
    process = Process(world)
    world.processes.append(process)
    return process


def collect_now(world: World) -> None:
    """A collector does all of its work while the others stand."""
    collector = newcomer(world)
    world.collect(collector, 0.5)
    collector.turns.finish()


def condemn_all_packs(world: World) -> None:
    """The store's log condemns every pack there is, so that gc copies what is needed of them."""
    packs = [stored.key.rpartition("/")[2] for stored in world.blob.list(layout.PACKS)]
    record = {"kind": "condemn", "packs": sorted(packs), "keys": [], "fenced": []}
    world.open().logs.append(None, lambda _: record)


def uploading(world: World, tree: str) -> Process:
    """A process that has begun to upload to the repo."""
    process = newcomer(world)
    world.upload(process, "one", tree)
    return process


# -- schedules


def gc_between_deduplication_and_commit(world: World) -> None:
    """Defect 3 of the original: an upload finds A and B in the store and does not send them; then gc takes them away."""
    upload = uploading(world, "AB")
    assert upload.turns.go_to("append journal/")
    collect_now(world)
    upload.turns.finish()


def gc_between_the_last_look_and_the_entry(world: World) -> None:
    """The upload has read all logs to their ends when gc begins, and writes its entry when gc is done."""
    upload = uploading(world, "AB")
    assert upload.turns.go_to("put_if_absent repos/")
    collect_now(world)
    upload.turns.finish()


def commit_between_mark_and_condemn(world: World) -> None:
    """gc has seen that nothing needs A and B; before it says so, a bundle of them is committed."""
    collector = newcomer(world)
    world.collect(collector, 0.5)
    assert collector.turns.go_to("append journal/")
    uploading(world, "AB").turns.finish()
    collector.turns.finish()


def gc_in_the_middle_of_an_upload(world: World) -> None:
    """The packs of an upload are there and nothing refers to them yet when gc comes."""
    upload = uploading(world, "L")
    assert upload.turns.go_to("put segments/")
    collect_now(world)
    upload.turns.finish()


def gc_before_the_repo_is_made(world: World) -> None:
    """A tree was put that needs A and B; the repo that it is for is made when gc has told all repos."""
    upload = newcomer(world)
    world.upload_to_new_repo(upload, "two", "AB")
    assert upload.turns.go_to("append journal/")
    collect_now(world)
    upload.turns.finish()


def another_collector_between_the_store_s_log_and_the_others(world: World) -> None:
    """A collector that had nothing to do finds at its second look what another one has condemned, in the store's log only. An
    upload has looked before, and its repo's log does not say it yet."""
    garbage = world.process(0)
    world.upload(garbage, "two", "LA", create=True)
    garbage.turns.finish()
    collect_now(world)
    first, second = newcomer(world), newcomer(world)
    world.collect(first, 0.0)
    assert first.turns.go_to("list stats/")
    first.turns.go_on(1)
    upload = uploading(world, "L")
    assert upload.turns.go_to("put_if_absent repos/")
    world.delete(garbage, list(world.acknowledged)[-1])
    garbage.turns.finish()
    world.collect(second, 0.0)
    assert second.turns.go_to("put_if_absent repos/")
    for process in (first, upload, second):
        process.turns.finish()


# -- parts of the protocol, each left out


def without_checking_what_is_condemned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reliance, "_refuse_lost", lambda _: None)


def without_condemning_in_each_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condemning, "standing_repos", lambda *_: [])


def without_marking_again(monkeypatch: pytest.MonkeyPatch) -> None:
    add = Marks.add
    marked: list[Marks] = []

    def add_once(marks: Marks, *rest: object) -> None:
        if marks not in marked:
            marked.append(marks)
            add(marks, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Marks, "add", add_once)


def without_fences(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = reliance.Reliance.__init__

    def begin_without_session(
        self: reliance.Reliance, store: Store, manifest: object, session: object, reused: object
    ) -> None:
        begin(self, store, manifest, None, reused)  # type: ignore[arg-type]

    monkeypatch.setattr(reliance.Reliance, "__init__", begin_without_session)


def without_the_store_s_own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    check = reliance.Reliance.check
    monkeypatch.setattr(reliance.Reliance, "check", lambda self, state, _: check(self, state, StoreState()))


class Everything:
    """A set of which everything is part."""

    def __rand__(self, other: frozenset[str]) -> frozenset[str]:
        return other


def without_waiting_for_every_log(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = collecting._Attempt._sweep
    monkeypatch.setattr(collecting._Attempt, "_sweep", lambda self, _: sweep(self, Everything()))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Moment:
    """A schedule, and the part of the protocol that guards it."""

    schedule: Callable[[World], None]
    leave_out: Callable[[pytest.MonkeyPatch], None]


MOMENTS = [
    Moment(gc_between_deduplication_and_commit, without_checking_what_is_condemned),
    Moment(gc_between_the_last_look_and_the_entry, without_condemning_in_each_log),
    Moment(commit_between_mark_and_condemn, without_marking_again),
    Moment(gc_in_the_middle_of_an_upload, without_fences),
    Moment(gc_before_the_repo_is_made, without_the_store_s_own_log),
    Moment(another_collector_between_the_store_s_log_and_the_others, without_waiting_for_every_log),
]
each_moment = pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.schedule.__name__)


def test_a_reader_follows_a_chunk_that_is_moved_while_it_looks_for_it(world: World) -> None:
    """B lies in a pack with A, which is garbage. It is copied twice, each time when the reader is about to read it."""
    uploading(world, "BC").turns.finish()
    bundle = list(world.acknowledged)[-1]
    reader = world.process(0)
    world.read(reader, bundle)
    for _ in range(3):
        assert reader.turns.go_to("get packs/")
        condemn_all_packs(world)
        collect_now(world)
        reader.turns.go_on(1)
    reader.turns.finish()
    world.check()


@each_moment
def test_nothing_is_lost(world: World, moment: Moment) -> None:
    moment.schedule(world)
    world.check()
    world.check_tidy()


@each_moment
def test_without_its_guard_something_is_lost(world: World, moment: Moment, monkeypatch: pytest.MonkeyPatch) -> None:
    moment.leave_out(monkeypatch)
    moment.schedule(world)
    monkeypatch.undo()
    world.faults.clear()  # a collector may have met the damage first
    with pytest.raises(Corrupt, match=r"is gone|no pack"):
        world.check()
