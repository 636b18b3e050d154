"""Ingest: a data set that lies elsewhere becomes a bundle of ordinary files; what is known of it is not read again."""

from dataclasses import dataclass

from datamon.store.bundle import Bundle
from datamon.store.commit import CommitRequest, check_targets
from datamon.store.external.gather import gather
from datamon.store.external.notes import Notes
from datamon.store.external.put_listed import ListedTree
from datamon.store.external.source import Listed
from datamon.store.external.sources import Sources
from datamon.store.external.urls import Url, parse_url
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.put_tree import StoredTree
from datamon.store.repos import check_text, find_repo
from datamon.store.upload import commit_put


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What is to be brought in, where to, and which refs point at it then; `pattern` as for `gather`."""

    url: str
    repo: str
    message: str
    branch: str = DEFAULT_BRANCH
    label: str | None = None
    pattern: str = ""


def ingest(store: Store, request: IngestRequest, *, progress: Progress = SILENT) -> Bundle:
    """A new bundle of what lies at the URL or beneath it, and nothing else, as files, to which branch and label point; until the
    one entry that says so stands, nothing is visible. Read is only what this machine has not brought in before from there, as far
    as the place's ETags, generations or times tell; so an ingest that was killed goes on where it was. In memory are some
    hundred bytes for each file, and at most `fetch.AHEAD_BYTES` of what is read, besides what a session needs.

    Raises NotFound (`repo-not-found`, `source-not-found`), Denied (`source-denied`), Unavailable (`source-unavailable`), Conflict
    (`source-changed` when something goes on changing while it is read; `ref-frozen`, `ref-exists`), Invalid (`bad-url`,
    `unsafe-path`, `unsupported-file`, `missing-extra`, `bad-argument`), and as `commit_bundle` does.
    """
    repo = find_repo(store, request.repo)
    url = parse_url(request.url)
    check_text("message", request.message)
    check_targets(store, repo, branch=request.branch, label=request.label)
    sources = Sources()
    listed = list_wanted(sources, url, request.pattern, progress)
    notes = Notes(store, url)

    def ask(tree: StoredTree) -> CommitRequest:
        return CommitRequest(
            tree.manifest, request.message, tree.session, branch=request.branch, label=request.label, reused=tree.reused
        )

    _, bundle = commit_put(store, repo, ListedTree(store, sources, notes, listed, progress).put, ask)
    notes.finish()
    return bundle


def list_wanted(sources: Sources, url: Url, pattern: str, progress: Progress) -> list[Listed]:
    """As `gather`, told of."""
    progress.begin("list", None, None)
    listed = gather(sources, url, pattern=pattern)
    progress.end()
    return listed
