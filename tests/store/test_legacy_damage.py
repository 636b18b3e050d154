"""A damaged store of the first datamon: what is damaged is told and left out, everything else comes, nothing comes wrong."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Conflict, Unavailable
from datamon.store.backend.foreign import Foreign, Version
from datamon.store.backend.memory import MemoryBackend
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.ids import BundleId
from datamon.store.legacy.importing import ImportRequest, import_legacy
from datamon.store.legacy.sources import LegacyStore
from datamon.store.manifest import write_manifest
from datamon.store.opening import Store, memory_store, store_on
from datamon.store.put_tree import TreeSource, put_tree
from datamon.store.repos import create_repo, find_repo, list_repos
from datamon.store.resolve import resolve
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.faults import WRITES, Fault, FaultyBackend, Killed
from datamon.store.testing.legacy_imports import bundles_of, files_of, ksuid, moment, opened, taken
from datamon.store.testing.legacy_writer import LegacyWriter, in_directories

LEAF = 64
TREES: Mapping[int, Mapping[str | bytes, bytes]] = {
    1: {"a": random_bytes("a", 150), "d/b": b"five!", "empty": b""},
    2: {"a": random_bytes("a", 150), "d/b": b"other", "c": random_bytes("c", 64), "e": random_bytes("e", 64)},
    3: {"last": b"x"},
}
"""The bundles of the small store, by the number of their ids."""


def small_store(root: Path) -> LegacyWriter:
    writer = LegacyWriter(in_directories(root), leaf_bytes=LEAF)
    writer.repo("orders", "Orders")
    for number, files in TREES.items():
        writer.bundle("orders", ksuid(number), files, time=moment(number), message=f"number {number}")
    writer.label("orders", "v1", ksuid(1), moment(4))
    return writer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    small_store(tmp_path / "old")
    return tmp_path / "old"


def came(store: Store) -> dict[str, dict[str, bytes]]:
    """By id the files of every bundle that came."""
    return {bundle.id: files_of(store, bundle) for bundle in bundles_of(store, "orders")}


@contextmanager
def flipped(path: Path, at: int, by: int) -> Iterator[None]:
    content = path.read_bytes()
    path.write_bytes(content[:at] + bytes([content[at] ^ by]) + content[at + 1 :])
    try:
        yield
    finally:
        path.write_bytes(content)


def blob(root: Path, content: bytes) -> Path:
    """The leaf that holds these bytes."""
    [found] = [path for path in (root / "blob").iterdir() if path.read_bytes() == content]
    return found


def test_a_damaged_leaf_leaves_the_bundles_out_that_have_it_and_names_their_files(root: Path, store: Store) -> None:
    leaf = blob(root, random_bytes("a", 150)[64:128])
    with flipped(leaf, 5, 1):
        found, tally = taken(store, opened(root))

    assert [(f.code, f.repo, f.bundle, f.path, f.key, f.is_damage) for f in found[:2]] == [
        ("bad-bytes", "orders", ksuid(number), "a", leaf.name, True) for number in (1, 2)
    ]
    assert [(f.code, f.bundle, f.key) for f in found[2:]] == [("move-left", ksuid(1), "labels/orders/v1/label.yaml")]
    assert came(store) == {ksuid(3): TREES[3]}
    assert (tally.bundles, tally.left_out) == (1, 2)


def test_what_was_damaged_comes_when_it_is_mended(root: Path, store: Store) -> None:
    with flipped(blob(root, b"other"), 0, 1):
        taken(store, opened(root))
    assert list(came(store)) == [ksuid(1), ksuid(3)]

    found, tally = taken(store, opened(root))

    assert found == []
    assert (tally.bundles, tally.here) == (1, 2)
    assert came(store) == {ksuid(number): files for number, files in TREES.items()}
    assert bundles_of(store, "orders")[2].parents == (ksuid(1),)
    assert resolve(store, "orders").bundle.id == ksuid(3)


@pytest.mark.parametrize("damage", ["gone", "short", "long"])
def test_a_root_or_a_leaf_that_is_missing_or_of_another_length_is_told(root: Path, damage: str) -> None:
    for path in sorted((root / "blob").iterdir()):
        content = path.read_bytes()
        path.write_bytes(content[:-1] if damage == "short" else content + b"x")
        if damage == "gone":
            path.unlink()
        store = memory_store()
        found, tally = taken(store, opened(root))
        path.write_bytes(content)
        codes = {finding.code for finding in found}
        assert codes <= {"missing-bytes", "move-left"} if damage == "gone" else codes <= {"bad-bytes", "move-left"}
        assert tally.left_out > 0
        assert tally.left_out + tally.bundles == 3
        assert all(files in TREES.values() for files in came(store).values())


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("bundle-files-0.yaml", None, "missing-bytes"),
        ("bundle-files-0.yaml", b"BundleEntries: [", "bad-record"),
        ("bundle-files-0.yaml", b"- a\n- b\n", "bad-record"),
        ("bundle-files-0.yaml", b"BundleEntries:\n- name: a\n  size: 1\n", "bad-record"),
        ("bundle-files-1.yaml", b"BundleEntries: []\n", "bad-record"),
        ("bundle.yaml", b"", "bad-record"),
        ("bundle.yaml", b"\xff\xfe\x00", "bad-record"),
        ("bundle.yaml", b"&a [*a]", "bad-record"),
        ("bundle.yaml", b"[" * 5_000, "bad-record"),
    ],
)
def test_a_bundle_whose_records_are_damaged_is_told_and_the_others_come(
    root: Path, store: Store, name: str, content: bytes | None, code: str
) -> None:
    path = root / "metadata" / "bundles" / "orders" / ksuid(2) / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)

    found, tally = taken(store, opened(root))

    assert [(finding.code, finding.bundle, finding.is_damage) for finding in found] == [(code, ksuid(2), True)]
    key = "bundle.yaml" if name == "bundle-files-1.yaml" else name  # the record counts one list
    assert found[0].key == f"bundles/orders/{ksuid(2)}/{key}"
    assert came(store) == {ksuid(number): TREES[number] for number in (1, 3)}
    assert (tally.bundles, tally.left_out) == (2, 1)


@pytest.mark.parametrize(
    "field", ["count: 9999999999999999999", "leafSize: 0", "leafSize: 99999999999", "version: 3", "id: x"]
)
def test_numbers_that_cannot_be_are_damage(root: Path, store: Store, field: str) -> None:
    path = root / "metadata" / "bundles" / "orders" / ksuid(2) / "bundle.yaml"
    kept = [line for line in path.read_text().splitlines() if line.partition(":")[0] != field.partition(":")[0]]
    path.write_text("\n".join([*kept, field]) + "\n")

    found, _ = taken(store, opened(root))

    assert [finding.bundle for finding in found] == [ksuid(2)]
    assert list(came(store)) == [ksuid(1), ksuid(3)]


def test_a_bundle_that_is_here_with_other_content_is_told(root: Path, store: Store) -> None:
    taken(store, opened(root))
    path = root / "metadata" / "bundles" / "orders" / ksuid(2) / "bundle-files-0.yaml"
    path.write_text(path.read_text().replace('name: "c"', 'name: "z"'))

    found, tally = taken(store, opened(root))

    assert [(finding.code, finding.bundle, finding.is_damage) for finding in found] == [
        ("bundle-differs", ksuid(2), True)
    ]
    assert (tally.bundles, tally.here, tally.left_out) == (0, 2, 1)
    assert came(store)[ksuid(2)] == TREES[2]


@pytest.mark.parametrize("content", [b"x", b"y"])
def test_a_bundle_that_came_another_way_is_compared_by_content(
    root: Path, store: Store, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "last").write_bytes(content)
    (tmp_path / "tree" / "last").chmod(0o644)
    tree = put_tree(store, TreeSource(tmp_path / "tree"))
    repo = create_repo(store, "orders", "made here")
    commit_bundle(store, repo, CommitRequest(tree.manifest, "from elsewhere", tree.session, id=BundleId(ksuid(3))))

    found, tally = taken(store, opened(root))

    differs = content != TREES[3]["last"]
    assert [(finding.code, finding.bundle) for finding in found] == [("bundle-differs", ksuid(3))] * differs
    assert (tally.bundles, tally.here, tally.left_out) == (2, 1 - differs, differs)
    assert bundles_of(store, "orders")[0].message == "from elsewhere"


def test_an_id_that_is_taken_is_refused(store: Store) -> None:
    repo = create_repo(store, "orders", "made here")
    request = CommitRequest(write_manifest(store.metadata, []), "one", None, id=BundleId(ksuid(1)))
    commit_bundle(store, repo, request)

    with pytest.raises(Conflict) as error:
        commit_bundle(store, repo, request)
    assert error.value.code == "bundle-exists"


def test_a_bundle_that_was_deleted_here_stays_deleted(root: Path, store: Store) -> None:
    taken(store, opened(root))
    repo = find_repo(store, "orders")
    delete_bundles(store, repo, DeleteRequest((bundles_of(store, "orders")[1].id,)))

    found, _ = taken(store, opened(root))

    assert [(finding.code, finding.severity, finding.bundle) for finding in found] == [
        ("bundle-deleted", "notice", ksuid(2))
    ]


class Counted:
    """A foreign place that notes what is read of it, and fails at one name."""

    def __init__(self, place: Foreign, fails: str = "") -> None:
        self._place = place
        self._fails = fails
        self.read_names: list[str] = []
        self.url = place.url
        self.is_far = True
        self.check = place.check
        self.names = place.names

    def versions(self, prefix: str) -> Iterator[Version]:
        return self._place.versions(prefix)

    def read(self, name: str, number: int | None = None) -> bytes:
        self.read_names.append(name)
        if name == self._fails:
            raise Unavailable("backend-unavailable", "the old store does not answer; try again later")
        return self._place.read(name, number)


def test_content_that_came_before_is_not_read_again(root: Path, store: Store) -> None:
    old = opened(root)
    blobs = Counted(old.blob)
    taken(store, LegacyStore(old.metadata, old.vmetadata, blobs))
    assert len(blobs.read_names) == len(set(blobs.read_names)) == len(list((root / "blob").iterdir()))

    again = Counted(old.blob)
    found, tally = taken(store, LegacyStore(old.metadata, old.vmetadata, again))
    assert (found, tally.here, again.read_names) == ([], 3, [])


def test_an_old_store_that_stops_answering_stops_the_import_and_the_next_reads_only_what_is_missing(
    root: Path, store: Store
) -> None:
    old = opened(root)
    fails = blob(root, b"other").name
    with pytest.raises(Unavailable):
        taken(store, LegacyStore(old.metadata, old.vmetadata, Counted(old.blob, fails)))
    assert list(came(store)) == [ksuid(1)]

    blobs = Counted(old.blob)
    assert taken(store, LegacyStore(old.metadata, old.vmetadata, blobs))[0] == []
    assert came(store) == {ksuid(number): files for number, files in TREES.items()}
    assert {path.name for path in (root / "blob").iterdir() if path.read_bytes() == b"five!"}.isdisjoint(
        blobs.read_names
    )
    assert blob(root, random_bytes("a", 150)[:64]).name not in blobs.read_names


def test_what_a_collector_takes_away_between_two_bundles_is_read_again(root: Path, store: Store) -> None:
    with flipped(blob(root, b"five!"), 0, 1):
        findings = import_legacy(store, opened(root), ImportRequest())
        assert next(findings).bundle == ksuid(1)
        assert collect(store, GcRequest(grace_ns=0)).swept.packs > 0
        assert [finding.code for finding in findings] == ["move-left"]
    assert came(store) == {ksuid(number): TREES[number] for number in (2, 3)}


def check_flip(root: Path, path: Path, at: int, by: int) -> None:
    """One flipped byte: nothing comes wrong, and where contents or hashes were hit it is told."""
    store = memory_store()
    with flipped(path, at, by):
        found, _ = taken(store, opened(root))
    told = any(finding.is_damage for finding in found)
    repos = [repo.name for repo in list_repos(store)]
    for repo in repos:
        for bundle in bundles_of(store, repo):
            files = files_of(store, bundle)
            meant = next((TREES[number] for number in TREES if ksuid(number) == bundle.id), {})
            assert len(files) == len(meant) or told
            for name, content in files.items():
                assert content == meant.get(name, content)
                assert content in meant.values()
    if path.parent.name == "blob":
        assert told


@settings(max_examples=150)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 255))
def test_a_flipped_byte_anywhere_is_told_or_does_no_harm(
    tmp_path_factory: pytest.TempPathFactory, file: int, at: int, by: int
) -> None:
    root = tmp_path_factory.getbasetemp() / "old-to-flip"
    if not root.exists():
        small_store(root)
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    path = paths[file % len(paths)]
    if path.stat().st_size:
        check_flip(root, path, at % path.stat().st_size, by)


@pytest.mark.slow
@pytest.mark.parametrize("by", [0x01, 0x0E, 0x20])
@pytest.mark.parametrize("place", ["metadata", "vmetadata", "blob"])
def test_every_flipped_byte_is_told_or_does_no_harm(root: Path, place: str, by: int) -> None:
    for path in sorted(path for path in (root / place).rglob("*") if path.is_file()):
        for at in range(path.stat().st_size):
            check_flip(root, path, at, by)


def test_a_byte_that_makes_two_files_of_a_list_one_is_damage(root: Path, store: Store) -> None:
    path = root / "metadata" / "bundles" / "orders" / ksuid(2) / "bundle-files-0.yaml"
    content = path.read_text()
    path.write_text(content.replace("- hash", "# hash").replace("# hash", "- hash", 3))

    found, _ = taken(store, opened(root))

    assert [(finding.code, finding.bundle) for finding in found] == [("bad-record", ksuid(2))]


def test_an_import_that_is_killed_at_any_write_goes_on_to_the_same_end(root: Path) -> None:
    whole = memory_store()
    taken(whole, opened(root))
    number = 0
    while True:
        number += 1
        inner = MemoryBackend()
        faulty = FaultyBackend(inner, Fault(number, "killed-before" if number % 2 else "killed-after"), methods=WRITES)
        try:
            taken(store_on(faulty, faulty, whole.author), opened(root))
        except Killed:
            pass
        else:
            break
        store = store_on(inner, inner, whole.author)
        assert taken(store, opened(root))[0] == []
        assert came(store) == came(whole)
        assert [b.id for b in bundles_of(store, "orders")] == [b.id for b in bundles_of(whole, "orders")]
        assert [b.parents for b in bundles_of(store, "orders")] == [b.parents for b in bundles_of(whole, "orders")]
        for name in ("orders", "orders@v1"):
            assert resolve(store, name).bundle.id == resolve(whole, name).bundle.id
    assert number > 10
