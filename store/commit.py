"""Commit: one log entry by which a bundle exists, and by which its branch and label point at it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamon.errors import Conflict, Invalid
from datamon.store.bundle import Bundle, CopiedFrom, Move, Repo
from datamon.store.codec import Record
from datamon.store.ids import BundleId, RunId, SessionId, new_ksuid
from datamon.store.log import RepoState
from datamon.store.names import check_name
from datamon.store.opening import Store
from datamon.store.origin import Origin
from datamon.store.refs import live_bundle, next_move
from datamon.store.reliance import Reliance
from datamon.store.repos import check_text, standing_repo
from datamon.store.sessions.taken import Taken
from datamon.store.tombstones import standing_in

if TYPE_CHECKING:  # a manifest brings pyarrow, which whoever hands one over has paid for
    from datamon.store.manifest import Manifest


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """What is to be committed. `manifest` and everything it needs are durable already.

    With neither `branch` nor `label` no ref moves (a run's output, until its run ends). `parents` None is the head of
    `branch` (else of `follows`, a branch that does not move) at the moment of the entry, or none where there is no branch.
    With `only_onto_parents` the entry is made only while the branch's head is the first of `parents`, or there is no branch
    and there are none.

    `reused` are the packs of other sessions that hold some of its chunks; None is for a manifest that was taken over from
    somewhere, and costs a look at every chunk once a gc has condemned anything. `beside` is a live bundle of the repo whose
    chunks and segments it relies on too: as long as that one is not deleted they stay. `copied_from` are as in Bundle. What is
    taken over from a store of the first datamon keeps the `id` that it has there, and its `origin` says who made it and when.
    `joint` is what of which session was merged.
    """

    manifest: "Manifest"
    message: str
    session: SessionId | None
    branch: str | None = None
    label: str | None = None
    run: RunId | None = None
    role: str | None = None
    parents: tuple[BundleId, ...] | None = None
    follows: str | None = None
    reused: frozenset[str] | None = None
    beside: BundleId | None = None
    copied_from: tuple[CopiedFrom, ...] = ()
    id: BundleId | None = None
    origin: Origin | None = None
    only_onto_parents: bool = False
    joint: Taken | None = None


def commit_bundle(store: Store, repo: Repo, request: CommitRequest) -> Bundle:
    """A new bundle, which exists when this returns: it, its branch's move and its label's stand in one entry, or nothing does.

    A parent that was replaced since is its replacement. Raises Invalid (`bad-name`, `bad-argument`), NotFound
    (`bundle-not-found` for a parent, `repo-not-found` when the repo was deleted meanwhile), Conflict (`ref-exists`, `ref-frozen`,
    `ref-moved` under `only_onto_parents`, `log-contended`; `bundle-exists` when the repo has or had a bundle of this `id`;
    `condemned` and `session-fenced` when a gc takes something away on which the bundle relies: put it again in a new session, and
    commit that), Unavailable.
    """
    check_text("message", request.message)
    targets = _targets(request.branch, request.label)
    reliance = Reliance(store, request.manifest, request.session, request.reused)
    identity = request.id or BundleId(new_ksuid(store.clock()))

    def make(state: RepoState) -> Record:
        own = store.logs.store()
        if repo.id != store.id:  # what is committed to a deleted repo would be acknowledged and never seen
            standing_repo(own, repo)
        if request.joint is not None:
            request.joint.check(state, repo)
        reliance.check(state, own)
        _check_beside(state, request.beside)
        if identity in state.bundles:
            raise _exists(repo, identity)
        if request.only_onto_parents:
            _check_head(repo, request, state)
        moves = [next_move(state, repo, Move(ref.ref, ref.ref_kind, None, identity)) for ref in targets]
        bundle = _bundle(store, repo, request, state, identity)
        return {
            "kind": "commit",
            "time": bundle.time_ns,
            "bundle": bundle.to_record(),
            "session": request.session,
            "moves": [move.to_record() for move in moves],
            **(request.origin.fields(store, state) if request.origin is not None else {}),
            **(request.joint.to_record() if request.joint is not None else {}),
        }

    entry = store.logs.append(repo.id, make)
    [bundle] = entry.bundles
    return bundle


def _check_beside(state: RepoState, beside: BundleId | None) -> None:
    """Raises Conflict (`condemned`) when the bundle on which another relies was deleted."""
    if beside is not None and beside in state.deleted:
        raise Conflict(
            "condemned",
            f"the bundle {beside}, on which this one relies, was deleted meanwhile; try again, which puts what is missing",
            name=beside,
        )


def check_targets(store: Store, repo: Repo, *, branch: str | None, label: str | None) -> None:
    """Returns when a commit could move this branch and this label now: what an upload asks before it reads a byte.

    Raises as `commit_bundle` does for refs.
    """
    state = store.logs.repo(repo.id)
    for move in _targets(branch, label):
        next_move(state, repo, move)


def _check_head(repo: Repo, request: CommitRequest, state: RepoState) -> None:
    assert request.branch is not None
    ref = state.refs.get(check_name("branch", request.branch))
    expected = request.parents[0] if request.parents else None
    if (None if ref is None else ref.bundle) != (None if expected is None else standing_in(state, expected)):
        message = f"the branch {request.branch!r} of {repo.name!r} moved meanwhile; try again"
        raise Conflict("ref-moved", message, repo=repo.name, ref=request.branch)


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


def _exists(repo: Repo, bundle: BundleId) -> Conflict:
    return Conflict(
        "bundle-exists",
        f"the repo {repo.name!r} has, or had, a bundle {bundle}; `datamon bundle list --repo {repo.name}` shows those it has",
        repo=repo.name,
        bundle=bundle,
    )


def _bundle(store: Store, repo: Repo, request: CommitRequest, state: RepoState, identity: BundleId) -> Bundle:
    manifest, origin = request.manifest, request.origin
    parents = request.parents
    if parents is None:
        branch = request.branch if request.branch is not None else request.follows
        head = state.refs.get(check_name("branch", branch)) if branch is not None else None
        parents = (head.bundle,) if head is not None else ()
    parents = tuple(live_bundle(state, repo, standing_in(state, parent)).id for parent in parents)
    return Bundle(
        id=identity,
        repo=repo.id,
        manifest=manifest.id,
        content=manifest.content,
        parents=parents,
        author=store.author if origin is None else origin.author,
        time_ns=store.logs.next_time_ns(state) if origin is None else origin.time_ns,
        message=request.message,
        entries=manifest.entries,
        size_bytes=manifest.size_bytes,
        run=request.run,
        role=request.role,
        copied_from=request.copied_from,
    )
