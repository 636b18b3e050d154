"""A bundle goes to another store whole, once, and without what is there."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datamon.errors import Conflict, Corrupt, Invalid, NotFound
from datamon.store import layout
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author, Bundle, CopiedFrom, Repo
from datamon.store.download import download
from datamon.store.hashing import Hashing
from datamon.store.manifest import read_manifest
from datamon.store.opening import Places, Store, memory_store, open_store, store_on
from datamon.store.progress import SILENT
from datamon.store.promote import chunks
from datamon.store.promote.promote import Promoted, PromoteRequest, promote
from datamon.store.promote.recut import recut_tree
from datamon.store.refs import find_ref, set_label
from datamon.store.repos import create_repo, list_repos
from datamon.store.retention.delete_path import delete_paths
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.counting import CountingBackend
from datamon.store.testing.small_packs import Place
from datamon.store.testing.trees import make_odd_tree, snapshot, upload_tree, write_files

BOB = Author("Bob", "bob@example.org")


def place(root: Path) -> Place:
    root.mkdir(exist_ok=True)
    return Place(MemoryBackend(), MemoryBackend(), SteppingClock(), root)


def raw(store: Store) -> Repo:
    """The repo `raw`, made if absent."""
    known = {repo.name: repo for repo in list_repos(store)}
    return known.get("raw") or create_repo(store, "raw", "d")


def send(source: Store, target: Store, bundle: Bundle, label: str | None = None) -> Promoted:
    """The bundle, which lies in `raw`, is promoted to `raw`."""
    return promote(source, target, raw(target), PromoteRequest(raw(source), bundle, label=label))


def check_whole(target: Place, bundle: Bundle, tree: Path, copy: Path) -> None:
    """The bundle is the tree, byte for byte, as another process sees it."""
    download(target.process(), bundle, copy)
    assert snapshot(copy) == snapshot(tree)


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """The store from which things are promoted."""
    return place(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Place:
    """The store to which they are promoted."""
    return place(tmp_path / "there")


@pytest.mark.parametrize(("start", "end"), [("disk", "disk"), ("disk", "bucket"), ("bucket", "disk")])
def test_a_tree_of_everything_arrives_as_it_was(start: str, end: str, bucket: str, tmp_path: Path) -> None:
    def opened(where: str, name: str) -> Store:
        root = f"gs://{bucket}/{tmp_path.name}-{name}" if where == "bucket" else str(tmp_path / name)
        return open_store(Places(f"{root}/m", f"{root}/b"), BOB)

    tree = make_odd_tree(tmp_path / "odd")
    source, target = opened(start, "source"), opened(end, "target")
    bundle = upload_tree(source, tree)
    made = send(source, target, bundle, "live")
    download(opened(end, "target"), made.bundle, tmp_path / "copy")
    assert snapshot(tmp_path / "copy") == snapshot(tree)
    assert (made.made, made.bundle.manifest, made.bundle.content) == (True, bundle.manifest, bundle.content)
    assert find_ref(target, raw(target), "live", "label").bundle == made.bundle.id
    assert find_ref(target, raw(target), "main", "branch").bundle == made.bundle.id


def test_the_copy_says_what_it_is_a_copy_of_and_keeps_saying_it(here: Place, there: Place, tmp_path: Path) -> None:
    first = here.upload("ab")
    source = here.process()
    second = send(source, there.process(), first).bundle
    last = place(tmp_path / "last")
    third = send(there.process(), last.process(), second).bundle
    nearest, furthest = third.copied_from
    repo = raw(source)
    assert furthest == CopiedFrom(source.id, repo.id, "raw", first.id, first.author, first.time_ns, None)
    assert (nearest.store, nearest.bundle) == (there.process().id, second.id)
    assert second.copied_from == (furthest,)
    assert third.id not in (first.id, second.id)
    assert third.message == first.message
    target = last.process()
    assert target.logs.repo(raw(target).id).bundles[third.id] == third
    entry = delete_paths(target, raw(target), ["f.a"], reason="r")
    assert entry is not None
    [made] = [b for b in target.logs.repo(raw(target).id).bundles.values() if b.id != third.id]
    assert made.copied_from == third.copied_from


def test_the_log_of_who_promotes_nothing_has_no_word_of_it(here: Place) -> None:
    bundle = here.upload("a")
    assert "from" not in bundle.to_record()


@dataclass(frozen=True)
class Counted:
    """A store of which every request is counted."""

    store: Store
    metadata: CountingBackend
    blob: CountingBackend

    @property
    def put_bytes(self) -> int:
        return self.metadata.put_bytes + self.blob.put_bytes

    @property
    def got_bytes(self) -> int:
        return self.metadata.got_bytes + self.blob.got_bytes


def counted(where: Place) -> Counted:
    metadata, blob = CountingBackend(where.metadata), CountingBackend(where.blob)
    return Counted(store_on(metadata, blob, BOB, clock=where.clock), metadata, blob)


def test_what_is_there_is_not_sent_and_hardly_looked_at(here: Place, there: Place, tmp_path: Path) -> None:
    tree = write_files(tmp_path / "tree", {f"d{n % 40:02}/{n:05}": f"{n}" for n in range(20_000)})
    (tree / "large").write_bytes(random_bytes("large", 3_000_000))
    first = upload_tree(here.process(), tree)
    first_cost = counted(there)
    send(here.process(), first_cost.store, first)
    write_files(tree, {f"d{n % 40:02}/{n:05}": f"changed {n}" for n in range(0, 400, 40)})
    grown = random_bytes("large", 3_000_000)
    (tree / "large").write_bytes(grown[:1_000_000] + b"more" + grown[1_000_000:])
    second = upload_tree(here.process(), tree)
    source, target = counted(here), counted(there)
    made = send(source.store, target.store, second)
    check_whole(there, made.bundle, tree, tmp_path / "copy")
    assert target.put_bytes < 0.35 * first_cost.put_bytes  # the segments that hold what changed, a few chunks
    assert target.blob.put_bytes < 600_000
    assert target.blob.calls["put"] == 2  # a pack, a segment of the chunk index
    assert source.got_bytes < 0.5 * first_cost.put_bytes


def test_the_same_again_makes_nothing_but_sets_the_label(here: Place, there: Place) -> None:
    bundle = here.upload("abL")
    first = send(here.process(), there.process(), bundle)
    target = counted(there)
    again = send(here.process(), target.store, bundle, "live")
    assert (again.made, again.bundle) == (False, first.bundle)
    assert find_ref(there.process(), raw(there.process()), "live", "label").bundle == first.bundle.id
    assert target.blob.calls == {"get": 1}
    assert send(here.process(), there.process(), here.upload("a")).made
    assert send(here.process(), there.process(), bundle).made  # the head is another now: it is brought back


def test_inside_one_store_nothing_but_the_manifest_is_asked_for(here: Place) -> None:
    bundle = here.upload("abL")
    store = counted(here)
    copy = create_repo(store.store, "copy", "")
    made = promote(store.store, store.store, copy, PromoteRequest(raw(store.store), bundle))
    assert (made.made, made.bundle.repo, store.blob.put_bytes) == (True, copy.id, 0)


def test_what_cannot_be_is_refused_before_anything_is_sent(here: Place, there: Place) -> None:
    bundle = here.upload("ab")
    first = send(here.process(), there.process(), bundle)
    other = here.upload("b")
    set_label(there.process(), raw(there.process()), "live", first.bundle.id, frozen=True)
    target = counted(there)
    with pytest.raises(Conflict) as frozen:
        send(here.process(), target.store, other, "live")
    assert frozen.value.code == "ref-frozen"
    with pytest.raises(Invalid) as taken:
        send(here.process(), target.store, other, "main")
    assert taken.value.code == "bad-name"
    assert target.put_bytes == 0


@pytest.mark.parametrize("bound", ["SORTED_BYTES", "SORTED_CHUNKS"])
def test_chunks_go_in_small_windows_as_they_go_in_large(
    bound: str, here: Place, there: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, bound, 3)
    bundle = here.upload("abcdLM")
    made = send(here.process(), there.process(), bundle)
    check_whole(there, made.bundle, here.tree("abcdLM"), tmp_path / "copy")


LETTERS = st.text("abcdL", min_size=1, max_size=5).map(lambda text: "".join(sorted(set(text))))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(LETTERS, st.booleans()), min_size=1, max_size=4))
def test_whatever_came_before_the_head_is_what_was_promoted(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, bool]]
) -> None:
    root = tmp_path_factory.mktemp("steps")
    here, there = place(root / "here"), place(root / "there")
    for number, (letters, cut_anew) in enumerate(steps):
        bundle = here.upload(letters)
        source, target = here.process(), there.process()
        made = send(source, target, bundle).bundle
        check_whole(there, made, here.tree(letters), root / f"copy{number}")
        if cut_anew:
            manifest = read_manifest(source.metadata, bundle.manifest)
            tree = recut_tree(source, there.process(), manifest, frozenset(), SILENT)
            assert (tree.manifest.id, tree.session) == (bundle.manifest, None)


OTHER_NAMES = Hashing(bytes(range(32)))


def test_a_store_that_names_bytes_otherwise_gets_them_cut_anew(tmp_path: Path) -> None:
    tree = make_odd_tree(tmp_path / "odd")
    source, target = memory_store(), memory_store(BOB)
    target.hashing = OTHER_NAMES
    bundle = upload_tree(source, tree)
    made = send(source, target, bundle)
    download(target, made.bundle, tmp_path / "copy")
    assert snapshot(tmp_path / "copy") == snapshot(tree)
    assert made.made
    assert made.bundle.content != bundle.content
    again = send(source, target, bundle, "live")
    assert (again.made, again.bundle) == (False, made.bundle)
    assert find_ref(target, raw(target), "live", "label").bundle == made.bundle.id


@pytest.mark.parametrize("recut", [False, True])
@pytest.mark.parametrize("letters", ["ab", "abL"])
def test_a_damaged_chunk_is_an_error_that_names_the_bundle_and_nothing_is_made(
    letters: str, recut: bool, here: Place, there: Place
) -> None:
    bundle = here.upload(letters)
    key = max(here.blob.list(layout.PACKS), key=lambda stored: stored.size_bytes).key
    content = bytearray(here.blob.get(key))
    content[100] ^= 1
    here.blob.put(key, bytes(content))
    target = there.process()
    if recut:
        target.hashing = OTHER_NAMES
    with pytest.raises(Corrupt, match=f"the bundle {bundle.id} cannot be promoted") as wrong:
        send(here.process(), target, bundle)
    assert wrong.value.bundle == bundle.id
    assert not there.process().logs.repo(raw(there.process()).id).bundles


def test_a_head_that_cannot_be_read_is_not_relied_on(here: Place, there: Place, tmp_path: Path) -> None:
    head = send(here.process(), there.process(), here.upload("abL")).bundle
    there.metadata.delete(layout.manifest(head.manifest))
    made = send(here.process(), there.process(), here.upload("abcL"))
    check_whole(there, made.bundle, here.tree("abcL"), tmp_path / "copy")


def test_a_missing_repo_or_a_bundle_that_is_deleted_meanwhile_is_told(here: Place, there: Place) -> None:
    bundle = here.upload("ab")
    here.delete(bundle)
    source = here.process()
    for stored in list(here.blob.list(layout.PACKS)):
        here.blob.delete(stored.key)
    with pytest.raises(NotFound, match=f"the bundle {bundle.id} of 'raw' was deleted") as gone:
        send(source, there.process(), bundle)
    assert gone.value.code == "bundle-not-found"
