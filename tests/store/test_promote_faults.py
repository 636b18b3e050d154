"""Promotions that are cut short, or beside which others delete and collect: whole in the end, or not there at all."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from datamon.errors import Conflict, DatamonError, NotFound
from datamon.store import layout
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Bundle, Repo
from datamon.store.check.check import check
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.manifest import read_manifest
from datamon.store.named import put_named
from datamon.store.opening import Store
from datamon.store.promote.promote import Promoted, PromoteRequest, promote
from datamon.store.repos import create_repo, list_repos
from datamon.store.retention.delete_repo import delete_repo
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.counting import CountingBackend
from datamon.store.testing.faults import WRITES, Fault, FaultKind, FaultyBackend, Killed
from datamon.store.testing.small_packs import Place
from datamon.store.tombstones import live_bundles
from datamon.store.upload import ATTEMPTS

EVERYTHING = GcRequest(grace_ns=0, sparse_below=1.0)
KINDS: tuple[FaultKind, ...] = ("before", "after", "full", "killed-before", "killed-after")


def place(root: Path) -> Place:
    root.mkdir(exist_ok=True)
    return Place(MemoryBackend(), MemoryBackend(), SteppingClock(), root)


def raw(store: Store) -> Repo:
    """The repo `raw`, made if absent."""
    known = {repo.name: repo for repo in list_repos(store)}
    return known.get("raw") or create_repo(store, "raw", "d")


class During:
    """Does something at a moment of a promotion, the first `times` times: when it begins, when all chunks of a few segments have
    been looked for, and at its end, before the commit."""

    def __init__(self, moment: str, then: Callable[[], object], times: int = 1) -> None:
        self._moment = moment
        self._then = then
        self.left = times

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
        self._come("begin")

    def advance(self, files: int, size_bytes: int) -> None:
        """Of the segments that were looked through the entries are told, of chunks the bytes."""
        if files and not size_bytes:
            self._come("looked")

    def end(self) -> None:
        self._come("end")

    def _come(self, moment: str) -> None:
        if moment == self._moment and self.left:
            self.left -= 1
            self._then()


def send(source: Store, target: Store, bundle: Bundle, during: During | None = None) -> Promoted:
    """The bundle is promoted from `raw` to `raw`."""
    request = PromoteRequest(raw(source), bundle)
    progress = during or During("", lambda: None)
    return promote(source, target, raw(target), request, progress=progress)


def live(where: Place) -> list[Bundle]:
    store = where.process()
    return live_bundles(store.logs.repo(raw(store).id))


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """The store from which things are promoted."""
    return place(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Place:
    """The store to which they are promoted, with a bundle of its own."""
    made = place(tmp_path / "there")
    made.upload("ax")
    return made


def check_whole(target: Place, bundle: Bundle, here: Place, letters: str) -> None:
    """The bundle holds the letters' files, and nothing in its store is damaged or missing."""
    here.verify(bundle, letters, target.process())
    assert [finding for finding in check(target.process()) if finding.is_damage] == []


@pytest.mark.parametrize("side", ["metadata", "blob"])
@pytest.mark.parametrize("kind", KINDS)
def test_wherever_it_is_cut_short_it_is_there_as_a_whole_or_not_at_all(
    side: str, kind: FaultKind, here: Place, there: Place
) -> None:
    bundle = here.upload("abL")
    number = 0
    while True:
        number += 1
        target = there.copy()
        faulty = FaultyBackend(getattr(target, side), Fault(number, kind), methods=WRITES)
        done = None
        with suppress(DatamonError, Killed):
            done = send(here.process(), target.process(**{side: faulty}), bundle)
        for made in live(target)[1:]:
            check_whole(target, made, here, "abL")
        if done is not None:
            assert [b.id for b in live(target)][1:] == [done.bundle.id]
        if len(faulty.calls) < number:
            break  # there is no such call
        again = send(here.process(), target.process(), bundle)
        check_whole(target, again.bundle, here, "abL")
        assert len(live(target)) == 2
    assert number > 3


def test_a_second_attempt_sends_only_what_is_missing(here: Place, there: Place) -> None:
    bundle = here.upload("abcdefghL")
    whole = there.copy()
    blob = CountingBackend(whole.blob)
    send(here.process(), whole.process(blob=blob), bundle)
    faulty = FaultyBackend(there.metadata, Fault(2, "before"), methods=WRITES)  # behind the packs
    with pytest.raises(DatamonError):
        send(here.process(), there.process(metadata=faulty), bundle)
    resumed = CountingBackend(there.blob)
    made = send(here.process(), there.process(blob=resumed), bundle)
    check_whole(there, made.bundle, here, "abcdefghL")
    assert blob.put_bytes > 600_000
    assert resumed.put_bytes == 0


def test_a_collection_between_the_chunks_and_the_commit_costs_another_attempt(here: Place, there: Place) -> None:
    bundle = here.upload("abL")
    during = During("end", lambda: collect(there.process(), EVERYTHING), times=2)
    made = send(here.process(), there.process(), bundle, during)
    assert during.left == 0
    check_whole(there, made.bundle, here, "abL")


