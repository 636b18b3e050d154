"""What is put around a bucket, each with every kind of fault on the way to it: the contract holds."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.backend.arbiter import Terms
from datamon.store.backend.caching import CachingBackend, DiskCache
from datamon.store.backend.encrypted import BackendKeys, EncryptedBackend
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.opening import open_backend
from datamon.store.backend.patience import Patience
from datamon.store.backend.sides import Side
from datamon.store.bundle import Author
from datamon.store.mirror.opening import Mirror, found, mirror_on
from datamon.store.mirror.promote import Promotion, promote
from datamon.store.testing import contract
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.proxy import Method, Rule
from datamon.store.testing.spoilt_buckets import FAULTS, spoilt_bucket

BUCKET = "team"
ADA = Author("Ada", "ada@example.org")
KEYS = BackendKeys(b"c" * 32, b"n" * 64)
BRISK = Patience(total_s=60.0, connect_s=5.0, read_s=0.5, first_pause_s=0.01, longest_pause_s=0.05)
RESIGNED = Patience(total_s=0.5, connect_s=0.5, read_s=0.5, first_pause_s=9.0, longest_pause_s=9.0)
"""Whatever goes wrong reaches whoever asked: the first pause would be longer than all patience."""
REFUSED = ("503 before", "429 before", "500 before", "bursts of 503")
KINDS: Mapping[str, tuple[Rule, ...]] = {
    "refused before": tuple(replace(FAULTS[name], share=FAULTS[name].share / 3) for name in REFUSED),
    **{name: (rule,) for name, rule in FAULTS.items() if name not in REFUSED},
}
"""What is refused is so in every way at once: all of it is mended at one place, which test_backend_gcs_faults.py goes through."""
QUICK = tuple(check for check in contract.CHECKS if check is not contract.a_long_listing_is_whole)
"""All but the one that makes 1,050 requests."""
_numbers = count()


def cached(bucket: Backend, folder: Path) -> Backend:
    return CachingBackend(bucket, DiskCache(folder, 64 * 2**20, bool))


def encrypted(bucket: Backend, _: Path) -> Backend:
    return EncryptedBackend(bucket, KEYS, layout.READABLE)


def mirrored_with_it_first(bucket: Backend, folder: Path) -> Backend:
    return founded(bucket, LocalBackend(folder)).metadata


def mirrored_with_it_second(bucket: Backend, folder: Path) -> Backend:
    return founded(LocalBackend(folder), bucket).metadata


def founded(*sides: Backend, degraded: bool = False) -> Mirror:
    """A mirrored store on these sides; the first of them, `a`, decides."""
    named = [Side(name, side) for name, side in zip("abc", sides, strict=False)]
    mirror = mirror_on(named, named, Terms(2, degraded))
    found(mirror, ADA, SteppingClock())
    return mirror


WRAPPINGS: Mapping[str, Callable[[Backend, Path], Backend]] = {
    "cached": cached,
    "encrypted": encrypted,
    "mirrored with it first": mirrored_with_it_first,
    "mirrored with it second": mirrored_with_it_second,
}


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds_over_a_bucket_that_is_cached(
    check: Callable[[Backend], None], emulator: str, tmp_path: Path
) -> None:
    check(cached(open_backend(f"gs://{BUCKET}/sound-{next(_numbers)}"), tmp_path))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_the_contract_holds_over_a_spoilt_bucket_that_is(
    wrapping: str, kind: str, emulator: str, tmp_path: Path
) -> None:
    """Every check in an empty place of its own."""
    spoilt = 0
    for check in QUICK:
        with spoilt_bucket(emulator, BUCKET, *KINDS[kind], patience=BRISK) as (bucket, proxy):
            check(WRAPPINGS[wrapping](bucket, tmp_path / check.__name__))
            spoilt += proxy.spoilt.total()
    assert spoilt > 0


@pytest.mark.parametrize("kind", ["refused before", "broken before", "lost after", "truncated"])
def test_the_contract_holds_where_one_of_three_sides_fails_now_and_then(
    kind: str, emulator: str, tmp_path: Path
) -> None:
    """Each fault reaches the mirror. Only deletions do not fail: one that a side did not hear of is refused."""
    heard: frozenset[Method] = frozenset({"get", "put", "has", "list"})
    spoilt = 0
    for check in QUICK:
        with spoilt_bucket(emulator, BUCKET, patience=RESIGNED) as (bucket, proxy):
            one, other = (LocalBackend(tmp_path / check.__name__ / name) for name in "ab")
            backend = founded(one, other, bucket).metadata
            proxy.obey(*(replace(rule, methods=heard) for rule in KINDS[kind]))
            check(backend)
            spoilt += proxy.spoilt.total()
    assert spoilt > 0


@pytest.mark.parametrize("lost", ["the first of three sides, another being promoted", "the last of three sides"])
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds_though_a_side_has_disappeared_for_good(
    check: Callable[[Backend], None], lost: str, emulator: str, tmp_path: Path
) -> None:
    """Degraded, since a deletion needs all sides."""
    one, other = (LocalBackend(tmp_path / name) for name in "ab")
    with spoilt_bucket(emulator, BUCKET, patience=RESIGNED) as (bucket, proxy):
        is_first = lost.startswith("the first")
        mirror = founded(*((bucket, one, other) if is_first else (one, other, bucket)), degraded=True)
        proxy.vanish()
        if is_first:
            promote(mirror, Promotion("b", ADA, "a has disappeared", SteppingClock()))
        check(mirror.metadata)
