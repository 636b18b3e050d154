"""Wherever a deletion is cut short, it has happened as a whole or not at all, and doing it again finishes it."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from datamon.errors import DatamonError, NotFound
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author, Repo
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.entries import TreeEntry
from datamon.store.ids import ContentId
from datamon.store.manifest import iter_entries, read_manifest, write_manifest
from datamon.store.opening import Store, store_on
from datamon.store.refs import set_label
from datamon.store.repos import create_repo, find_repo, list_repos, rename_repo
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.retention.delete_path import delete_paths
from datamon.store.retention.delete_repo import delete_repo
from datamon.store.retention.squash import Keeping, squash
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.faults import WRITES, Fault, FaultKind, FaultyBackend, Killed
from datamon.store.tombstones import live_bundles

ADA = Author("Ada", "ada@example.org")
Deletion = Callable[[Store, Repo], object]
View = tuple[object, ...]


def _forced(store: Store, repo: Repo) -> object:
    newest = live_bundles(store.logs.repo(repo.id))[-1]
    return delete_bundles(store, repo, DeleteRequest((newest.id,), force=True))


def _renamed(store: Store, repo: Repo) -> object:
    return rename_repo(store, repo, "sales")


DELETIONS: dict[str, Deletion] = {
    "bundle": _forced,
    "squash": lambda store, repo: squash(store, repo, Keeping()),
    "path": lambda store, repo: delete_paths(store, repo, ["b"]),
    "repo": delete_repo,
    "rename": _renamed,
}


def _filled() -> tuple[MemoryBackend, Repo]:
    backend = MemoryBackend()
    store = store_on(backend, backend, ADA, clock=SteppingClock())
    repo = create_repo(store, "orders", "")
    for number in range(3):
        paths = ["a", "b", f"c{number}"]
        entries = [TreeEntry(path, "file", 1, ContentId("1" * 64), None, None, False, 0o644, 0) for path in paths]
        manifest = write_manifest(store.metadata, entries)
        bundle = commit_bundle(store, repo, CommitRequest(manifest, f"{number}", None, branch="main"))
        set_label(store, repo, f"v{number}", bundle.id)
    return backend, repo


def _view(backend: MemoryBackend, repo: Repo) -> View:
    """What anyone sees who opens the store now; every live manifest is read."""
    store = store_on(backend, backend, ADA, clock=SteppingClock())
    state = store.logs.repo(repo.id)
    messages = {bundle.id: bundle.message for bundle in state.bundles.values()}
    trees = [
        (
            bundle.message,
            [entry.path for entry in iter_entries(store.metadata, read_manifest(store.metadata, bundle.manifest))],
        )
        for bundle in live_bundles(state)
    ]
    refs = {ref.name: messages[ref.bundle] for ref in state.refs.values()}
    assert {ref.bundle for ref in state.refs.values()} <= {bundle.id for bundle in live_bundles(state)}
    return [each.name for each in list_repos(store)], trees, refs


@pytest.mark.parametrize("kind", ["before", "after", "full", "killed-before", "killed-after"])
@pytest.mark.parametrize("name", DELETIONS)
def test_a_deletion_that_is_cut_short_has_happened_or_has_not(name: str, kind: FaultKind) -> None:
    deletion = DELETIONS[name]
    backend, repo = _filled()
    before = _view(backend, repo)
    deletion(store_on(backend, backend, ADA, clock=SteppingClock()), repo)
    after = _view(backend, repo)
    assert before != after
    seen: set[bool] = set()
    for number in range(1, 50):
        backend, repo = _filled()
        faulty = FaultyBackend(backend, Fault(number, kind), methods=WRITES)
        store = store_on(faulty, faulty, ADA, clock=SteppingClock())
        with suppress(DatamonError, Killed):
            deletion(store, repo)
        if len(faulty.calls) < number:
            break
        now = _view(backend, repo)
        assert now in (before, after)
        seen.add(now == after)
        again = store_on(backend, backend, ADA, clock=SteppingClock())
        if now == before:
            deletion(again, repo)
        elif name in ("path", "repo"):
            with pytest.raises(NotFound):
                deletion(again, repo)
        if name != "bundle":
            assert _view(backend, repo) == after
    assert False in seen or kind == "after"


def test_a_repo_that_was_renamed_is_still_found_by_whoever_held_it() -> None:
    backend, repo = _filled()
    store = store_on(backend, backend, ADA, clock=SteppingClock())
    _renamed(store, repo)
    assert find_repo(store, "sales").id == repo.id
    delete_repo(store, repo)
    assert list_repos(store) == []
