"""Tombstones: what the logs still know of bundles and repos that were deleted, and what stands in for them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from datamon.store.bundle import Author, Bundle, Entry, Repo
from datamon.store.clock import timestamp
from datamon.store.ids import BundleId, RepoId
from datamon.store.log import RepoState
from datamon.store.opening import Store


@dataclass(frozen=True, slots=True)
class Tombstone:
    """When something was deleted, by whom and why; `replaced_by` is the bundle that was made in its place by the same entry."""

    time_ns: int
    author: Author
    reason: str | None
    replaced_by: BundleId | None = None

    def __str__(self) -> str:
        """In words that follow "was": `deleted at … by … (reason) and replaced by …`."""
        why = f" ({self.reason})" if self.reason else ""
        instead = f" and replaced by {self.replaced_by}" if self.replaced_by else ""
        return f"deleted at {timestamp(self.time_ns)} by {self.author.name}{why}{instead}"


def tombstone(state: RepoState, bundle: BundleId) -> Tombstone | None:
    """The tombstone of a bundle; None while it is live, and when there never was one of this id."""
    entry = state.deleted.get(bundle)
    return _tombstone(entry, entry.replaced.get(bundle)) if entry else None


def repo_tombstone(store: Store, repo: RepoId) -> Tombstone | None:
    """The tombstone of a repo; None while it is there, and when there never was one of this id."""
    entry = store.logs.store().deleted.get(repo)
    return _tombstone(entry) if entry else None


def tombstone_of(store: Store, repo: RepoId, bundle: BundleId) -> Tombstone | None:
    """The tombstone of a bundle, its own or else its repo's."""
    return tombstone(store.logs.repo(repo), bundle) or repo_tombstone(store, repo)


def deleted_repos(store: Store) -> list[Repo]:
    """The repos that were deleted, as they were then, the last deleted first."""
    known: dict[RepoId, Repo] = {}
    gone: list[Repo] = []
    for entry in store.logs.store().entries:
        record, repo = entry.record, RepoId(entry.record.get("repo", ""))
        if entry.kind == "repo-created":
            known[repo] = Repo(repo, record["name"], record["description"], entry.author, entry.made_ns)
        elif entry.kind == "repo-renamed":
            known[repo] = replace(known[repo], name=record["name"])
        elif entry.kind == "repo-deleted":
            gone.insert(0, known.pop(repo))
    return gone


def live_bundles(state: RepoState) -> list[Bundle]:
    """The bundles that are not deleted in the order of their commits, each replacement in the place of what it replaced."""
    places = positions(state)
    live = [bundle for bundle in state.bundles.values() if bundle.id not in state.deleted]
    return sorted(live, key=lambda bundle: places[bundle.id])


def positions(state: RepoState) -> dict[BundleId, int]:
    """The place of every bundle among those of the repo: the number of the entry that committed it, for a replacement that of
    what it replaced."""
    places: dict[BundleId, int] = {}
    for entry in state.entries:
        replaced = {new: old for old, new in entry.replaced.items()}
        for bundle in entry.bundles:
            places[bundle.id] = places.get(replaced.get(bundle.id, bundle.id), entry.number)
    return places


def standing_in(state: RepoState, bundle: BundleId) -> BundleId:
    """`bundle` itself, or after a replacement what stands in for it now: the last one of the chain, which may be deleted too."""
    for _ in state.deleted:  # a bundle stands in for one that was there before it, so no chain is longer
        entry = state.deleted.get(bundle)
        if entry is None or bundle not in entry.replaced:
            break
        bundle = entry.replaced[bundle]
    return bundle


def ancestors(state: RepoState, bundle: BundleId) -> Iterator[Bundle]:
    """`bundle` and everything it follows, deleted ones too, each once, replacements in place of what they replaced."""
    waiting, seen = [standing_in(state, bundle)], set[BundleId]()
    while waiting:
        identity = waiting.pop()
        if identity not in seen and identity in state.bundles:
            seen.add(identity)
            yield state.bundles[identity]
            waiting += (standing_in(state, parent) for parent in state.bundles[identity].parents)


def _tombstone(entry: Entry, replaced_by: BundleId | None = None) -> Tombstone:
    return Tombstone(entry.time_ns, entry.author, entry.reason, replaced_by)
