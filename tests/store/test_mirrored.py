"""A backend on several sides: the contract, which acknowledgements it gives, and what it believes of what it cannot see."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from datamon.errors import NotFound, Unavailable
from datamon.store import layout
from datamon.store.backend import Appending, Backend, Settling, Sided
from datamon.store.backend.arbiter import Terms
from datamon.store.backend.encrypted import BackendKeys, EncryptedBackend
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.backend.mirrored import MirroredBackend
from datamon.store.backend.opening import open_backend
from datamon.store.backend.sides import Side
from datamon.store.bundle import Author
from datamon.store.mirror.opening import found, mirror_on
from datamon.store.testing import contract
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.sides import LostSide

ADA = Author("Ada", "ada@example.org")
BUCKET = "team"
LOG = "log/00000000000000000001"
_numbers = count()


def mirrored(*backends: Backend, min_sides: int = 2, degraded: bool = False) -> MirroredBackend:
    """A founded mirrored store's metadata on these backends; the first of them, `a`, decides."""
    sides = [Side(name, backend) for name, backend in zip("abc", backends, strict=False)]
    mirror = mirror_on(sides, sides, Terms(min_sides, degraded))
    found(mirror, ADA, SteppingClock())
    return mirror.metadata


@pytest.fixture(params=["memory, memory", "local, local", "emulator, local", "three sides, two must have it", "sealed"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> MirroredBackend:
    one, other = LocalBackend(tmp_path / "one"), LocalBackend(tmp_path / "other")
    if request.param == "memory, memory":
        return mirrored(MemoryBackend(), MemoryBackend())
    if request.param == "local, local":
        return mirrored(one, other)
    if request.param == "sealed":
        keys = BackendKeys(b"c" * 32, b"n" * 64)
        return mirrored(one, MemoryBackend()).through(lambda side: EncryptedBackend(side, keys, layout.READABLE))
    if request.param == "emulator, local":
        request.getfixturevalue("emulator")
        return mirrored(open_backend(f"gs://{BUCKET}/{next(_numbers)}"), other)
    return mirrored(one, MemoryBackend(), other)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds(check: Callable[[Backend], None], backend: MirroredBackend) -> None:
    check(backend)


def test_it_settles_and_has_sides_and_never_appends(backend: MirroredBackend) -> None:
    assert isinstance(backend, Settling)
    assert isinstance(backend, Sided)
    assert not isinstance(backend, Appending)


@pytest.fixture
def sides() -> list[LostSide]:
    """Three sides that can be lost."""
    return [LostSide(MemoryBackend()) for _ in range(3)]


@pytest.mark.parametrize("key", ["packs/00/p", LOG])
def test_what_too_few_sides_have_is_not_acknowledged(key: str, sides: list[LostSide]) -> None:
    backend = mirrored(*sides)
    sides[1].is_lost = True
    assert backend.put_if_absent(key, b"1")
    sides[2].is_lost = True
    with pytest.raises(Unavailable) as refused:
        backend.put_if_absent(key + "2", b"2")
    assert refused.value.code == "too-few-sides"
    assert "b" in refused.value.message
    with pytest.raises(Unavailable, match="stands on 1 of the 2"):
        backend.put(key + "3", b"3")


def test_a_degraded_write_is_acknowledged_by_one_side_and_says_what_that_means(sides: list[LostSide]) -> None:
    told: list[str] = []
    named = [Side(name, side) for name, side in zip("ab", sides, strict=False)]
    found(mirror_on(named, named, Terms()), ADA, SteppingClock())
    backend = mirror_on(named, named, Terms(2, True, told.append)).metadata
    backend.put("packs/00/p", b"1")
    assert told == []
    sides[1].is_lost = True
    backend.put("packs/00/q", b"1")
    assert backend.put_if_absent(LOG, b"1")
    assert len(told) == 1
    assert "a alone" in told[0]
    assert "repair" in told[0]


def test_reads_fall_over_to_a_side_that_answers(sides: list[LostSide]) -> None:
    backend = mirrored(*sides)
    backend.put("packs/00/p", b"1")
    backend.put_if_absent(LOG, b"2")
    for lost in sides:
        lost.is_lost = True
        assert backend.get("packs/00/p") == b"1"
        assert backend.get(LOG) == b"2"
        assert [stored.key for stored in backend.list("")] == [LOG, "packs/00/p"]
        assert [stored.key for stored in backend.list("log/")] == [LOG]
        lost.is_lost = False


@pytest.mark.parametrize("key", ["packs/00/p", LOG])
def test_that_something_is_not_there_is_believed_only_of_enough_sides(key: str, sides: list[LostSide]) -> None:
    """Of three sides with two that must have it, two that have not exclude that it was acknowledged; one does not."""
    backend = mirrored(*sides)
    sides[0].is_lost = True
    with pytest.raises(NotFound):
        backend.get(key)
    assert not backend.has(key)
    sides[1].is_lost = True
    with pytest.raises(Unavailable):
        backend.get(key)
    with pytest.raises(Unavailable):
        list(backend.list(key[:4]))


def test_a_side_that_lost_everything_does_not_count_as_one_that_never_had_it(sides: list[LostSide]) -> None:
    backend = mirrored(*sides[:2])
    backend.put("packs/00/p", b"1")
    assert backend.put_if_absent(LOG, b"1")
    sides[0].forget()
    fresh = mirrored(*sides[:2])
    assert fresh.get(LOG) == b"1"
    assert fresh.get("packs/00/p") == b"1"
    sides[1].is_lost = True
    with pytest.raises(Unavailable):
        fresh.get("packs/00/p")


def test_a_first_side_that_lost_everything_decides_nothing(sides: list[LostSide]) -> None:
    """Neither for a writer that began before nor for one that comes after."""
    before = mirrored(*sides[:2])
    assert before.put_if_absent(LOG, b"1")
    sides[0].forget()
    for backend in (before, mirrored(*sides[:2])):
        with pytest.raises(Unavailable) as refused:
            backend.put_if_absent("log/00000000000000000002", b"2")
        assert refused.value.code in ("first-side-lost", "too-few-sides")
        assert backend.get(LOG) == b"1"


@pytest.mark.parametrize("ask", ["get", "has", "list"])
def test_a_first_side_that_has_just_lost_everything_is_not_believed(ask: str, sides: list[LostSide]) -> None:
    """By a process that has known it as whole, and has asked it for nothing since."""
    backend = mirrored(*sides[:2])
    assert backend.put_if_absent(LOG, b"1")
    sides[0].forget()
    if ask == "get":
        assert backend.get(LOG) == b"1"
    elif ask == "has":
        assert backend.has(LOG)
    else:
        assert [stored.key for stored in backend.list("log/")] == [LOG]


def test_an_entry_that_only_the_first_side_has_is_brought_to_the_others_before_one_builds_on_it(
    sides: list[LostSide],
) -> None:
    backend = mirrored(*sides[:2])
    sides[0].put_if_absent(LOG, b"its writer was killed here")
    assert not backend.put_if_absent(LOG, b"other")
    backend.settle(LOG)
    assert sides[1].get(LOG) == b"its writer was killed here"


def test_a_segment_beside_a_new_one_is_brought_to_the_others(sides: list[LostSide]) -> None:
    backend = mirrored(*sides[:2])
    sides[1].put("index/one.parquet", b"its writer was killed here")
    backend.settle("index/two.parquet")
    assert sides[0].get("index/one.parquet") == b"its writer was killed here"


def test_an_entry_that_a_side_has_otherwise_is_not_acknowledged(sides: list[LostSide]) -> None:
    backend = mirrored(*sides)
    sides[2].put(LOG, b"of a writer of an earlier epoch")
    with pytest.raises(Unavailable) as refused:
        backend.put_if_absent(LOG, b"1")
    assert refused.value.code == "sides-differ"


def test_an_entry_beyond_the_first_sides_log_is_not_there(sides: list[LostSide]) -> None:
    backend = mirrored(*sides)
    sides[2].put(LOG, b"of a writer of an earlier epoch")
    assert not backend.has(LOG)
    assert list(backend.list("log/")) == []
    assert list(backend.list("")) == []


def test_every_side_has_what_one_put_costs_one_request_a_side() -> None:
    sides = [LostSide(MemoryBackend()) for _ in range(2)]
    backend = mirrored(*sides)
    for side in sides:
        side.calls.clear()
    backend.put("packs/00/p", b"1")
    assert [side.calls for side in sides] == [["put packs/00/p"]] * 2
    assert layout.EPOCHS not in "".join(stored.key for stored in backend.list(""))
