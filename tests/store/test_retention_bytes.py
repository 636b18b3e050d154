"""A path that was cut out of history, from upload to gc: its bytes go, and every other file of every bundle stays whole."""

from pathlib import Path

import pytest

from datamon.errors import NotFound
from datamon.store.bundle import Bundle
from datamon.store.check.check import check
from datamon.store.download import download
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.opening import Store
from datamon.store.repos import create_repo, find_repo
from datamon.store.resolve import resolve
from datamon.store.retention.delete_path import delete_paths
from datamon.store.retention.delete_repo import delete_repo
from datamon.store.testing.contents import random_bytes
from datamon.store.upload import UploadRequest, upload

FILES = 5_000
SECRET = b"the secret that must go: " + random_bytes("secret", 200_000)


def _held(store: Store, bundle: Bundle, destination: Path) -> dict[str, bytes]:
    download(store, bundle, destination)
    return {str(path.relative_to(destination)): path.read_bytes() for path in destination.rglob("*") if path.is_file()}


def _has_bytes(tmp_path: Path, content: bytes) -> bool:
    packs = (path for path in (tmp_path / "store").rglob("packs/*/*") if path.is_file())
    return any(content in path.read_bytes() for path in packs)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """5,000 small files and one that no pack compresses."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(FILES):
        (tree / f"{number:04d}.csv").write_text(f"{number}\n")
    (tree / "secret.bin").write_bytes(SECRET)
    return tree


def test_one_file_of_five_thousand_goes_and_gc_frees_its_bytes_and_no_others(
    local_store: Store, tree: Path, tmp_path: Path
) -> None:
    """The first datamon made such a bundle unreadable, and its next purge deleted all of its data."""
    store = local_store
    create_repo(store, "orders", "")
    first = upload(store, UploadRequest("orders", tree, "one", "v1"))
    (tree / "later.csv").write_text("later\n")
    upload(store, UploadRequest("orders", tree, "two"))
    assert _has_bytes(tmp_path, SECRET[:1_000])
    delete_paths(store, find_repo(store, "orders"), ["secret.bin"], reason="asked to")
    collect(store, GcRequest(grace_ns=0, sparse_below=1.0))
    assert not _has_bytes(tmp_path, SECRET[:1_000])
    assert not [finding for finding in check(store) if finding.is_damage]
    expected = {f"{number:04d}.csv": f"{number}\n".encode() for number in range(FILES)}
    assert _held(store, resolve(store, "orders@v1").bundle, tmp_path / "one") == expected
    assert _held(store, resolve(store, "orders").bundle, tmp_path / "two") == {**expected, "later.csv": b"later\n"}
    with pytest.raises(NotFound, match="asked to"):
        resolve(store, f"orders@{first.id}")


def test_a_deleted_repos_bytes_go_and_what_another_repo_shares_with_it_stays(
    local_store: Store, tree: Path, tmp_path: Path
) -> None:
    store = local_store
    for name in ("orders", "copies"):
        create_repo(store, name, "")
        upload(store, UploadRequest(name, tree, "one"))
        (tree / "secret.bin").unlink(missing_ok=True)
    delete_repo(store, find_repo(store, "orders"))
    collect(store, GcRequest(grace_ns=0, sparse_below=1.0))
    assert not _has_bytes(tmp_path, SECRET[:1_000])
    assert not [finding for finding in check(store) if finding.is_damage]
    assert len(_held(store, resolve(store, "copies").bundle, tmp_path / "out")) == FILES
