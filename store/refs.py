"""Labels and branches: names in a repo that resolve to a bundle, in one namespace per repo. Every change is a log entry."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import takewhile

from datamon.errors import Conflict, NotFound
from datamon.store.bundle import Bundle, Entry, Move, Ref, RefKind, Repo
from datamon.store.codec import Record
from datamon.store.ids import BundleId, RunId
from datamon.store.log import RepoState
from datamon.store.names import check_name
from datamon.store.opening import Store
from datamon.store.repos import nearest
from datamon.store.tombstones import standing_in, tombstone


def set_label(store: Store, repo: Repo, label: str, bundle: BundleId, *, frozen: bool = False) -> Ref:
    """The label points at `bundle` when this returns, made or moved by one entry; `frozen` says that it does so for ever.

    Setting a label as it stands writes nothing. Raises Invalid (`bad-name`), NotFound (`bundle-not-found`),
    Conflict (`ref-exists` when a branch has the name, `ref-frozen`).
    """
    label = check_name("label", label)
    standing = store.logs.repo(repo.id).refs.get(label)
    if standing and standing.kind == "label" and standing.bundle == bundle and standing.frozen >= frozen:
        return standing

    def make(state: RepoState) -> Record:
        live_bundle(state, repo, bundle)
        move = next_move(state, repo, Move(label, "label", None, bundle, frozen))
        return {"kind": "move", "moves": [move.to_record()], "run": None}

    return _ref_made(store.logs.append(repo.id, make))


def delete_label(store: Store, repo: Repo, label: str) -> Move:
    """The label is gone when this returns the move, whose `old` is where it pointed; its history stays.

    Raises NotFound (`ref-not-found`), Conflict (`ref-frozen`), Invalid (`bad-name`).
    """
    return _delete_ref(store, repo, label, "label")


def delete_branch(store: Store, repo: Repo, branch: str) -> Move:
    """The branch is gone when this returns the move, whose `old` was its head; its bundles and its history stay.

    Raises NotFound (`ref-not-found`), Invalid (`bad-name`).
    """
    return _delete_ref(store, repo, branch, "branch")


def _delete_ref(store: Store, repo: Repo, name: str, kind: RefKind) -> Move:
    def make(state: RepoState) -> Record:
        standing = _ref(state, repo, name, kind)
        move = next_move(state, repo, Move(standing.name, kind, None, None))
        return {"kind": "move", "moves": [move.to_record()], "run": None}

    [move] = store.logs.append(repo.id, make).moves
    return move


def create_branch(store: Store, repo: Repo, name: str, at: BundleId) -> Ref:
    """A new branch whose head is `at`; from then on only commits move it.

    Raises Invalid (`bad-name`), NotFound (`bundle-not-found`), Conflict (`ref-exists`).
    """
    name = check_name("branch", name)

    def make(state: RepoState) -> Record:
        live_bundle(state, repo, at)
        standing = state.refs.get(name)
        if standing is not None:
            raise Conflict(
                "ref-exists",
                f"a {standing.kind} {name!r} exists in {repo.name!r}; choose another name, or upload to it",
                repo=repo.name,
                ref=name,
            )
        return {"kind": "move", "moves": [Move(name, "branch", None, at).to_record()], "run": None}

    return _ref_made(store.logs.append(repo.id, make))


def list_refs(store: Store, repo: Repo, kind: RefKind) -> list[Ref]:
    """The repo's labels, or its branches, by name."""
    refs = store.logs.repo(repo.id).refs
    return [refs[name] for name in sorted(refs) if refs[name].kind == kind]


def find_ref(store: Store, repo: Repo, name: str, kind: RefKind) -> Ref:
    """The repo's label or branch of this name. Raises NotFound (`ref-not-found`), Invalid (`bad-name`)."""
    return _ref(store.logs.repo(repo.id), repo, name, kind)


def ref_history(store: Store, repo: Repo, name: str) -> list[tuple[Entry, Move]]:
    """Every move of the label or branch, oldest first, also of one since deleted. Raises NotFound (`ref-not-found`)."""
    state = store.logs.repo(repo.id)
    history = [(entry, move) for entry, move in state.history if move.ref == name]
    if not history:
        raise no_ref(state, repo, name)
    return history


def move_refs(store: Store, repo: Repo, moves: Sequence[Move], run: RunId | None) -> list[Move]:
    """Makes, in one entry, those of `moves` whose ref still is what `old` says; returns the others, unmade.

    A move that `run` made before (a finish that was interrupted and is done again) is neither made nor returned. Bundles that
    were replaced since are their replacements. Not made are also moves of a frozen label, to a bundle that is not there, and of
    a name that is now of the other kind.
    """
    refused: list[Move] = []

    def make(state: RepoState) -> Record:
        made, refused[:] = _sorted_out(state, moves, run)
        if not made:
            raise _NothingToMove
        return {"kind": "move", "moves": [move.to_record() for move in made], "run": run}

    with suppress(_NothingToMove):
        store.logs.append(repo.id, make)
    return refused


