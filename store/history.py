"""A repo's history: which of its bundles follows which."""

from collections.abc import Iterable
from dataclasses import dataclass

from datamon.store.bundle import Bundle
from datamon.store.ids import BundleId
from datamon.store.log_state import RepoState
from datamon.store.tombstones import live_bundles, standing_in


@dataclass(frozen=True, slots=True)
class Past:
    """A bundle, the bundles it follows as far as they are there, and how many that were deleted lay between."""

    bundle: Bundle
    follows: tuple[BundleId, ...]
    deleted: int


def history(state: RepoState, of: Bundle | None = None) -> list[Past]:
    """The live bundles of a repo, or those that one comes from and itself, the newest first: each before what it follows."""
    newest_first = reversed(live_bundles(state))
    if of is None:
        return [_past(state, bundle) for bundle in newest_first]
    wanted, pasts = {of.id}, []
    for bundle in newest_first:
        if bundle.id in wanted:
            pasts.append(_past(state, bundle))
            wanted.update(pasts[-1].follows)
    return pasts


def _past(state: RepoState, bundle: Bundle) -> Past:
    """Its nearest live ancestors; what stands in for a deleted one is that one."""
    follows: dict[BundleId, None] = {}
    gone: set[BundleId] = set()
    waiting = _backwards(bundle.parents)
    while waiting:
        parent = standing_in(state, waiting.pop())
        if parent not in state.deleted:
            follows[parent] = None
        elif parent not in gone:
            gone.add(parent)
            waiting.extend(_backwards(state.bundles[parent].parents))
    return Past(bundle, tuple(follows), len(gone))


def _backwards(parents: Iterable[BundleId]) -> list[BundleId]:
    return list(reversed(tuple(parents)))
