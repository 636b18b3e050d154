"""Sizes count what bundles share once, and what lies in packs as it lies there."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from datamon.store import layout
from datamon.store.bundle import Bundle
from datamon.store.opening import Store
from datamon.store.repos import create_repo, find_repo
from datamon.store.retention.squash import Keeping, squash
from datamon.store.sizes import RepoSizes, repo_sizes
from datamon.store.testing.contents import random_bytes
from datamon.store.upload import UploadRequest, upload

Put = Callable[[str, Mapping[str, bytes]], Bundle]
MIB = 2**20


@pytest.fixture
def put(local_store: Store, tmp_path: Path) -> Put:
    """Uploads files to a repo, made at first sight."""

    def uploaded(repo: str, files: Mapping[str, bytes]) -> Bundle:
        if repo not in local_store.logs.store().names:
            create_repo(local_store, repo, "")
        tree = tmp_path / f"tree-{local_store.clock()}"
        tree.mkdir()
        for name, content in files.items():
            (tree / name).write_bytes(content)
        return upload(local_store, UploadRequest(repo, tree, "m"))

    return uploaded


def _sizes(store: Store, repo: str) -> RepoSizes:
    return repo_sizes(store, find_repo(store, repo))


def _pack_bytes(store: Store) -> int:
    return sum(stored.size_bytes for stored in store.blob.list(layout.PACKS))


def test_a_repo_without_bundles_has_no_size(local_store: Store) -> None:
    create_repo(local_store, "orders", "")
    assert _sizes(local_store, "orders") == RepoSizes(0, 0, 0, 0, 0)


def test_what_bundles_and_files_share_counts_once(local_store: Store, put: Put) -> None:
    small, large = random_bytes("s", 1_000), random_bytes("l", 300_000)
    put("orders", {"a": small, "b": small, "c": large})
    put("orders", {"a": small, "c": large})
    sizes = _sizes(local_store, "orders")
    assert (sizes.bundles, sizes.entries, sizes.logical_bytes) == (2, 5, 2 * 301_000 + 1_000)
    assert sizes.distinct_bytes == 301_000
    assert 301_000 < sizes.stored_bytes < _pack_bytes(local_store)


def test_the_lists_of_a_large_files_chunks_count_too(local_store: Store, put: Put) -> None:
    put("orders", {"a": random_bytes("a", 4 * MIB)})
    sizes = _sizes(local_store, "orders")
    assert 4 * MIB < sizes.distinct_bytes < 4 * MIB + 10_000
    assert sizes.distinct_bytes < sizes.stored_bytes <= _pack_bytes(local_store)


def test_what_compresses_is_stored_smaller(local_store: Store, put: Put) -> None:
    put("orders", {"a": b"".join(b"%d,5\n" % n for n in range(100_000))})
    sizes = _sizes(local_store, "orders")
    assert 0 < sizes.stored_bytes < sizes.distinct_bytes / 2


def test_what_two_repos_share_counts_in_both(local_store: Store, put: Put) -> None:
    files = {"a": random_bytes("a", 200_000)}
    put("orders", files)
    put("copies", files)
    assert _sizes(local_store, "orders") == _sizes(local_store, "copies")


def test_what_was_deleted_counts_no_more(local_store: Store, put: Put) -> None:
    put("orders", {"a": random_bytes("a", 200_000)})
    put("orders", {"b": random_bytes("b", 100_000)})
    squash(local_store, find_repo(local_store, "orders"), Keeping())
    sizes = _sizes(local_store, "orders")
    assert (sizes.bundles, sizes.logical_bytes, sizes.distinct_bytes) == (1, 100_000, 100_000)
