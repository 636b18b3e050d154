"""The stat cache spares reading what cannot have changed, and whatever is wrong with it costs time and nothing else."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.store.codec import Record, decode, encode
from datamon.store.manifest import read_manifest
from datamon.store.opening import Store, memory_store, store_on
from datamon.store.put_tree import TreeSource, put_tree
from datamon.store.repos import create_repo
from datamon.store.seal import seal, unseal
from datamon.store.stat_cache import FOLDER, MOST_TREES
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.faults import FaultyBackend
from datamon.store.testing.file_clock import next_tick
from datamon.store.testing.stat_caches import Reading, on_disk, put
from datamon.store.testing.trees import make_odd_tree, write_files
from datamon.store.upload import UploadRequest, upload

no_guard = pytest.mark.usefixtures("_no_guard")


def cache_file(store: Store) -> Path:
    """The one file of the cache."""
    assert store.state_dir is not None
    [path] = (store.state_dir / FOLDER).iterdir()
    return path


def forge(path: Path, change: Callable[[Record], None]) -> None:
    """The cache says something else in its header, as one that was written elsewhere or otherwise would."""
    header, _, body = unseal(path.read_bytes(), "").partition(b"\n")
    record = decode(header, "")
    change(record)
    path.write_bytes(seal(encode(record) + b"\n" + body))


@no_guard
def test_an_unchanged_tree_is_not_read_and_costs_three_requests_at_most(tmp_path: Path, root: Path) -> None:
    make_odd_tree(root / "odd")
    write_files(root, {f"d{number % 40}/{number}": str(number) for number in range(3_000)})
    plain = memory_store()
    create_repo(plain, "raw", "")
    put(on_disk(plain, tmp_path / "state"), root)
    metadata, blob = FaultyBackend(plain.metadata), FaultyBackend(plain.blob)
    counted = on_disk(store_on(metadata, blob, plain.author), tmp_path / "state")
    metadata.calls.clear()
    blob.calls.clear()
    again = put_tree(counted, TreeSource(root))
    assert len(metadata.calls) + len(blob.calls) <= 3
    assert again.session is None
    assert again.manifest == put_tree(plain, TreeSource(root, "none")).manifest


@no_guard
def test_an_upload_of_an_unchanged_tree_is_a_bundle_like_any_other(kept: Store, root: Path) -> None:
    create_repo(kept, "raw", "")
    write_files(root, {"a": "x", "d/b": "y"})
    next_tick(root)
    first = upload(kept, UploadRequest("raw", root, "first"))
    second = upload(kept, UploadRequest("raw", root, "second"))
    assert (second.parents, second.manifest, second.entries) == ((first.id,), first.manifest, 3)


@no_guard
def test_only_what_changed_is_read(kept: Store, root: Path) -> None:
    write_files(root, {f"d{number % 7}/{number}": str(number) for number in range(100)})
    (root / "long").write_bytes(random_bytes("long", 300_000))
    (root / "link").symlink_to("long")
    assert put(kept, root)[0] == 101
    write_files(root, {"d3/3": "new", "d3/new": "new", "e/f": "new"})
    (root / "d4" / "4").unlink()
    (root / "link").unlink()
    (root / "link").symlink_to("d3")
    (root / "d5" / "5").chmod(0o755)
    assert put(kept, root)[0] == 4
    assert put(kept, root)[0] == 0


@no_guard
def test_a_tree_that_was_touched_only_in_its_directories_is_a_new_manifest_without_reading(
    kept: Store, root: Path
) -> None:
    write_files(root, {"a": "x", "d/b": "y"})
    put(kept, root)
    (root / "d").chmod(0o700)
    (root / "empty").mkdir()
    assert put(kept, root)[0] == 0


@no_guard
def test_verify_reads_every_file_and_notes_it_anew(kept: Store, root: Path) -> None:
    write_files(root, {"a": "x", "d/b": "y"})
    put(kept, root)
    cache_file(kept).write_bytes(b"rubbish")
    assert put(kept, root, "refresh")[0] == 2
    assert put(kept, root)[0] == 0
    assert put(kept, root, "refresh")[0] == 2


@no_guard
def test_ignored_files_leave_the_tree_and_come_back(kept: Store, root: Path) -> None:
    write_files(root, {"a": "x", "b": "y", ".datamonignore": "a\n"})
    assert set(put(kept, root)[1]) == {".datamonignore", "b"}
    assert put(kept, root)[0] == 0
    write_files(root, {".datamonignore": "b\n"})
    assert set(put(kept, root)[1]) == {".datamonignore", "a"}
    (root / ".datamonignore").unlink()
    assert set(put(kept, root)[1]) == {"a", "b"}


def other(field: str, value: object) -> Callable[[Record], None]:
    """A change of one field of the header."""
    return lambda record: record.update({field: value})


@no_guard
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(other("boot", "of another machine"), id="boot"),
        pytest.param(other("device", 1), id="device"),
        pytest.param(other("inode", 1), id="inode"),
        pytest.param(other("store", "another"), id="store"),
        pytest.param(other("directory", "/another"), id="directory"),
        pytest.param(other("kind", "worktree"), id="kind"),
        pytest.param(other("format", 99), id="format"),
        pytest.param(other("name_bytes", 10**9), id="length"),
        pytest.param(other("directories", [["", 10**6]]), id="count"),
        pytest.param(lambda record: record.pop("packs"), id="missing"),
        pytest.param(lambda record: record.update(time=record["time"] + 3600 * 10**9), id="clock-set-back"),
    ],
)
def test_a_cache_from_elsewhere_counts_as_none(kept: Store, root: Path, change: Callable[[Record], None]) -> None:
    write_files(root, {"a": "x", "d/b": "y"})
    put(kept, root)
    forge(cache_file(kept), change)
    assert put(kept, root)[0] == 2


@no_guard
def test_a_damaged_cache_counts_as_none(kept: Store, root: Path) -> None:
    write_files(root, {"a": "x", "d/b": "y"})
    put(kept, root)
    whole = cache_file(kept).read_bytes()
    for place in (*range(0, len(whole), 7), len(whole) - 1):
        cache_file(kept).write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        assert put(kept, root)[0] == 2
        cache_file(kept).write_bytes(whole[:place])
        assert put(kept, root)[0] == 2


@no_guard
def test_without_a_place_for_the_cache_uploads_work_as_ever(root: Path, tmp_path: Path) -> None:
    write_files(root, {"a": "x"})
    (tmp_path / "file").write_text("no directory can be made below this")
    refused = on_disk(memory_store(), tmp_path / "file" / "state")
    assert put(refused, root)[0] == 1
    assert put(refused, root)[0] == 1


@no_guard
def test_chunks_that_were_lost_are_stored_again(kept: Store, root: Path) -> None:
    write_files(root, {"a": "x", "d/b": "y"})
    put(kept, root)
    for stored in list(kept.blob.list("packs/")):
        kept.blob.delete(stored.key)
    assert put(kept, root)[0] == 2
    assert list(kept.blob.list("packs/"))
    assert put(kept, root)[0] == 0


@no_guard
def test_a_lost_manifest_is_written_again_without_reading(kept: Store, root: Path) -> None:
    write_files(root, {"a": "x", "d/b": "y"})
    put(kept, root)
    for stored in list(kept.metadata.list("manifests/")):
        kept.metadata.delete(stored.key)
    assert put(kept, root)[0] == 0
    [stored] = kept.metadata.list("manifests/")
    assert read_manifest(kept.metadata, put_tree(kept, TreeSource(root)).manifest.id).entries == 3


@no_guard
def test_an_upload_that_fails_leaves_the_cache_as_it_was(kept: Store, root: Path) -> None:
    write_files(root, {"a": "x"})
    put(kept, root)
    before = cache_file(kept).read_bytes()
    write_files(root, {"b": "y"})

    class Stopping(Reading):
        def advance(self, files: int, size_bytes: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put_tree(kept, TreeSource(root), progress=Stopping())
    assert cache_file(kept).read_bytes() == before
    assert put(kept, root)[0] == 1


@no_guard
def test_the_directories_uploaded_longest_ago_are_forgotten(kept: Store, root: Path) -> None:
    assert kept.state_dir is not None
    folder = kept.state_dir / FOLDER
    folder.mkdir(parents=True)
    for number in range(MOST_TREES):
        (folder / str(number)).touch()
        os.utime(folder / str(number), ns=(number, number))
    write_files(root, {"a": "x"})
    put(kept, root)
    left = {path.name for path in folder.iterdir()}
    assert len(left) == MOST_TREES
    assert "0" not in left
