"""Mirrored stores: promotion, what an old first side wrote afterwards, healing, and the loss of a side under real processes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from datamon.errors import Conflict, Invalid, Unavailable
from datamon.store import layout
from datamon.store.backend.arbiter import Terms
from datamon.store.backend.memory import MemoryBackend
from datamon.store.backend.sides import Side
from datamon.store.bundle import Author, Bundle
from datamon.store.check.check import check
from datamon.store.check.findings import Finding
from datamon.store.check.packs import Sample
from datamon.store.download import download
from datamon.store.encryption_key import EncryptionKey, new_key
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.mirror.compare import compare
from datamon.store.mirror.heal import Healing
from datamon.store.mirror.opening import Mirror, MirrorPlaces, SidePlace, found, mirror_on, open_mirror, read_epoch
from datamon.store.mirror.promote import Promoted, Promotion, promote
from datamon.store.mirror.repair import repair_sides
from datamon.store.opening import Places, Store, open_store, sides_of, store_on, unlock_mirror
from datamon.store.refs import set_label
from datamon.store.repair.repair import Repaired
from datamon.store.repos import create_repo, find_repo, list_repos
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.commits import commit_nothing
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.sides import LostSide
from datamon.store.upload import UploadRequest, upload

ADA = Author("Ada", "ada@example.org")
ALL = Sample(100)


@dataclass
class Place:
    """The sides `eu`, which decides at first, and `us`; each `process` has a memory of its own. `key` is that of an encrypted
    store."""

    key: EncryptionKey | None = None
    eu: LostSide = field(default_factory=lambda: LostSide(MemoryBackend()))
    us: LostSide = field(default_factory=lambda: LostSide(MemoryBackend()))
    clock: SteppingClock = field(default_factory=SteppingClock)

    def mirror(self, *, degraded: bool = False) -> Mirror:
        sides = [Side("eu", self.eu), Side("us", self.us)]
        return mirror_on(sides, sides, Terms(2, degraded))

    def process(self, *, degraded: bool = False) -> Store:
        mirror = self.mirror(degraded=degraded)
        found(mirror, ADA if self.key is None else None, self.clock)
        return store_on(mirror.metadata, mirror.blob, ADA, clock=self.clock, key=self.key)

    def promote(self, side: str, *, degraded: bool = False) -> Promoted:
        mirror = unlock_mirror(self.mirror(degraded=degraded), self.key, side if degraded else None)
        return promote(mirror, Promotion(side, ADA, "a test", self.clock))

    def repair(self) -> Repaired:
        return repair_sides(self.mirror(), ADA, Healing(ALL), clock=self.clock, key=self.key)

    def findings(self) -> list[Finding]:
        store = self.process()
        return [*compare(sides_of(store.metadata, store.blob, store.cover), store, ALL), *check(store, ALL)]

    def damage(self) -> list[Finding]:
        return [finding for finding in self.findings() if finding.is_damage]

    @property
    def are_equal(self) -> bool:
        mirror = unlock_mirror(self.mirror(), self.key)
        one, other = (
            {s.key: side.get(s.key) for s in side.list("")} for side in mirror.metadata.sides.backends.values()
        )
        return one == other


@pytest.fixture(params=["plain", "encrypted"])
def place(request: pytest.FixtureRequest) -> Place:
    place = Place(new_key() if request.param == "encrypted" else None)
    create_repo(place.process(), "one", "")
    return place


def _put(store: Store, tmp_path: Path, name: str, message: str = "") -> Bundle:
    tree = tmp_path / "trees" / name
    tree.mkdir(parents=True)
    (tree / "f").write_bytes(random_bytes(name, 5_000))
    return upload(store, UploadRequest("one", tree, message))


def _holds(store: Store, bundle: Bundle, name: str, target: Path) -> bool:
    download(store, bundle, target)
    return (target / "f").read_bytes() == random_bytes(name, 5_000)


# -- promotion


def test_entries_that_were_acknowledged_are_there_after_a_promotion_without_the_old_first_side(place: Place) -> None:
    store = place.process()
    bundle = commit_nothing(store, find_repo(store, "one"), label="v1")
    place.eu.is_lost = True
    promoted = place.promote("us")
    assert (promoted.epoch.number, promoted.whole, promoted.unreached) == (2, ("us",), ("eu",))
    state = place.process().logs.repo(bundle.repo)
    assert state.refs["v1"].bundle == bundle.id


def test_a_writer_that_was_passed_over_is_refused_however_late_it_is(place: Place) -> None:
    """It wins its number on the old first side, and then a promotion comes that does not see that side."""
    store = place.process()
    repo = find_repo(store, "one")
    commit_nothing(store, repo)

    def promoted_meanwhile(call: str) -> None:
        if call.startswith("put_if_absent repos/"):
            place.us.before = lambda _: None
            place.eu.is_lost = True
            place.promote("us")
            place.eu.is_lost = False

    place.us.before = promoted_meanwhile
    with pytest.raises(Unavailable) as refused:
        commit_nothing(store, repo, message="late")
    assert refused.value.code in ("epoch-passed", "too-few-sides", "sides-differ")
    place.repair()
    assert place.damage() == []
    assert place.are_equal


def test_a_promotion_that_was_stopped_lets_nobody_decide_until_it_is_done_again(place: Place) -> None:
    def stop(call: str) -> None:
        if call.endswith(".whole"):
            raise Unavailable("backend-unavailable", "stopped here; try again")

    place.us.before = stop
    with pytest.raises(Unavailable):
        place.promote("us")
    place.us.before = lambda _: None
    store = place.process()
    with pytest.raises(Unavailable) as refused:
        commit_nothing(store, find_repo(store, "one"))
    assert refused.value.code == "first-side-lost"
    assert any(finding.code == "side-behind" for finding in place.damage())
    assert place.promote("us").whole == ("us", "eu")
    commit_nothing(store, find_repo(store, "one"))
    assert place.damage() == []


def test_a_promotion_that_only_a_side_that_is_away_knows_of_is_told_as_that(place: Place) -> None:
    def stop(call: str) -> None:
        if call.startswith("put_if_absent epochs/"):
            raise Unavailable("backend-unavailable", "stopped here; try again")

    mirror = unlock_mirror(place.mirror(), place.key)
    assert mirror.arbiter.standing.is_settled
    place.eu.before = stop
    with pytest.raises(Unavailable):
        place.promote("eu")
    place.eu.before = lambda _: None
    marks = mirror.arbiter.look("us")
    assert marks.epoch is not None
    assert marks.epoch != mirror.arbiter.look("eu").epoch
    place.us.is_lost = True
    with pytest.raises(Unavailable, match="only a side that cannot be reached") as refused:
        read_epoch(mirror, marks.epoch)
    assert refused.value.code == "too-few-sides"
    place.us.is_lost = False
    assert read_epoch(mirror, marks.epoch)["first"] == "eu"


def test_a_side_that_missed_something_is_not_promoted(place: Place) -> None:
    place.us.forget()
    with pytest.raises(Conflict) as refused:
        place.promote("us")
    assert refused.value.code == "sides-differ"


@pytest.mark.parametrize("degraded", [False, True])
def test_a_side_that_lost_everything_and_knows_of_a_promotion_is_not_promoted(degraded: bool) -> None:
    place = Place()
    create_repo(place.process(), "one", "")
    place.us.forget()
    place.promote("eu")
    place.eu.is_lost = True
    with pytest.raises(Conflict) as refused:
        promote(place.mirror(degraded=degraded), Promotion("us", ADA, "a test", place.clock))
    assert refused.value.code == "sides-differ"
    place.eu.is_lost = False
    assert place.process().logs.store().names.keys() == {"one"}


def test_no_side_has_an_entry_and_not_the_one_before_it(place: Place) -> None:
    """Two entries were written while a side was away; what is acknowledged after it came back does not hang on the other."""
    repo = find_repo(place.process(), "one")
    commit_nothing(place.process(), repo)
    place.us.is_lost = True
    degraded = place.process(degraded=True)
    for _ in range(3):
        commit_nothing(degraded, repo)
    place.us.is_lost = False
    bundle = commit_nothing(place.process(), repo, label="v1")
    place.eu.is_lost = True
    place.promote("us")
    state = place.process().logs.repo(repo.id)
    assert state.number == 5
    assert state.refs["v1"].bundle == bundle.id


def test_a_promotion_that_was_overtaken_takes_nothing_away(place: Place) -> None:
    """It knows which side decided before; that one loses everything once another promotion has made it needless."""
    store = place.process()
    bundle = commit_nothing(store, find_repo(store, "one"), label="v1")
    place.promote("us")

    def overtaken(call: str) -> None:
        if call.startswith("list log/"):
            place.us.before = lambda _: None
            place.promote("eu")
            place.us.forget()

    place.us.before = overtaken
    with pytest.raises(Conflict) as refused:
        place.promote("eu")
    assert refused.value.code == "epoch-passed"
    assert place.process().logs.repo(bundle.repo).refs["v1"].bundle == bundle.id
    assert place.repair().left == ()
    assert place.are_equal


def test_a_side_that_loses_everything_while_it_is_promoted_does_not_decide(place: Place, tmp_path: Path) -> None:
    bundle = _put(place.process(), tmp_path, "tree")

    def lost(call: str) -> None:
        if call.startswith("put_if_absent epochs/"):
            place.eu.before = lambda _: None
            place.eu.forget()

    place.eu.before = lost
    with pytest.raises(Conflict) as refused:
        place.promote("eu")
    assert refused.value.code == "sides-differ"
    assert place.promote("us").whole == ("us",)
    assert _holds(place.process(), bundle, "tree", tmp_path / "out")
    assert place.repair().left == ()
    assert place.are_equal


def test_a_side_that_was_being_filled_when_the_other_was_lost_for_good_keeps_what_it_has(
    place: Place, tmp_path: Path
) -> None:
    bundle = _put(place.process(), tmp_path, "tree")

    def stop(call: str) -> None:
        if call.endswith(".whole"):
            raise Unavailable("backend-unavailable", "stopped here; try again")

    place.us.forget()
    place.us.before = stop
    with pytest.raises(Unavailable):
        place.repair()
    place.us.before = lambda _: None
    place.eu.is_lost = True
    with pytest.raises((Conflict, Unavailable)):
        place.promote("us")
    place.promote("us", degraded=True)
    assert _holds(place.process(degraded=True), bundle, "tree", tmp_path / "back")


def test_no_promotion_without_the_side_itself(place: Place) -> None:
    place.us.is_lost = True
    with pytest.raises(Unavailable):
        place.promote("us")
    with pytest.raises(Invalid):
        place.promote("asia")


# -- what an old first side wrote


def _stranded(place: Place, tmp_path: Path, work: Callable[[Store], Bundle]) -> tuple[Bundle, Bundle]:
    """A bundle that was written degraded to `eu`, and one at the same number that `us` has after its promotion."""
    place.us.is_lost = True
    lost = work(place.process(degraded=True))
    place.us.is_lost, place.eu.is_lost = False, True
    place.promote("us")
    kept = _put(place.process(degraded=True), tmp_path, "kept")
    place.eu.is_lost = False
    return lost, kept


def test_a_bundle_of_a_side_that_was_passed_over_is_kept_and_moves_no_ref(place: Place, tmp_path: Path) -> None:
    def work(store: Store) -> Bundle:
        bundle = _put(store, tmp_path, "lost", "only eu has it")
        set_label(store, find_repo(store, "one"), "v1", bundle.id)
        return bundle

    lost, kept = _stranded(place, tmp_path, work)
    told = [finding for finding in place.damage() if finding.code == "stranded-entry"]
    assert [finding.key for finding in told] == [f"eu:{layout.log_entry(lost.repo, number)}" for number in (1, 2)]
    assert place.process().logs.repo(lost.repo).refs["main"].bundle == kept.id

    repaired = place.repair()
    assert repaired.left == ()
    state = place.process().logs.repo(lost.repo)
    assert state.bundles[lost.id] == lost
    assert state.refs.keys() == {"main"}
    assert state.refs["main"].bundle == kept.id
    origin = {"side": "eu", "epoch": "00000000000000000001-eu", "number": 1}
    assert [entry.record.get("stranded") for entry in state.entries] == [None, origin]
    assert _holds(place.process(), lost, "lost", tmp_path / "out")
    assert place.are_equal
    assert place.damage() == []
    notices = [finding.message for finding in place.findings() if finding.code == "stranded-entry"]
    assert len(notices) == 2
    assert "moves 'v1'" in notices[1]
    assert place.repair().healed == ()


def test_a_repo_that_only_the_side_that_was_passed_over_knew_is_kept_for_its_bundles(
    place: Place, tmp_path: Path
) -> None:
    def work(store: Store) -> Bundle:
        return commit_nothing(store, create_repo(store, "two", ""), message="only eu has it")

    lost, _ = _stranded(place, tmp_path, work)
    create_repo(place.process(degraded=True), "two", "another")
    place.repair()
    repos = {repo.id: repo.name for repo in list_repos(place.process())}
    assert repos[lost.repo] == "two-eu-1"
    assert lost.id in place.process().logs.repo(lost.repo).bundles
    assert place.damage() == []


def test_a_deletion_of_a_side_that_was_passed_over_is_not_carried_out(place: Place, tmp_path: Path) -> None:
    bundle = _put(place.process(), tmp_path, "one")

    def work(store: Store) -> Bundle:
        delete_bundles(store, find_repo(store, "one"), DeleteRequest((bundle.id,), force=True))
        return bundle

    _stranded(place, tmp_path, work)
    place.repair()
    assert bundle.id not in place.process().logs.repo(bundle.repo).deleted
    assert _holds(place.process(), bundle, "one", tmp_path / "out")
    assert place.damage() == []


# -- healing


def test_a_side_that_lost_everything_is_filled_and_counts_again(place: Place, tmp_path: Path) -> None:
    for name, side in (("a", place.eu), ("b", place.us)):
        bundle = _put(place.process(), tmp_path, name)
        side.forget()
        assert any(finding.code == "side-behind" for finding in place.damage())
        assert _holds(place.process(), bundle, name, tmp_path / f"out-{name}")
        assert place.repair().left == ()
        assert place.are_equal
        assert place.damage() == []
    _put(place.process(), tmp_path, "c")


@pytest.mark.parametrize("side", ["eu", "us"])
def test_every_damaged_byte_of_one_side_is_read_from_the_other_and_healed(
    side: str, place: Place, tmp_path: Path
) -> None:
    bundle = _put(place.process(), tmp_path, "a")
    backend = getattr(place, side).backend
    for stored in list(backend.list("")):
        if not stored.key.startswith((layout.EPOCHS, layout.STORE, layout.BLOBS)):
            content = backend.get(stored.key)
            backend.put(
                stored.key, content[:-1] + bytes([content[-1] ^ 1]) if len(content) < 200 else _flipped(content)
            )
    assert _holds(place.process(), bundle, "a", tmp_path / "out")
    assert place.repair().left == ()
    assert place.are_equal
    assert place.damage() == []


def _flipped(content: bytes) -> bytes:
    return content[:60] + bytes([content[60] ^ 1]) + content[61:]


def test_what_a_gc_deleted_does_not_come_back(place: Place, tmp_path: Path) -> None:
    bundle = _put(place.process(), tmp_path, "gone")
    before = {s.key: place.us.backend.get(s.key) for s in place.us.backend.list("packs/")}
    store = place.process()
    delete_bundles(store, find_repo(store, "one"), DeleteRequest((bundle.id,), force=True))
    assert collect(place.process(), GcRequest(0)).swept.packs == 1
    for key, content in before.items():
        place.us.backend.put(key, content)  # as a copy that came late
    assert [finding.code for finding in place.damage()] == ["side-differs"]
    place.repair()
    assert list(place.eu.backend.list("packs/")) == list(place.us.backend.list("packs/")) == []


def test_a_gc_stops_where_a_side_cannot_be_reached(place: Place, tmp_path: Path) -> None:
    bundle = _put(place.process(), tmp_path, "gone")
    store = place.process()
    delete_bundles(store, find_repo(store, "one"), DeleteRequest((bundle.id,), force=True))
    place.us.is_lost = True
    with pytest.raises(Unavailable):
        collect(store, GcRequest(0))
    assert list(place.eu.backend.list("packs/"))
    place.us.is_lost = False
    assert place.damage() == []


def test_another_configuration_than_the_stores_own_is_refused(tmp_path: Path) -> None:
    def places(*names: str, min_sides: int = 2) -> Places:
        sides = tuple(SidePlace(name, str(tmp_path / name), str(tmp_path / name)) for name in names)
        return Places("", "", mirror=MirrorPlaces(sides, Terms(min_sides)))

    identity = open_store(places("eu", "us"), ADA).id
    assert open_store(places("us", "eu"), ADA).id == identity
    for wrong in (places("eu", "us", "asia"), places("eu", "us", min_sides=1)):
        with pytest.raises(Invalid, match="store promote"):
            open_store(wrong, ADA)
    more = places("eu", "us", "asia")
    assert more.mirror is not None
    assert promote(open_mirror(more.mirror), Promotion("eu", ADA)).whole == ("eu", "us")
    assert open_store(more, ADA).id == identity
    assert repair_sides(open_mirror(more.mirror), ADA, Healing(ALL)).left == ()
    assert (tmp_path / "asia" / "store.json").exists()


def test_a_store_of_one_place_gets_a_second_side(tmp_path: Path) -> None:
    alone = open_store(Places(str(tmp_path / "eu"), str(tmp_path / "eu")), ADA)
    bundle = commit_nothing(alone, create_repo(alone, "one", ""))
    sides = tuple(SidePlace(name, str(tmp_path / name), str(tmp_path / name)) for name in ("us", "eu"))
    places = Places("", "", mirror=MirrorPlaces(sides))
    assert places.mirror is not None
    store = open_store(places, ADA)
    assert store.id == alone.id
    with pytest.raises(Unavailable):
        commit_nothing(store, find_repo(store, "one"))
    assert repair_sides(open_mirror(places.mirror), ADA, Healing(ALL)).left == ()
    store = open_store(places, ADA)
    commit_nothing(store, find_repo(store, "one"))
    records, _ = store.journal.read({})
    assert [record["number"] for record in records if record.get("repo") == bundle.repo] == [1, 2]
    assert not [f for f in check(store, ALL) if f.is_damage]


# -- processes

WRITER = """
import sys
from pathlib import Path
from datamon.errors import DatamonError
from datamon.store.bundle import Author
from datamon.store.encryption_key import key_of
from datamon.store.mirror.opening import MirrorPlaces, SidePlace
from datamon.store.opening import Places, open_store
from datamon.store.upload import UploadRequest, upload

