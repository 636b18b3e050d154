"""A mirrored store that is encrypted: each side is sealed, one key opens all, and nothing is lost or told by a side alone."""

from dataclasses import dataclass, field

import pytest

from datamon.errors import Denied, Invalid, Unavailable
from datamon.store import layout
from datamon.store.backend.arbiter import Terms
from datamon.store.backend.memory import MemoryBackend
from datamon.store.backend.sides import Side
from datamon.store.bundle import Author
from datamon.store.check.packs import Sample
from datamon.store.encryption_key import EncryptionKey
from datamon.store.key_change import change_key
from datamon.store.mirror.heal import Healing
from datamon.store.mirror.opening import Mirror, found, mirror_on, read_epoch, who_and_why
from datamon.store.mirror.promote import Promotion, promote
from datamon.store.mirror.repair import repair_sides
from datamon.store.opening import Store, store_on, unlock_mirror
from datamon.store.repos import create_repo, list_repos
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.commits import commit_nothing
from datamon.store.testing.sides import LostSide

ADA = Author("Ada Lovelace", "ada@example.org")
KEY, OTHER = EncryptionKey(bytes(range(32))), EncryptionKey(bytes(32))


@dataclass
class Place:
    """The sides of an encrypted store."""

    eu: LostSide = field(default_factory=lambda: LostSide(MemoryBackend()))
    us: LostSide = field(default_factory=lambda: LostSide(MemoryBackend()))

    @property
    def sides(self) -> list[LostSide]:
        return [self.eu, self.us]

    def mirror(self) -> Mirror:
        named = [Side("eu", self.eu), Side("us", self.us)]
        return mirror_on(named, named, Terms(2))

    def open(self, key: EncryptionKey | None = KEY) -> Store:
        mirror = self.mirror()
        found(mirror, None, SteppingClock())
        return store_on(mirror.metadata, mirror.blob, ADA, key=key)

    def content(self) -> bytes:
        """Names and bytes of everything on both sides."""
        stored = [(side.backend, each.key) for side in self.sides for each in side.backend.list("")]
        return b"".join(key.encode() + backend.get(key) for backend, key in stored)


@pytest.fixture
def place() -> Place:
    place = Place()
    store = place.open()
    commit_nothing(store, create_repo(store, "whispered", "a covert thing"), label="hushed")
    return place


def test_without_the_key_or_with_another_no_command_reads_it(place: Place) -> None:
    before = place.content()
    for key, code in ((None, "key-missing"), (OTHER, "wrong-key")):
        with pytest.raises(Denied) as refused:
            place.open(key)
        assert refused.value.code == code
        with pytest.raises(Denied) as refused:
            unlock_mirror(place.mirror(), key)
        assert refused.value.code == code
    assert place.content() == before


def test_a_key_for_a_mirrored_store_that_is_not_encrypted_is_refused() -> None:
    place = Place()
    place.open(None)
    with pytest.raises(Invalid) as refused:
        place.open(KEY)
    assert refused.value.code == "not-encrypted"


def test_a_mark_tells_who_and_why_only_to_whom_has_the_key(place: Place) -> None:
    promoted = promote(unlock_mirror(place.mirror(), KEY), Promotion("us", ADA, "the covert region burns"))
    for word in (b"whispered", b"covert", b"hushed", b"Ada", b"burns"):
        assert word not in place.content()
        assert word.hex().encode() not in place.content()
    mirror = place.mirror()
    record = read_epoch(mirror, promoted.epoch)
    assert who_and_why(mirror, promoted.epoch, record) == (None, None)
    assert who_and_why(unlock_mirror(mirror, KEY), promoted.epoch, record) == (ADA, "the covert region burns")


def test_a_store_that_gets_a_second_side_does_not_tell_in_its_first_mark_who_gave_it_one() -> None:
    place = Place()
    store_on(place.eu, place.eu, ADA, key=KEY)
    found(place.mirror(), ADA, SteppingClock())  # as somebody who forgot the key
    assert any(stored.key.startswith(layout.EPOCHS) for stored in place.eu.backend.list(""))
    assert b"Ada" not in place.content()


def test_either_side_alone_opens_the_store(place: Place) -> None:
    for side in place.sides:
        side.is_lost = True
        assert [repo.name for repo in list_repos(place.open())] == ["whispered"]
        side.is_lost = False


def test_the_key_is_changed_on_all_sides(place: Place) -> None:
    change_key(place.mirror().metadata, KEY, OTHER)
    with pytest.raises(Denied, match="does not open"):
        place.open(KEY)
    for side in place.sides:
        side.is_lost = True
        assert [repo.name for repo in list_repos(place.open(OTHER))] == ["whispered"]
        side.is_lost = False


@pytest.mark.parametrize("lost", ["eu", "us"])
def test_a_change_of_the_key_that_reached_one_side_counts_and_is_completed_by_a_repair(lost: str, place: Place) -> None:
    def stop(call: str) -> None:
        if call.startswith(("put_if_absent keys/", "put keys/")):
            raise Unavailable("backend-unavailable", "stopped here; try again")

    side: LostSide = getattr(place, lost)
    side.before = stop
    with pytest.raises(Unavailable):
        change_key(place.mirror().metadata, KEY, OTHER)
    side.before = lambda _: None
    with pytest.raises(Denied):
        place.open(KEY)
    assert repair_sides(place.mirror(), ADA, Healing(Sample(100)), key=OTHER).left == ()
    for each in place.sides:
        each.is_lost = True
        assert [repo.name for repo in list_repos(place.open(OTHER))] == ["whispered"]
        each.is_lost = False
