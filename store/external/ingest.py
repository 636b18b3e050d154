"""Ingest: a data set that lies elsewhere becomes a bundle of ordinary files; what is known of it is not read again."""

from dataclasses import dataclass

from datamon.errors import Conflict
from datamon.store.bundle import Bundle, Repo
from datamon.store.commit import CommitRequest, check_targets, commit_bundle
from datamon.store.external.bring import Bringing, bring_all
from datamon.store.external.gather import gather, with_directories
from datamon.store.external.notes import Notes
from datamon.store.external.source import Listed
from datamon.store.external.sources import Sources
from datamon.store.external.urls import Url, parse_url
from datamon.store.manifest import write_manifest
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.repos import check_text, find_repo
from datamon.store.upload import ATTEMPTS


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
    listed = _listed(sources, url, request.pattern, progress)
    notes = Notes(store, url)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _bring(_Ingesting(store, repo, request, sources, notes, progress), listed)
        except Conflict as error:
            # A collector took something away meanwhile: what is missing is read again.
            if error.code not in ("condemned", "session-fenced") or attempt == ATTEMPTS:
                raise
            notes.forget()
    raise AssertionError("the last attempt returns or raises")


def _listed(sources: Sources, url: Url, pattern: str, progress: Progress) -> list[Listed]:
    progress.begin("list", None, None)
    listed = gather(sources, url, pattern=pattern)
    progress.end()
    return listed


@dataclass(frozen=True, slots=True)
class _Ingesting:
    store: Store
    repo: Repo
    request: IngestRequest
    sources: Sources
    notes: Notes
    progress: Progress


def _bring(ingesting: _Ingesting, listed: list[Listed]) -> Bundle:
    store, repo, request, progress = ingesting.store, ingesting.repo, ingesting.request, ingesting.progress
    condemned = store.logs.store().condemned | store.logs.repo(repo.id).condemned
    progress.begin("ingest", len(listed), sum(each.at.size_bytes or 0 for each in listed))
    brought = bring_all(Bringing(store, ingesting.sources, ingesting.notes, condemned, progress), listed)
    progress.end()
    manifest = write_manifest(store.metadata, with_directories(brought.entries), condemned=condemned)
    asked = CommitRequest(
        manifest, request.message, brought.session, branch=request.branch, label=request.label, reused=None
    )
    bundle = commit_bundle(store, repo, asked)
    ingesting.notes.finish()
    return bundle
