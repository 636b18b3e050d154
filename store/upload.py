"""Upload: a directory becomes a bundle, whole or not at all."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from datamon.errors import Conflict
from datamon.store.bundle import Bundle, Repo
from datamon.store.commit import CommitRequest, check_targets, commit_bundle
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.put_tree import StoredTree, TreeSource, put_tree
from datamon.store.repos import check_text, find_repo
from datamon.store.roots import Manifest

ATTEMPTS = 5
"""How often a tree is put when a collector condemns each time what it relies on."""


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What is to be uploaded, where to, and which refs point at it then; with `verify` every file is read, whatever its times
    say."""

    repo: str
    path: Path
    message: str
    branch: str = DEFAULT_BRANCH
    label: str | None = None
    verify: bool = False


def upload(store: Store, request: UploadRequest, *, processes: int = 1, progress: Progress = SILENT) -> Bundle:
    """The new bundle of the directory, to which branch and label point; until the one entry that says so stands, nothing is
    visible. Repo, message and refs are checked before a byte is read. With 2 `processes` another may read a large tree: it is
    forked where that can be done.

    Raises NotFound (`repo-not-found`, `path-not-found`), Conflict (`ref-frozen`, `ref-exists`), and as `commit_tree` does.
    """
    repo = find_repo(store, request.repo)
    check_text("message", request.message)
    check_targets(store, repo, branch=request.branch, label=request.label)
    source = TreeSource(request.path, "refresh" if request.verify else "use", processes)

    def ask(tree: StoredTree) -> CommitRequest:
        return CommitRequest(
            tree.manifest,
            request.message,
            tree.session,
            branch=request.branch,
            label=request.label,
            reused=tree.reused,
        )

    return commit_tree(store, repo, source, ask, progress=progress)[1]


def commit_tree(
    store: Store,
    repo: Repo,
    source: TreeSource,
    ask: Callable[[StoredTree], CommitRequest],
    *,
    progress: Progress = SILENT,
) -> tuple[Manifest, Bundle]:
    """The directory's tree is in the store and committed as `ask` says of it. When a collector condemns meanwhile what it relies
    on, or takes its session for dead, the tree is put again, which sends only what is missing.

    Raises as `put_tree` and `commit_bundle` do; after `ATTEMPTS` the Conflict (`condemned`, `session-fenced`) of the last.
    """

    def put(condemned: frozenset[str]) -> StoredTree:
        nonlocal source
        tree = put_tree(store, source, condemned=condemned, progress=progress)
        if source.cache == "refresh":
            source = replace(source, cache="use")  # its files have been read now
        return tree

    return commit_put(store, repo, put, ask)


def commit_put(
    store: Store,
    repo: Repo,
    put: Callable[[frozenset[str]], StoredTree],
    ask: Callable[[StoredTree], CommitRequest],
) -> tuple[Manifest, Bundle]:
    """What `put` puts, relying on nothing of the condemned names that it is given, is committed as `ask` says of it; it is put
    again when a collector condemns meanwhile what it relies on, or takes its session for dead.

    Raises as `put` and `commit_bundle` do; after `ATTEMPTS` the Conflict (`condemned`, `session-fenced`) of the last.
    """
    for attempt in range(1, ATTEMPTS + 1):
        tree = put(store.logs.store().condemned | store.logs.repo(repo.id).condemned)
        try:
            return tree.manifest, commit_bundle(store, repo, ask(tree))
        except Conflict as error:
            if error.code not in ("condemned", "session-fenced") or attempt == ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")
