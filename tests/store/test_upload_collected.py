"""Uploads while a collector takes away what they rely on: put again, and never a bundle with a hole."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from datamon.errors import Conflict
from datamon.store import stat_cache
from datamon.store.bundle import Bundle, Repo
from datamon.store.commit import CommitRequest
from datamon.store.download import download
from datamon.store.file_times import trusted_time_ns
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.layout import PACKS
from datamon.store.opening import Store, memory_store, store_on
from datamon.store.put_tree import StoredTree, TreeSource, put_tree
from datamon.store.repos import create_repo
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.file_clock import next_tick
from datamon.store.testing.trees import snapshot, write_files
from datamon.store.upload import ATTEMPTS, UploadRequest, commit_tree, upload
from datamon.store.walk import open_tree

EVERYTHING = GcRequest(grace_ns=0, sparse_below=1.0)


@pytest.fixture
def kept(tmp_path: Path) -> Store:
    """A store in memory that keeps what belongs to this machine on disk."""
    store = memory_store()
    store.state_dir = tmp_path / "state"
    return store


@pytest.fixture
def repo(kept: Store) -> Repo:
    """A repo without bundles."""
    return create_repo(kept, "raw", "for a test")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree whose files count as settled from the clock's next tick on."""
    monkeypatch.setattr(stat_cache, "GUARD_NS", 0)
    made = write_files(tmp_path / "tree", {"a": "x", "d/b": "y"})
    (made / "long").write_bytes(random_bytes("long", 300_000))
    next_tick(made)
    return made


def delete(store: Store, repo: Repo, bundle: Bundle) -> None:
    """The bundle is deleted, with the refs that hold it."""
    delete_bundles(store, repo, DeleteRequest((bundle.id,), force=True))


def collect_elsewhere(store: Store) -> None:
    """A collection by another process, which spares nothing."""
    collect(store_on(store.metadata, store.blob, store.author, clock=store.clock), EVERYTHING)


def asking(then: Callable[[int], None]) -> Callable[[StoredTree], CommitRequest]:
    """Asks for a commit, after doing something that depends on how often it was asked."""
    times = count(1)

    def ask(tree: StoredTree) -> CommitRequest:
        then(next(times))
        return CommitRequest(tree.manifest, "m", tree.session, branch="main", reused=tree.reused)

    return ask


def check_whole(store: Store, bundle: Bundle, root: Path, copy: Path) -> None:
    """The bundle is the tree, byte for byte, as another process sees it."""
    download(store_on(store.metadata, store.blob, store.author), bundle, copy)
    assert snapshot(copy) == snapshot(root)


def files_read(store: Store, root: Path) -> bool:
    """Whether times prove anything below `root`, so that an unchanged tree need not be read."""
    with open_tree(root) as tree:
        return not trusted_time_ns(tree)


def test_a_tree_whose_session_is_given_up_before_its_commit_is_put_again(
    kept: Store, repo: Repo, root: Path, tmp_path: Path
) -> None:
    ask = asking(lambda times: collect_elsewhere(kept) if times < 3 else None)
    _, bundle = commit_tree(kept, repo, TreeSource(root, "none"), ask)
    check_whole(kept, bundle, root, tmp_path / "copy")


def test_an_unchanged_tree_whose_bundle_is_deleted_and_collected_before_the_commit_is_put_again(
    kept: Store, repo: Repo, root: Path, tmp_path: Path
) -> None:
    first = upload(kept, UploadRequest("raw", root, "first"))

    def vanish(times: int) -> None:
        if times == 1:
            delete(kept, repo, first)
            collect_elsewhere(kept)

    _, bundle = commit_tree(kept, repo, TreeSource(root), asking(vanish))
    assert bundle.manifest == first.manifest
    check_whole(kept, bundle, root, tmp_path / "copy")


def test_a_tree_that_is_collected_each_time_is_an_error_in_the_end(kept: Store, repo: Repo, root: Path) -> None:
    done = []

    def give_up(times: int) -> None:
        done.append(times)
        collect_elsewhere(kept)

    with pytest.raises(Conflict) as caught:
        commit_tree(kept, repo, TreeSource(root, "none"), asking(give_up))
    assert caught.value.code in ("session-fenced", "condemned")
    assert done == [*range(1, ATTEMPTS + 1)]
    assert not kept.logs.repo(repo.id).bundles


def test_a_remembered_tree_that_was_collected_since_is_stored_anew(
    kept: Store, repo: Repo, root: Path, tmp_path: Path
) -> None:
    delete(kept, repo, upload(kept, UploadRequest("raw", root, "first")))
    collect_elsewhere(kept)
    assert not list(kept.blob.list(PACKS))
    check_whole(kept, upload(kept, UploadRequest("raw", root, "second")), root, tmp_path / "copy")


def test_a_remembered_tree_whose_packs_were_packed_anew_is_not_read(
    kept: Store, repo: Repo, root: Path, tmp_path: Path
) -> None:
    (root / "noise").write_bytes(random_bytes("noise", 900_000))
    next_tick(root)
    first = upload(kept, UploadRequest("raw", root, "first"))
    (root / "noise").unlink()
    upload(kept, UploadRequest("raw", root, "second"))
    delete(kept, repo, first)
    packs = list(kept.blob.list(PACKS))
    collect_elsewhere(kept)
    assert not {stored.key for stored in packs} & {stored.key for stored in kept.blob.list(PACKS)}
    condemned = kept.logs.store().condemned | kept.logs.repo(repo.id).condemned
    tree = put_tree(kept, TreeSource(root), condemned=condemned)
    assert files_read(kept, root) or (tree.session is None and tree.reused is not None and not tree.reused & condemned)
    assert put_tree(kept, TreeSource(root), condemned=condemned) == tree
    check_whole(kept, upload(kept, UploadRequest("raw", root, "third")), root, tmp_path / "copy")
