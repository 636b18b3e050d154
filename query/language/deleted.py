"""References to what was deleted: bundles by their ids, and everything in a repo that is gone."""

from collections.abc import Iterator
from dataclasses import dataclass

from datamon.errors import NotFound
from datamon.store.bundle import Bundle, Repo
from datamon.store.ids import BundleId
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.opening import Store
from datamon.store.repos import find_repo
from datamon.store.resolve import Reference, find_by_part
from datamon.store.tombstones import Tombstone, deleted_repos, tombstone_of


@dataclass(frozen=True, slots=True)
class Deleted:
    """A bundle that was deleted, or whose repo was. `repo` is what the relations call its repo."""

    bundle: Bundle
    repo: str
    tombstone: Tombstone


def find_deleted(store: Store, reference: Reference) -> Deleted | None:
    """The deleted bundle that a reference means: by its id or part of it; in a repo that was deleted also by a label or branch as
    it stood then. None when there is no such."""
    for repo, name in _repos(store, reference.repo):
        bundle = _in_repo(store, repo, reference.ref)
        gone = tombstone_of(store, repo.id, bundle.id) if bundle else None
        if bundle is not None and gone is not None:
            return Deleted(bundle, name, gone)
    return None


def _repos(store: Store, name: str) -> Iterator[tuple[Repo, str]]:
    """The repo of this name, then those of this name that were deleted, the last first, each with what it is called now."""
    shown = name
    try:
        yield find_repo(store, name), name
        shown = ""
    except NotFound:
        pass
    for repo in deleted_repos(store):
        if repo.name == name:
            yield repo, shown or f"{name}#{repo.id}"
            shown = ""


def _in_repo(store: Store, repo: Repo, ref: str | None) -> Bundle | None:
    state = store.logs.repo(repo.id)
    gone = repo.id in store.logs.store().deleted
    held = state.refs.get(ref or DEFAULT_BRANCH) if gone else None
    if held is not None:
        return state.bundles.get(held.bundle)
    if ref is None:
        return None
    try:
        return state.bundles[BundleId(find_by_part(ref, state.bundles if gone else state.deleted))]
    except NotFound:
        return None
