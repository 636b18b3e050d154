"""Work in a mount becomes a bundle: what was not written to is not read again."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from datamon.errors import Conflict
from datamon.store.bundle import Bundle, Repo
from datamon.store.columns import TreeColumns
from datamon.store.commit import CommitRequest
from datamon.store.entries import NO_CONTENT, TreeEntry
from datamon.store.hashing import Hashing
from datamon.store.ids import BundleId
from datamon.store.manifest import iter_entries, write_columns
from datamon.store.mount.work.node import DIRECTORY, SYMLINK, Node
from datamon.store.mount.work.work_tree import WorkTree
from datamon.store.opening import Store
from datamon.store.put_tree import StoredTree, TreeSource, put_tree
from datamon.store.upload import commit_put
from datamon.store.walk import text_content

_EXECUTES = 0o100


@dataclass(frozen=True, slots=True)
class WorkRequest:
    """Whose work it is, what it began as or follows (None: nothing), and what the bundle is to say and to be called."""

    repo: Repo
    base: BundleId | None
    branch: str
    message: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """The bundle, None when nothing was changed. `moved`: the branch points at it; else somebody else moved that meanwhile, and
    the bundle is there without it."""

    bundle: Bundle | None
    moved: bool = True


def commit_work(store: Store, work: WorkTree, request: WorkRequest) -> Committed:
    """What the tree is now is a bundle of the repo, whose parent is the one that the tree began as or was committed as last. The
    branch moves to it where it still points at that parent, and the label with it. The tree can be changed again afterwards.

    Nothing is lost when this raises: what was done is where it was. Raises Conflict (`ref-frozen`, `ref-exists`), NotFound
    (`repo-not-found`), Denied, Unavailable, Invalid.
    """
    with work.lock:
        parent = BundleId(work.committed) if work.committed else request.base

        def put(condemned: frozenset[str]) -> StoredTree:
            tree = put_tree(store, TreeSource(work.files), condemned=condemned)
            staged = {entry.path: entry for entry in iter_entries(store.metadata, tree.manifest)}
            columns = TreeColumns.of(sorted(_entries(work, staged, store.hashing), key=lambda entry: entry.path))
            manifest = write_columns(store.metadata, columns, condemned=condemned)
            return StoredTree(manifest, tree.session, tree.reused)

        def ask(tree: StoredTree, *, moving: bool = True) -> CommitRequest:
            return CommitRequest(
                tree.manifest,
                request.message,
                tree.session,
                branch=request.branch if moving else None,
                label=request.label if moving else None,
                parents=() if parent is None else (parent,),
                reused=tree.reused,
                beside=parent,
                only_onto_parents=moving,
            )

        if not work.is_changed:
            return Committed(None)
        try:
            _, bundle = commit_put(store, request.repo, put, ask)
            moved = True
        except Conflict as error:
            if error.code != "ref-moved":
                raise
            _, bundle = commit_put(store, request.repo, put, lambda tree: ask(tree, moving=False))
            moved = False
        work.note_commit(bundle.id)
        return Committed(bundle, moved)


def _entries(work: WorkTree, staged: dict[str, TreeEntry], hashing: Hashing) -> Iterable[TreeEntry]:
    for path, found in work.names.entries(work.top, ""):
        yield replace(found, path=path) if isinstance(found, TreeEntry) else _entry(path, found, staged, hashing)


def _entry(path: str, node: Node, staged: dict[str, TreeEntry], hashing: Hashing) -> TreeEntry:
    executable = bool(node.mode & _EXECUTES)
    if node.kind == DIRECTORY:
        return TreeEntry(path, "dir", 0, NO_CONTENT, None, None, False, node.mode, node.mtime_ns)
    if node.kind == SYMLINK:
        if node.below is not None:
            return replace(node.below, path=path, mtime_ns=node.mtime_ns)
        return TreeEntry(
            path, "symlink", 0, text_content(node.target, hashing), node.target, None, False, node.mode, node.mtime_ns
        )
    if node.staged is not None:
        own = staged[str(node.staged)]
        return replace(own, path=path, mode=node.mode, executable=executable)
    assert node.below is not None
    executable = executable and node.below.kind == "file"
    return replace(node.below, path=path, mode=node.mode, executable=executable, mtime_ns=node.mtime_ns)
