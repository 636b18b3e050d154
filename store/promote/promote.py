"""Promote: a bundle of one store is committed in another, which says where it came from; what is there is not sent."""

from dataclasses import dataclass

from datamon.errors import Corrupt
from datamon.store.bundle import Bundle, CopiedFrom, Repo
from datamon.store.commit import CommitRequest, check_targets
from datamon.store.ids import BundleId
from datamon.store.manifest import read_manifest
from datamon.store.named import keys_of
from datamon.store.names import DEFAULT_BRANCH, check_name
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.promote.recut import recut_tree
from datamon.store.promote.tree import Sending, send_tree
from datamon.store.put_tree import StoredTree
from datamon.store.refs import live_bundle, set_label
from datamon.store.repos import check_text, standing_repo
from datamon.store.upload import commit_put


@dataclass(frozen=True, slots=True)
class PromoteRequest:
    """Which bundle of which repo is to be promoted, and which refs of the target point at the new one then. `message` None is the
    bundle's own."""

    repo: Repo
    bundle: Bundle
    message: str | None = None
    branch: str = DEFAULT_BRANCH
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Promoted:
    """The bundle of the target that holds what was promoted, and whether it was made for that or stood at the branch's head."""

    bundle: Bundle
    made: bool


def promote(
    source: Store, target: Store, repo: Repo, request: PromoteRequest, *, progress: Progress = SILENT
) -> Promoted:
    """`repo` of the target has a bundle with the same entries, to which branch and label point; until the one entry that says so
    stands, nothing is visible. It has an id of its own and says in `copied_from` what it is a copy of. Chunks and segments that
    the target has are not sent, and what is sent is verified. Where the branch's head holds the very same entries already,
    nothing is made and only the label is set.

    A collector in the target that takes away what the bundle relies on costs another attempt, as in an upload; one in the
    source nothing, as long as the bundle is there. Raises NotFound (`bundle-not-found` and `repo-not-found` when that was deleted
    meanwhile), Conflict (`ref-exists`, `ref-frozen`, `condemned`, `session-fenced`), Corrupt, naming the bundle, Invalid
    (`bad-name`, `bad-argument`, `newer-format`, `unsafe-path`), Denied, Unavailable.
    """
    message = check_text("message", request.bundle.message if request.message is None else request.message)
    check_targets(target, repo, branch=request.branch, label=request.label)
    head = _head(target, repo, request.branch)
    same = names_alike(source, target)
    if same and head is not None and head.manifest == request.bundle.manifest:
        return _standing(target, repo, head, request.label)
    transfer = _Transfer(source, target, repo, request, same, progress)

    def ask(tree: StoredTree) -> CommitRequest:
        standing = _head(target, repo, request.branch)
        if standing is not None and standing.manifest == tree.manifest.id:
            raise _NothingNew(standing)
        return CommitRequest(
            tree.manifest,
            message,
            tree.session,
            branch=request.branch,
            label=request.label,
            reused=tree.reused,
            beside=transfer.beside,
            copied_from=(_copied_from(source, request), *request.bundle.copied_from),
        )

    try:
        return Promoted(commit_put(target, repo, transfer.put, ask)[1], made=True)
    except _NothingNew as nothing:
        return _standing(target, repo, nothing.head, request.label)


def names_alike(source: Store, target: Store) -> bool:
    """Whether both stores give the same bytes the same ids, so that chunks and segments of one can be kept in the other."""
    return source.hashing == target.hashing


class _NothingNew(Exception):  # noqa: N818 (not an error: it ends an attempt that has nothing to commit)
    """The head of the branch holds the very same entries."""

    def __init__(self, head: Bundle) -> None:
        super().__init__(head.id)
        self.head = head


@dataclass
class _Transfer:
    """One bundle on its way into a repo of the target."""

    source: Store
    target: Store
    repo: Repo
    request: PromoteRequest
    same_names: bool
    progress: Progress
    beside: BundleId | None = None
    """The bundle of the target whose chunks and segments were not looked at, since it needs them too."""

    def put(self, condemned: frozenset[str]) -> StoredTree:
        """As `send_tree`. Raises NotFound (`bundle-not-found`, `repo-not-found`) when the bundle was deleted meanwhile and is no
        longer whole."""
        try:
            return self._put(condemned)
        except Corrupt as error:
            bundle, repo = self.request.bundle, self.request.repo
            if repo.id != self.source.id:
                standing_repo(self.source.logs.store(), repo)
            live_bundle(self.source.logs.repo(repo.id), repo, bundle.id)
            message = f"the bundle {bundle.id} cannot be promoted: {error.message}"
            raise Corrupt(error.code, message, **{**error.facts, "bundle": bundle.id}) from error

    def _put(self, condemned: frozenset[str]) -> StoredTree:
        manifest = read_manifest(self.source.metadata, self.request.bundle.manifest)
        if not self.same_names:
            return recut_tree(self.source, self.target, manifest, condemned, self.progress)
        standing = self._standing_keys() - condemned
        return send_tree(Sending(self.source, self.target, manifest, standing, condemned, self.progress))

    def _standing_keys(self) -> frozenset[str]:
        """What the head of the branch needs: as long as that is not deleted, nothing of it is taken away."""
        self.beside = None
        head = _head(self.target, self.repo, self.request.branch)
        if head is None:
            return frozenset()
        try:
            keys = frozenset(keys_of(read_manifest(self.target.metadata, head.manifest)))
        except Corrupt:  # then everything is looked at
            return frozenset()
        self.beside = head.id
        return keys


def _head(store: Store, repo: Repo, branch: str) -> Bundle | None:
    """The head of the branch, when there is one."""
    state = store.logs.repo(repo.id)
    ref = state.refs.get(check_name("branch", branch))
    return state.bundles[ref.bundle] if ref is not None else None


def _standing(target: Store, repo: Repo, head: Bundle, label: str | None) -> Promoted:
    if label is not None:
        set_label(target, repo, label, head.id)
    return Promoted(head, made=False)


def _copied_from(source: Store, request: PromoteRequest) -> CopiedFrom:
    bundle, repo = request.bundle, request.repo
    return CopiedFrom(source.id, repo.id, repo.name, bundle.id, bundle.author, bundle.time_ns, bundle.run)
