"""References to what was deleted: bundles by their ids, and everything in a repo that is gone."""

from collections.abc import Iterator
from dataclasses import dataclass

from datamon.errors import Corrupt, NotFound
from datamon.store.bundle import Bundle, Repo
from datamon.store.ids import BundleId
from datamon.store.manifest import find_entry, read_manifest
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.opening import Store
from datamon.store.repos import find_repo
from datamon.store.resolve import Reference, find_by_part
from datamon.store.tombstones import Tombstone, deleted_repos, positions, tombstone_of


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


@dataclass(frozen=True, slots=True)
class Versions:
    """The deleted bundles of a repo that held something at a path, newest first; and those of which nobody knows, since their
    manifest is gone."""

    held: tuple[Deleted, ...]
    unknown: tuple[Deleted, ...]


def deleted_versions(store: Store, repo: Repo, path: str) -> Versions:
    """The deleted bundles that have to do with a path of a repo."""
    state = store.logs.repo(repo.id)
    places = positions(state)
    held, unknown = [], []
    for identity in sorted(state.deleted, key=lambda each: (places.get(each, 0), each), reverse=True):
        gone = tombstone_of(store, repo.id, identity)
        if gone is not None:
            deleted = Deleted(state.bundles[identity], repo.name, gone)
            try:
                find_entry(store.metadata, read_manifest(store.metadata, deleted.bundle.manifest), path)
                held.append(deleted)
            except NotFound:
                continue
            except Corrupt:
                unknown.append(deleted)
    return Versions(tuple(held), tuple(unknown))


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