class _NothingToMove(Exception):  # noqa: N818 (not an error: it ends an attempt that has nothing to write)
    """No move is left to be made."""


def _sorted_out(state: RepoState, moves: Sequence[Move], run: RunId | None) -> tuple[list[Move], list[Move]]:
    made: list[Move] = []
    refused: list[Move] = []
    taken: set[str] = set()
    for move in moves:
        if _done(state, move, run):
            continue
        now = _as_now(state, move)
        if move.ref not in taken and _holds(state, now):
            made.append(now)
            taken.add(move.ref)
        else:
            refused.append(move)
    return made, refused


def _as_now(state: RepoState, move: Move) -> Move:
    """The move with what stands in for its bundles now."""
    return replace(
        move,
        old=standing_in(state, move.old) if move.old else None,
        new=standing_in(state, move.new) if move.new else None,
    )


def _done(state: RepoState, move: Move, run: RunId | None) -> bool:
    """Whether the run made the move before. It can have done so only since there is the bundle; times rise along a log."""
    if run is None:
        return False
    now = _as_now(state, move)
    made = state.bundles.get(move.new) if move.new is not None else None
    since_ns = made.time_ns if made is not None else 0
    recent = takewhile(lambda told: told[0].time_ns >= since_ns, reversed(state.history))
    return any(entry.run == run and past.ref == move.ref and _as_now(state, past) == now for entry, past in recent)


def _holds(state: RepoState, move: Move) -> bool:
    standing = state.refs.get(move.ref)
    if move.new is not None and (move.new not in state.bundles or move.new in state.deleted):
        return False
    if standing is None:
        return move.old is None and move.new is not None
    return standing.bundle == move.old and standing.kind == move.ref_kind and not standing.frozen


def next_move(state: RepoState, repo: Repo, move: Move) -> Move:
    """`move` with `old` as the ref stands. Raises Conflict (`ref-exists` when the name is of the other kind, `ref-frozen`)."""
    standing = state.refs.get(move.ref)
    if standing is None:
        return Move(move.ref, move.ref_kind, None, move.new, move.frozen)
    if standing.kind != move.ref_kind:
        raise Conflict(
            "ref-exists",
            f"{move.ref!r} is a {standing.kind} of {repo.name!r} and cannot be a {move.ref_kind} too; choose another name",
            repo=repo.name,
            ref=move.ref,
        )
    if standing.frozen:
        raise Conflict(
            "ref-frozen",
            f"the label {move.ref!r} of {repo.name!r} is frozen at {standing.bundle}; choose another label",
            repo=repo.name,
            ref=move.ref,
        )
    return Move(move.ref, move.ref_kind, standing.bundle, move.new, move.frozen)


def live_bundle(state: RepoState, repo: Repo, bundle: BundleId) -> Bundle:
    """The repo's bundle of exactly this id. Raises NotFound (`bundle-not-found`), also when it was deleted: with its tombstone,
    and with `replaced_by`, the bundle that stands in for it now (or None)."""
    gone = tombstone(state, bundle)
    if gone is not None:
        instead = standing_in(state, bundle)
        live = instead if instead not in state.deleted else None
        next_step = "choose another" if live is None else "use that" if live == gone.replaced_by else f"use {live}"
        raise NotFound(
            "bundle-not-found",
            f"the bundle {bundle} of {repo.name!r} was {gone}; {next_step}",
            repo=repo.name,
            bundle=bundle,
            replaced_by=live,
        )
    if bundle not in state.bundles:
        raise NotFound(
            "bundle-not-found",
            f"the repo {repo.name!r} has no bundle {bundle}; `datamon bundle list --repo {repo.name}` shows those it has",
            repo=repo.name,
            bundle=bundle,
        )
    return state.bundles[bundle]


def no_ref(state: RepoState, repo: Repo, name: str, kind: RefKind | None = None) -> NotFound:
    """The error that says that the repo has no such label or branch, with the nearest name there is."""
    what = kind or "label or branch"
    standing = state.refs.get(name)
    if standing is not None:
        next_step = f"{name!r} is a {standing.kind}"
    else:
        names = [ref.name for ref in state.refs.values() if kind in (None, ref.kind)]
        next_step = nearest(name, names) or f"`datamon label list --repo {repo.name}` shows its labels"
    return NotFound(
        "ref-not-found", f"the repo {repo.name!r} has no {what} {name!r}; {next_step}", repo=repo.name, ref=name
    )


def _ref(state: RepoState, repo: Repo, name: str, kind: RefKind) -> Ref:
    name = check_name(kind, name)
    standing = state.refs.get(name)
    if standing is None or standing.kind != kind:
        raise no_ref(state, repo, name, kind)
    return standing


def _ref_made(entry: Entry) -> Ref:
    [move] = entry.moves
    assert move.new is not None
    return Ref(move.ref, move.ref_kind, move.new, move.frozen, entry.author, entry.time_ns, entry.number)
