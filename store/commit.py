"""Commit: one log entry by which a bundle exists, and by which its branch and label point at it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamon.errors import Invalid
from datamon.store.bundle import Bundle, Move, Repo
from datamon.store.codec import Record
from datamon.store.ids import BundleId, RunId, SessionId, new_ksuid
from datamon.store.log import RepoState
from datamon.store.names import check_name
from datamon.store.opening import Store
from datamon.store.refs import live_bundle, next_move
from datamon.store.repos import check_text

if TYPE_CHECKING:  # a manifest brings pyarrow, which whoever hands one over has paid for
    from datamon.store.manifest import Manifest


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """What is to be committed. `manifest` and everything it needs are durable already.

    With neither `branch` nor `label` no ref moves (a run's output, until its run ends). `parents` None is the head of
    `branch` at the moment of the entry, or none where there is no branch.
    """

    manifest: "Manifest"
    message: str
    session: SessionId | None
    branch: str | None = None
    label: str | None = None
    run: RunId | None = None
    role: str | None = None
    parents: tuple[BundleId, ...] | None = None


def commit_bundle(store: Store, repo: Repo, request: CommitRequest) -> Bundle:
    """A new bundle, which exists when this returns: it, its branch's move and its label's stand in one entry, or nothing does.

    Raises Invalid (`bad-name`, `bad-argument`), NotFound (`bundle-not-found` for a parent), Conflict (`ref-exists`, `ref-frozen`,
    `log-contended`), Unavailable.
    """
    check_text("message", request.message)
    targets = _targets(request.branch, request.label)
    identity = BundleId(new_ksuid(store.clock()))

    def make(state: RepoState) -> Record:
        moves = [next_move(state, repo, Move(ref.ref, ref.ref_kind, None, identity)) for ref in targets]
        bundle = _bundle(store, repo, request, state, identity)
        return {
            "kind": "commit",
            "time": bundle.time_ns,
            "bundle": bundle.to_record(),
            "session": request.session,
            "moves": [move.to_record() for move in moves],
        }

    entry = store.logs.append(repo.id, make)
    [bundle] = entry.bundles
    return bundle


def check_targets(store: Store, repo: Repo, *, branch: str | None, label: str | None) -> None:
    """Returns when a commit could move this branch and this label now: what an upload asks before it reads a byte.

    Raises as `commit_bundle` does for refs.
    """
    state = store.logs.repo(repo.id)
    for move in _targets(branch, label):
        next_move(state, repo, move)


def _targets(branch: str | None, label: str | None) -> list[Move]:
    """The refs to be moved, without their ends."""
    moves = []
    if branch is not None:
        moves.append(Move(check_name("branch", branch), "branch", None, None))
    if label is not None:
        moves.append(Move(check_name("label", label), "label", None, None))
    if len({move.ref for move in moves}) < len(moves):
        raise Invalid(
            "bad-name",
            f"{label!r} cannot be both the branch and the label; choose another label",
            kind="label",
            name=label,
        )
    return moves


def _bundle(store: Store, repo: Repo, request: CommitRequest, state: RepoState, identity: BundleId) -> Bundle:
    manifest = request.manifest
    parents = request.parents
    if parents is None:
        head = state.refs.get(check_name("branch", request.branch)) if request.branch is not None else None
        parents = (head.bundle,) if head is not None else ()
    for parent in parents:
        live_bundle(state, repo, parent)
    return Bundle(
        id=identity,
        repo=repo.id,
        manifest=manifest.id,
        content=manifest.content,
        parents=parents,
        author=store.author,
        time_ns=store.logs.next_time_ns(state),
        message=request.message,
        entries=manifest.entries,
        size_bytes=manifest.size_bytes,
        run=request.run,
        role=request.role,
    )
