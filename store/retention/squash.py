"""`repo squash`: only the newest bundles of a repo stay, and those that someone marked."""

import re
from contextlib import suppress
from dataclasses import dataclass

from datamon.errors import Invalid
from datamon.store.bundle import Bundle, Move, Repo
from datamon.store.codec import Record
from datamon.store.ids import BundleId
from datamon.store.log import RepoState
from datamon.store.opening import Store
from datamon.store.repos import check_text
from datamon.store.retention.needs import FindNeeds, Needs, no_needs
from datamon.store.retention.ref_moves import moves_away, refs_at
from datamon.store.tombstones import ancestors, live_bundles, positions

_SEMVER = re.compile(r"[vV]?\d+(\.\d+){0,2}(-[0-9A-Za-z.-]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a squash keeps: the `last` newest bundles of each branch, with `labelled` all that labels point at, with `semver`
    those whose label is a version (`v1.2.3`, `1.2`, `2.0.0-rc1`). Heads of branches, what frozen labels point at and what
    unfinished runs need stay in any case."""

    last: int = 1
    labelled: bool = False
    semver: bool = False

    def __post_init__(self) -> None:
        """Raises Invalid (`bad-argument`) when `last` is less than 1."""
        if self.last < 1:
            raise Invalid(
                "bad-argument",
                f"a squash keeps at least the newest bundle, so {self.last} cannot be how many; give 1 or more",
                argument="last",
            )


@dataclass(frozen=True, slots=True)
class Squashed:
    """What a squash took away, or would: `bundles` in the order of their commits, and the moves that take their labels away."""

    bundles: tuple[Bundle, ...]
    moves: tuple[Move, ...]


def plan_squash(store: Store, repo: Repo, keeping: Keeping, find_needs: FindNeeds = no_needs) -> Squashed:
    """What `squash` would take away now; nothing is changed."""
    state = store.logs.repo(repo.id)
    return _planned(state, repo, keeping, find_needs())


def squash(
    store: Store, repo: Repo, keeping: Keeping, find_needs: FindNeeds = no_needs, *, reason: str | None = None
) -> Squashed:
    """Every bundle of the repo that `keeping` does not keep is deleted when this returns, by one entry, with the labels that
    pointed at it; where all are kept, nothing is written. Bytes stay until `gc`.

    A bundle exists by its commit alone, so what an interrupted upload left is no bundle and keeps none away.
    Raises Conflict (`log-contended`), Unavailable, Invalid (`bad-argument`).
    """
    check_text("reason", reason or "")
    planned = Squashed((), ())

    def make(state: RepoState) -> Record:
        nonlocal planned
        planned = _planned(state, repo, keeping, find_needs())
        if not planned.bundles:
            raise _NothingToSquash
        return {
            "kind": "delete",
            "bundles": [bundle.id for bundle in planned.bundles],
            "moves": [move.to_record() for move in planned.moves],
            "reason": reason or "squash",
        }

    with suppress(_NothingToSquash):
        store.logs.append(repo.id, make)
    return planned


class _NothingToSquash(Exception):  # noqa: N818 (not an error: it ends an attempt that has nothing to write)
    """Every bundle is kept."""


def _planned(state: RepoState, repo: Repo, keeping: Keeping, needs: Needs) -> Squashed:
    kept = _newest(state, keeping.last) | _marked(state, keeping)
    doomed = [bundle for bundle in live_bundles(state) if bundle.id not in kept and not needs.hold(bundle)]
    moves = moves_away(state, repo, frozenset(bundle.id for bundle in doomed))
    return Squashed(tuple(doomed), tuple(moves))


def _newest(state: RepoState, last: int) -> set[BundleId]:
    """The newest bundles on each branch; of a repo without branches its newest."""
    places = positions(state)
    heads = [ref.bundle for ref in state.refs.values() if ref.kind == "branch"]
    lines = [list(ancestors(state, head)) for head in heads] or [list(state.bundles.values())]
    kept = set(heads)
    for line in lines:
        live = sorted((bundle.id for bundle in line if bundle.id not in state.deleted), key=places.__getitem__)
        kept.update(live[-last:])
    return kept


def _marked(state: RepoState, keeping: Keeping) -> set[BundleId]:
    labels = [ref for ref in refs_at(state, state.bundles) if ref.kind == "label"]
    return {
        ref.bundle
        for ref in labels
        if ref.frozen or keeping.labelled or (keeping.semver and _SEMVER.fullmatch(ref.name))
    }