@pytest.mark.parametrize("moment", ["begin", "looked", "end"])
def test_what_it_relied_on_in_the_target_is_deleted_and_collected_before_the_commit(
    moment: str, here: Place, there: Place
) -> None:
    """The head, of which the new tree shares all but one segment's rows, and an older bundle that holds a chunk of it."""
    send(here.process(), there.process(), here.upload("abcL"))
    there.upload("a")
    send(here.process(), there.process(), here.upload("abL"))
    bundle = here.upload("abcdL")

    def vanish() -> None:
        there.delete(*live(there))
        collect(there.process(), EVERYTHING)

    made = send(here.process(), there.process(), bundle, During(moment, vanish))
    assert [b.id for b in live(there)] == [made.bundle.id]
    check_whole(there, made.bundle, here, "abcdL")


@pytest.mark.parametrize("moment", ["begin", "end"])
def test_the_head_whose_segments_it_shares_is_deleted_and_collected_before_the_commit(
    moment: str, here: Place, there: Place
) -> None:
    """Nothing of a segment that the head has was looked at, so only the head's life keeps its chunks. An upload that was given
    up has put the segment again, but none of its chunks are there any more."""
    letters = "abL"
    head = send(here.process(), there.process(), here.upload(letters)).bundle
    for file in here.tree(letters).iterdir():
        file.chmod(0o600)  # the segment of entries is the same, that of modes is not
    bundle = here.upload(letters)
    assert (bundle.content, bundle.manifest != head.manifest) == (head.content, True)

    def vanish() -> None:
        manifest = read_manifest(there.metadata, head.manifest)
        segment = layout.segment(manifest.segments[0].id)
        content = there.metadata.get(segment)
        there.delete(*live(there))
        collect(there.process(), EVERYTHING)
        put_named(there.metadata, segment, lambda: content, there.process().logs.store().condemned)

    during = During(moment, vanish)
    made = send(here.process(), there.process(), bundle, during)
    assert (during.left, [b.id for b in live(there)]) == (0, [made.bundle.id])
    check_whole(there, made.bundle, here, letters)
    collect(there.process(), EVERYTHING)
    check_whole(there, made.bundle, here, letters)


@pytest.mark.parametrize("moment", ["begin", "looked", "end"])
def test_a_chunk_of_another_repo_on_which_it_relied_is_collected_before_the_commit(
    moment: str, here: Place, there: Place
) -> None:
    other = there.upload("bL", "other")
    bundle = here.upload("aL")

    def vanish() -> None:
        there.delete(other)
        collect(there.process(), EVERYTHING)

    during = During(moment, vanish)
    made = send(here.process(), there.process(), bundle, during)
    assert (during.left, len(live(there))) == (0, 2)
    check_whole(there, made.bundle, here, "aL")


def test_what_is_collected_each_time_is_an_error_in_the_end(here: Place, there: Place) -> None:
    bundle = here.upload("abL")
    during = During("end", lambda: collect(there.process(), EVERYTHING), times=ATTEMPTS)
    with pytest.raises(Conflict) as caught:
        send(here.process(), there.process(), bundle, during)
    assert caught.value.code in ("condemned", "session-fenced")
    assert (during.left, len(live(there))) == (0, 1)


def test_a_source_that_is_packed_anew_meanwhile_is_read_where_its_bytes_are_now(here: Place, there: Place) -> None:
    other = here.upload("abcdefghL")
    bundle = here.upload("aceg")
    here.delete(other)
    before = here.packs()
    during = During("begin", lambda: collect(here.process(), EVERYTHING))
    made = send(here.process(), there.process(), bundle, during)
    assert not before & here.packs()
    check_whole(there, made.bundle, here, "aceg")


def test_a_bundle_that_is_deleted_and_collected_meanwhile_is_told_of_and_not_made(here: Place, there: Place) -> None:
    bundle = here.upload("abL")

    def vanish() -> None:
        here.delete(bundle)
        collect(here.process(), EVERYTHING)

    with pytest.raises(NotFound, match=f"the bundle {bundle.id} of 'raw' was deleted"):
        send(here.process(), there.process(), bundle, During("begin", vanish))
    assert len(live(there)) == 1


def test_a_repo_that_is_deleted_and_collected_meanwhile_is_told_of(here: Place, there: Place) -> None:
    bundle = here.upload("abL")

    def vanish() -> None:
        delete_repo(here.process(), raw(here.process()))
        collect(here.process(), EVERYTHING)

    with pytest.raises(NotFound, match="the repo 'raw' was deleted"):
        send(here.process(), there.process(), bundle, During("begin", vanish))


def test_two_who_promote_the_same_at_once_both_succeed(here: Place, there: Place) -> None:
    bundle = here.upload("abL")
    inner: list[Promoted] = []
    during = During("end", lambda: inner.append(send(here.process(), there.process(), bundle)))
    outer = send(here.process(), there.process(), bundle, during)
    assert (inner[0].made, outer.made, outer.bundle) == (True, False, inner[0].bundle)
    check_whole(there, outer.bundle, here, "abL")
