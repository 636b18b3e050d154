"""`bundle delete`: bundles taken away one by one, by their ids."""

from dataclasses import dataclass

from datamon.errors import Conflict
from datamon.store.bundle import Entry, Repo
from datamon.store.codec import Record
from datamon.store.ids import BundleId
from datamon.store.log import RepoState
from datamon.store.opening import Store
from datamon.store.refs import live_bundle
from datamon.store.repos import check_text
from datamon.store.retention.needs import FindNeeds, no_needs
from datamon.store.retention.ref_moves import moves_away, named, refs_at, refuse_frozen


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """Which bundles of a repo are to go, and why. With `force` also those that labels and branches point at, or that unfinished
    runs need; what a frozen label points at stays in any case."""

    bundles: tuple[BundleId, ...]
    reason: str | None = None
    force: bool = False


def delete_bundles(store: Store, repo: Repo, request: DeleteRequest, find_needs: FindNeeds = no_needs) -> Entry:
    """The bundles are deleted when this returns the one entry that says so; all of them, or when this raises none.

    In the same entry `force` takes the labels that point at them away, and sets a branch back to the newest live bundle that its
    head follows (or takes it away where there is none). Bytes stay until `gc`.

    Raises NotFound (`bundle-not-found`, also for one that was deleted before), Conflict (`bundle-held` for labels, branches and
    unfinished runs, `ref-frozen`), Invalid (`bad-argument`).
    """
    check_text("reason", request.reason or "")
    doomed = frozenset(request.bundles)

    def make(state: RepoState) -> Record:
        bundles = [live_bundle(state, repo, bundle) for bundle in request.bundles]
        refs = refs_at(state, doomed)
        refuse_frozen(repo, refs)
        if not request.force:
            if refs:
                raise _held(
                    repo, f"{named(refs)} of {repo.name!r} point{'s' if len(refs) == 1 else ''} at it", refs[0].bundle
                )
            needs = find_needs()
            needed = [bundle.id for bundle in bundles if needs.hold(bundle)]
            if needed:
                raise _held(repo, "a run that has not ended reads or wrote it", needed[0])
        return {
            "kind": "delete",
            "bundles": sorted(doomed),
            "moves": [move.to_record() for move in moves_away(state, repo, doomed)],
            "reason": request.reason,
        }

    return store.logs.append(repo.id, make)


def _held(repo: Repo, why: str, bundle: BundleId) -> Conflict:
    return Conflict(
        "bundle-held",
        f"the bundle {bundle} of {repo.name!r} stays: {why}; choose another, or delete it with --force",
        repo=repo.name,
        bundle=bundle,
    )
