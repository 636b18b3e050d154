"""Commit of what was staged: the head of a branch with these files in it, as a bundle."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from datamon.errors import Conflict
from datamon.store.bundle import Bundle
from datamon.store.columns import TreeColumns
from datamon.store.commit import CommitRequest, check_targets, commit_bundle
from datamon.store.entries import TreeEntry, paired
from datamon.store.ids import RunId
from datamon.store.manifest import iter_entries, read_manifest, write_columns
from datamon.store.opening import Store
from datamon.store.paths.staged import Staged
from datamon.store.put_tree import StoredTree, TreeSource, put_tree
from datamon.store.refs import live_bundle

_ATTEMPTS = 50
"""How often a head that moved meanwhile is taken anew."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What the bundle says of itself. That of a `run` moves no branch: the run's end does."""

    message: str
    run: RunId | None = None
    role: str | None = None


def commit_staged(store: Store, staged: Staged, purpose: Purpose) -> Bundle:
    """A new bundle: the branch's head as it is when it is committed, without the paths that were removed, with the files that
    were staged. The branch points at it then, unless it is a run's. Another writer's commit meanwhile is kept: it is what this
    one is put on. All of it or nothing.

    Raises Conflict (`ref-moved` after fifty others came first, `condemned`, `session-fenced`, `ref-exists`), NotFound
    (`repo-not-found`), Denied, Unavailable, Corrupt when the head cannot be read.
    """
    check_targets(store, staged.repo, branch=staged.branch, label=None)
    tree: StoredTree | None = None
    for attempt in range(1, _ATTEMPTS + 1):
        condemned = store.logs.store().condemned | store.logs.repo(staged.repo.id).condemned
        if tree is None:
            staged.tree.mkdir(parents=True, exist_ok=True)
            tree = put_tree(store, TreeSource(staged.tree, "none"), condemned=condemned)
        try:
            return commit_bundle(store, staged.repo, _request(store, staged, tree, purpose, condemned))
        except Conflict as error:
            if attempt == _ATTEMPTS or error.code not in ("ref-moved", "condemned", "session-fenced"):
                raise
            if error.code != "ref-moved":
                tree = None
    raise AssertionError("the last attempt returns or raises")


def _request(
    store: Store, staged: Staged, tree: StoredTree, purpose: Purpose, condemned: frozenset[str]
) -> CommitRequest:
    state = store.logs.repo(staged.repo.id)
    ref = state.refs.get(staged.branch)
    head = None if ref is None else live_bundle(state, staged.repo, ref.bundle)
    below = iter(()) if head is None else iter_entries(store.metadata, read_manifest(store.metadata, head.manifest))
    merged = changed(below, iter_entries(store.metadata, tree.manifest), staged.removed())
    manifest = write_columns(store.metadata, TreeColumns.of(merged), condemned=condemned)
    return CommitRequest(
        manifest,
        purpose.message,
        tree.session,
        branch=None if purpose.run else staged.branch,
        run=purpose.run,
        role=purpose.role,
        parents=() if head is None else (head.id,),
        reused=tree.reused,
        beside=None if head is None else head.id,
        only_onto_parents=purpose.run is None,
    )


def changed(olds: Iterable[TreeEntry], news: Iterable[TreeEntry], removed: Iterable[str] = ()) -> Iterator[TreeEntry]:
    """The entries of a tree after a change, in order: `olds` without what is at and below `removed`, with `news` in place of what
    they have there. Both come in the order of their paths. A directory of both stays as it was."""
    gone = set(removed)
    for old, new in paired(olds, news):
        stands = old if old is not None and not _is_gone(old.path, gone) else None
        if new is not None and (stands is None or stands.kind != "dir" or new.kind != "dir"):
            if stands is not None and stands.kind == "dir":
                gone.add(stands.path)
            yield new
        elif stands is not None:
            yield stands


def _is_gone(path: str, gone: set[str]) -> bool:
    """Whether the path, or one above it, is among those that are gone."""
    if not gone:
        return False
    if path in gone:
        return True
    while (slash := path.rfind("/")) >= 0:
        path = path[:slash]
        if path in gone:
            return True
    return False