root, who = Path(sys.argv[1]), sys.argv[2]
key = key_of(sys.argv[3], "here") if sys.argv[3] else None
sides = tuple(SidePlace(name, str(root / name), str(root / name)) for name in ("eu", "us"))
store = open_store(Places("", "", key=key, mirror=MirrorPlaces(sides)), Author(who, who))
for number in range(1000):
    tree = root / "trees" / f"{who}-{number}"
    tree.mkdir(parents=True)
    (tree / "f").write_text(f"{who} {number} " * 500)
    try:
        bundle = upload(store, UploadRequest("one", tree, f"{who} {number}"))
    except DatamonError as error:
        print("refused", error.code, flush=True)
        break
    print("acknowledged", bundle.id, who, number, flush=True)
"""


@pytest.mark.parametrize(("lost", "key"), [("eu", None), ("us", None), ("eu", new_key())])
def test_four_processes_lose_nothing_that_was_acknowledged_when_a_side_is_removed_half_way(
    lost: str, key: EncryptionKey | None, tmp_path: Path
) -> None:
    sides = tuple(SidePlace(name, str(tmp_path / name), str(tmp_path / name)) for name in ("eu", "us"))
    places = MirrorPlaces(sides)
    where = Places("", "", key=key, mirror=places)
    create_repo(open_store(where, ADA), "one", "")
    told_key = "" if key is None else key.text
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path, f"w{n}", told_key],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        for n in range(4)
    ]
    told = []
    for writer in writers:
        assert writer.stdout is not None
        told += [writer.stdout.readline() for _ in range(3)]  # each has been acknowledged three times and is at work
    shutil.rmtree(tmp_path / lost, ignore_errors=True)
    for writer in writers:
        rest, _ = writer.communicate(timeout=300)
        told += rest.splitlines()
    acknowledged = [line.split()[1:] for line in told if line.startswith("acknowledged")]
    assert len(acknowledged) >= 12
    assert sum(line.startswith("refused") for line in told) == 4

    def verify() -> None:
        store = open_store(where, ADA)
        state = store.logs.repo(find_repo(store, "one").id)
        assert len({bundle for bundle, _, _ in acknowledged}) == len(acknowledged)
        for number, (bundle, who, what) in enumerate(acknowledged):
            assert sum(bundle == made.id for entry in state.entries for made in entry.bundles) == 1
            if number % 5 == 0:
                target = tmp_path / "out" / f"{number}"
                shutil.rmtree(target, ignore_errors=True)
                download(store, state.bundles[bundle], target)  # type: ignore[index]
                assert (target / "f").read_text() == f"{who} {what} " * 500

    verify()
    assert repair_sides(open_mirror(places), ADA, Healing(ALL), key=key).left == ()
    verify()
    store = open_store(where, ADA)
    sides_now = sides_of(store.metadata, store.blob, store.cover)
    found_now = [*compare(sides_now, store, ALL), *check(store, ALL)]
    assert [finding for finding in found_now if finding.is_damage] == []
    one, other = (_tree(tmp_path / name) for name in ("eu", "us"))
    assert one.keys() == other.keys()
    assert one == other or key is not None  # each side is sealed by itself
    upload(store, UploadRequest("one", tmp_path / "trees" / "w0-0", "again"))


def _tree(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and "+" not in str(path.relative_to(root)))
    return {str(path.relative_to(root)): path.read_bytes() for path in files}
