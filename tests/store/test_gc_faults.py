"""gc where bytes are damaged, backends fail and processes end: it stops, and the next one finishes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.errors import Corrupt, Unavailable
from datamon.store import layout
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Bundle
from datamon.store.gc.collect import Collected, GcRequest, collect
from datamon.store.opening import Store
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.faults import WRITES, Fault, FaultKind, FaultyBackend, Killed
from datamon.store.testing.small_packs import Place

HOUR_NS = 3600 * 10**9
AT_ONCE = GcRequest(grace_ns=0)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(MemoryBackend(), MemoryBackend(), SteppingClock(), tmp_path)


# -- refusals


def _corrupt(backend: MemoryBackend, key: str) -> None:
    content = bytearray(backend.get(key))
    content[len(content) // 2] ^= 1
    backend.put(key, bytes(content))


def _missing(backend: MemoryBackend, key: str) -> None:
    backend.delete(key)


DAMAGE = [(what, _missing) for what in ("manifests/", "segments/", "stats/", "packs/", "index/")]
DAMAGE += [(what, _corrupt) for what in ("manifests/", "segments/", "index/")]  # what else there is, gc does not read


@pytest.mark.parametrize(("what", "damage"), DAMAGE, ids=lambda part: getattr(part, "__name__", part))
def test_nothing_is_collected_where_a_live_bundle_is_damaged(
    place: Place, what: str, damage: Callable[[MemoryBackend, str], None]
) -> None:
    place.upload("AL")
    backend = place.blob if what in ("packs/", "index/") else place.metadata
    damaged = [stored.key for stored in backend.list(what)]
    place.delete(place.upload("B", "other"))
    for key in damaged:
        damage(backend, key)
    before = place.kept()
    with pytest.raises(Corrupt, match=r"check|copy|repair"):
        collect(place.process(), AT_ONCE)
    assert place.kept() == before


def test_a_deleted_bundle_that_cannot_be_read_is_no_reason_to_refuse(place: Place) -> None:
    gone, kept = place.upload("AL"), place.upload("B", "other")
    place.metadata.delete(layout.manifest(gone.manifest))
    place.delete(gone)
    collect(place.process(), GcRequest(grace_ns=HOUR_NS))
    collect(place.process(), AT_ONCE)
    place.verify(kept, "B")
    assert len(place.packs()) == 1


# -- failures


def _garbage(place: Place) -> tuple[Bundle, str]:
    gone, kept = place.upload("ABCDL"), place.upload("AD")
    place.delete(gone, place.upload("E", "other"))
    return kept, "AD"


KINDS: tuple[FaultKind, ...] = ("before", "after", "killed-before", "killed-after")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["metadata", "blob"])
def test_wherever_a_collection_is_cut_off_the_next_one_finishes_it(place: Place, side: str, kind: FaultKind) -> None:
    kept, letters = _garbage(place)

    def cut_off(twin: Place, *faults: Fault) -> tuple[FaultyBackend, Store]:
        faulty = FaultyBackend(getattr(twin, side), *faults, methods=WRITES)
        store = twin.process(**{side: faulty})
        return faulty, store

    faulty, store = cut_off(place.copy())
    collect(store, AT_ONCE)
    assert len(faulty.calls) > 4
    for number in range(1, len(faulty.calls) + 1):
        twin = place.copy()
        try:
            collect(cut_off(twin, Fault(number, kind))[1], AT_ONCE)
        except (Unavailable, Killed):
            twin.verify(kept, letters)
        collect(twin.process(), AT_ONCE)
        twin.verify(kept, letters)
        own = twin.process().logs.store()
        assert own.swept == own.condemned
        assert own.condemned.isdisjoint(twin.packs())
        assert twin.process().chunks.packs_absent() == frozenset()
        assert collect(twin.process(), AT_ONCE) == Collected()


def test_a_store_error_while_marking_condemns_nothing(place: Place) -> None:
    _garbage(place)
    before = place.kept()
    for number in range(3, 12):
        faulty = FaultyBackend(place.metadata, Fault(number, "before"), methods=frozenset({"get"}))
        with pytest.raises(Unavailable):
            collect(place.process(metadata=faulty), AT_ONCE)
        assert place.kept() == before


def test_what_could_not_be_deleted_is_not_said_to_be_gone(place: Place) -> None:
    _garbage(place)
    faulty = FaultyBackend(place.blob, Fault(2, "before"), methods=frozenset({"delete"}))
    with pytest.raises(Unavailable):
        collect(place.process(blob=faulty), AT_ONCE)
    own = place.process().logs.store()
    assert own.swept
    assert own.swept.isdisjoint(place.packs())
    assert own.condemned & place.packs()
    collect(place.process(), AT_ONCE)
    assert place.process().logs.store().condemned.isdisjoint(place.packs())
