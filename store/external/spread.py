"""A spread ingest: shares of what lies at a URL are brought in by tasks on many machines, as splits of one session."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from datamon.errors import DatamonError, Invalid, Unavailable
from datamon.store.bundle import Bundle
from datamon.store.commit import check_targets
from datamon.store.external.access import Access
from datamon.store.external.ingest import IngestRequest, list_wanted
from datamon.store.external.share_task import ShareTask
from datamon.store.external.shares import Share, count_of, cut, shares_wanted
from datamon.store.external.source import Listed
from datamon.store.external.sources import Sources
from datamon.store.external.urls import Url, parse_url
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.repos import check_text, find_repo
from datamon.store.sessions.commit import SessionCommit, commit_session
from datamon.store.sessions.joint import JointSession
from datamon.store.sessions.merge import RESERVED
from datamon.store.sessions.start import get_session, start_session
from datamon.store.sessions.taken import open_session


class Engine(Protocol):
    """Runs tasks on many machines."""

    @property
    def width(self) -> int:
        """How many tasks it can run at once."""

    def run(self, tasks: Sequence[ShareTask], done: Callable[[ShareTask], None]) -> str | None:
        """Each task's `bring_share` has returned somewhere, and `done` was told of each; or what kept one from it. A task that
        fails for a passing reason, or whose process dies, is tried again. Raises the DatamonError of one that cannot succeed."""


def _untold(_: str) -> None:
    """Says nothing."""


@dataclass(frozen=True, slots=True)
class Spread:
    """What runs the tasks, and how they open the store. `session` None is a new one, else one that is to be gone on with. `tell`
    hears, in sentences, how far it is."""

    engine: Callable[[], AbstractContextManager[Engine]]
    access: Access
    session: str | None = None
    tell: Callable[[str], None] = _untold


def ingest_spread(store: Store, request: IngestRequest, spread: Spread, *, progress: Progress = SILENT) -> Bundle:
    """As `ingest`, with the same tree; the bytes are read by tasks. All of it is in the bundle, or there is none: then the
    session stays open and has the splits that were completed. Gone on with, only those are brought in that are missing, or whose
    sources changed, or of which the place does not prove that they did not.

    Raises as `ingest` does, Unavailable (`splits-missing`), NotFound (`session-not-found`), Conflict (`session-ended`), Invalid
    (`bad-config` when tasks could not open the store, `bad-argument` when the session has splits of others, `unsafe-path` for
    names that sessions keep for themselves).
    """
    repo = find_repo(store, request.repo)
    url = parse_url(request.url)
    check_text("message", request.message)
    check_targets(store, repo, branch=request.branch, label=request.label)
    spread.access.check()
    if spread.session is not None:
        _shares_begun(open_session(store.logs.repo(repo.id), repo, spread.session))
    listed = list_wanted(Sources(), url, request.pattern, progress)
    _check_names(listed)
    for place in spread.access.local:
        spread.tell(f"the store lies at {place}, a path of this machine: every worker must have the same files there")
    with spread.engine() as engine:
        session = _session(store, request, url, spread.session)
        count = _shares_begun(session) or shares_wanted(listed, engine.width)
        shares = cut(listed, count, url)
        _bring(store, _Bringing(request, spread, engine, session, url), shares, progress)
    return _commit(store, request, session, shares)


def _session(store: Store, request: IngestRequest, url: Url, session: str | None) -> JointSession:
    if session is not None:
        return get_session(store, request.repo, session)
    return start_session(store, request.repo, tag=f"ingest {url.text.partition('?')[0]}")  # without a signature


def _shares_begun(session: JointSession) -> int | None:
    """Into how many shares the session's splits were cut; None while it has none."""
    counts = {count_of(split.name) for split in session.splits}
    if None in counts or len(counts) > 1:
        message = f"the session {session.id} has splits that no ingest made; commit or cancel it, and ingest without --session"
        raise Invalid("bad-argument", message, argument="session", session=session.id)
    return next(iter(counts), None)


def _check_names(listed: Sequence[Listed]) -> None:
    for each in listed:
        top = each.path.partition("/")[0]
        if top in RESERVED:
            message = (
                f"the name {top!r} at {each.url} is kept for what gave way in sessions; leave it out with --name-filter, or "
                "ingest on this machine alone, with --engine local"
            )
            raise Invalid("unsafe-path", message, url=each.url.text, path=each.path)


@dataclass(frozen=True, slots=True)
class _Bringing:
    request: IngestRequest
    spread: Spread
    engine: Engine
    session: JointSession
    url: Url


def _bring(store: Store, bringing: _Bringing, shares: Sequence[Share], progress: Progress) -> None:
    """The shares are splits of the session."""
    session, tell = bringing.session, bringing.spread.tell
    standing = {(split.name, split.tag) for split in session.splits}
    missing = [share for share in shares if not share.is_proven or (share.name, share.tag) not in standing]
    access, repo = bringing.spread.access, bringing.request.repo
    tasks = [ShareTask(access, repo, session.id, bringing.url, share) for share in missing]
    finished = len(shares) - len(missing)
    tell(f"session {session.id}: {finished} of {len(shares)} splits are done")
    progress.begin("ingest", sum(share.files for share in missing), sum(share.size_bytes for share in missing))

    def done(task: ShareTask) -> None:
        nonlocal finished
        finished += 1
        progress.advance(task.share.files, task.share.size_bytes)
        tell(f"{task.share.name} is done, {finished} of {len(shares)} splits")

    try:
        stopped = bringing.engine.run(tasks, done) if tasks else None
    except (DatamonError, KeyboardInterrupt):
        tell(_still_open(bringing.request, session))
        raise
    finally:
        progress.end()
    if stopped is not None:
        count = len(_missing(get_session(store, bringing.request.repo, session.id), shares))
        message = (
            f"{count} of {len(shares)} splits were not completed ({stopped}); {_still_open(bringing.request, session)}"
        )
        raise Unavailable("splits-missing", message, session=session.id)


def _missing(session: JointSession, shares: Sequence[Share]) -> list[str]:
    standing = {(split.name, split.tag) for split in session.splits}
    return [share.name for share in shares if (share.name, share.tag) not in standing]


def _still_open(request: IngestRequest, session: JointSession) -> str:
    return (
        f"the session {session.id} of {request.repo} stays open with what is complete: run the same ingest with "
        f"--session {session.id} to go on, or `datamon session cancel` to give it up"
    )


def _commit(store: Store, request: IngestRequest, session: JointSession, shares: Sequence[Share]) -> Bundle:
    wanted = {share.name: share.tag for share in shares}
    asked = SessionCommit(
        request.repo, session.id, request.message, "no-conflicts", request.branch, request.label, wanted=wanted
    )
    return commit_session(store, asked).bundle
