"""The ref moves by which a run's outputs become what its branches and labels point at."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from datamon.errors import Conflict
from datamon.lineage.records import RUN_MOVES, OutputRecord, PlannedMove, PlannedOutput
from datamon.store.bundle import RefKind, Repo
from datamon.store.ids import BundleId, RepoId, RunId
from datamon.store.opening import Store
from datamon.store.refs import move_refs
from datamon.store.tombstones import standing_in

ATTEMPTS = 100
"""How often a recorder that lost a ref to another lists its moves anew."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where one output of a run goes, and the repo as it was found."""

    planned: PlannedOutput
    repo: Repo


def planned_moves(store: Store, outputs: Sequence[OutputRecord], labels: Sequence[str]) -> tuple[PlannedMove, ...]:
    """The moves of each output's branch, and of each label in each output's repo, from where they stand now."""
    moves: list[PlannedMove] = []
    for output in outputs:
        moves.append(_move(store, output.repo, output.branch, "branch", output.bundle))
        moves += [_move(store, output.repo, label, "label", output.bundle) for label in labels]
    return tuple(moves)


def make_moves(store: Store, run: RunId, moves: Sequence[PlannedMove]) -> list[PlannedMove]:
    """Makes those of `moves` whose ref still stands where they say, those of one repo in one entry, and returns the others.
    A move that this run made before counts as made. Raises Unavailable, Denied, Conflict (`log-contended`)."""
    left: list[PlannedMove] = []
    repos = store.logs.store().repos
    for identity in dict.fromkeys(move.repo for move in moves):
        own = [move for move in moves if move.repo == identity]
        if identity not in repos:
            left += own
            continue
        refused = {move.ref for move in move_refs(store, repos[identity], [move.as_move() for move in own], run)}
        left += [move for move in own if move.ref in refused]
    return left


def move_to_end(store: Store, run: RunId, moves: Sequence[PlannedMove]) -> list[PlannedMove]:
    """Makes all of `moves`, as only the run's live recorder may: one that lost its ref to another recorder is listed in the
    journal anew from where the ref stands now, and made. Returns those that cannot be made at all: the label was frozen, the
    name is of the other kind now, the bundle or the repo was deleted. Raises as `make_moves`, and Conflict (`ref-moved`)
    after `ATTEMPTS` losses."""
    listed = list(moves)
    for _ in range(ATTEMPTS):
        left = make_moves(store, run, listed)
        stuck = [move for move in left if not _can_be_made(store, move)]
        if len(stuck) == len(left):
            return stuck
        lost = {(move.repo, move.ref) for move in left} - {(move.repo, move.ref) for move in stuck}
        listed = [
            _again(store, move) if (move.repo, move.ref) in lost else move for move in listed if move not in stuck
        ]
        store.journal.append({"kind": RUN_MOVES, "run": run, "moves": [move.to_record() for move in listed]})
    raise Conflict(
        "ref-moved",
        f"other runs moved the refs of run {run} {ATTEMPTS} times while it ended; its outputs are kept, set a label to name them",
        run=run,
    )


def standing(store: Store, move: PlannedMove) -> BundleId | None:
    """Where the ref of `move` stands now."""
    ref = store.logs.repo(move.repo).refs.get(move.ref)
    return ref.bundle if ref else None


def _move(store: Store, repo: RepoId, ref: str, kind: RefKind, new: BundleId) -> PlannedMove:
    return _again(store, PlannedMove(repo, ref, kind, None, new))


def _again(store: Store, move: PlannedMove) -> PlannedMove:
    return replace(move, old=standing(store, move))


def _can_be_made(store: Store, move: PlannedMove) -> bool:
    if move.repo not in store.logs.store().repos:
        return False
    state = store.logs.repo(move.repo)
    ref = state.refs.get(move.ref)
    new = standing_in(state, move.new)
    live = new in state.bundles and new not in state.deleted
    return live and (ref is None or (ref.kind == move.ref_kind and not ref.frozen))
