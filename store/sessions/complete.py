"""Complete: a tree that a writer puts into the store becomes a split of a session, whole or not at all."""

from collections.abc import Callable
from dataclasses import dataclass

from datamon.errors import Conflict
from datamon.store.bundle import Bundle, Repo
from datamon.store.codec import NEWEST, Record
from datamon.store.ids import BundleId, new_ksuid
from datamon.store.log import RepoState
from datamon.store.names import check_name
from datamon.store.opening import Store
from datamon.store.put_tree import StoredTree
from datamon.store.reliance import Reliance
from datamon.store.repos import check_text, find_repo
from datamon.store.sessions.begun import list_begun, mark_begun, unmark
from datamon.store.sessions.joint import ADDED, JointSession, Split
from datamon.store.sessions.start import check_standing
from datamon.store.sessions.taken import open_session
from datamon.store.upload import ATTEMPTS


@dataclass(frozen=True, slots=True)
class SplitRequest:
    """Which split of which session is to be completed. `split` None is a new name; a name that was completed before is replaced
    whole. `tag` says what it is."""

    repo: str
    session: str
    split: str | None = None
    tag: str | None = None


def complete_split(store: Store, request: SplitRequest, put: Callable[[frozenset[str]], StoredTree]) -> Split:
    """The tree that `put` puts, relying on nothing of the condemned names that it is given, is a completed split of the session
    when this returns; until the one entry that says so stands, nothing of it is visible but a mark that it was begun. It is put
    again when a collector condemns meanwhile what it relies on, or takes its session for dead.

    Raises NotFound (`repo-not-found`, `session-not-found`), Conflict (`session-ended`), Invalid (`bad-name`, `bad-argument`),
    and as `put` does; after `ATTEMPTS` the Conflict (`condemned`, `session-fenced`) of the last.
    """
    repo = find_repo(store, request.repo)
    session = open_session(store.logs.repo(repo.id), repo, request.session)
    name = check_name("split", request.split if request.split is not None else f"split-{new_ksuid(store.clock())}")
    if request.tag is not None:
        check_text("tag", request.tag)
    marks = [mark for mark in list_begun(store, repo.id, session.id) if mark.split == name]
    marks.append(mark_begun(store, repo.id, session.id, name))
    completion = _Completion(repo, session, name, request.tag)
    split = _put_and_append(store, completion, put)
    unmark(store, marks)
    return split


@dataclass(frozen=True, slots=True)
class _Completion:
    """One that is under way."""

    repo: Repo
    session: JointSession
    name: str
    tag: str | None


def _put_and_append(store: Store, completion: _Completion, put: Callable[[frozenset[str]], StoredTree]) -> Split:
    for attempt in range(1, ATTEMPTS + 1):
        tree = put(store.logs.store().condemned | store.logs.repo(completion.repo.id).condemned)
        try:
            return _append(store, completion, tree)
        except Conflict as error:
            if error.code not in ("condemned", "session-fenced") or attempt == ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


def _append(store: Store, completion: _Completion, put: StoredTree) -> Split:
    """The one entry by which the split counts: it relies on what a commit would."""
    repo, session, manifest = completion.repo, completion.session, put.manifest
    reliance = Reliance(store, manifest, put.session, put.reused)
    generation = BundleId(new_ksuid(store.clock()))

    def make(state: RepoState) -> Record:
        check_standing(store, repo)
        open_session(state, repo, session.id)
        reliance.check(state, store.logs.store())
        tree = Bundle(
            id=generation,
            repo=repo.id,
            manifest=manifest.id,
            content=manifest.content,
            parents=(),
            author=store.author,
            time_ns=store.logs.next_time_ns(state),
            message="",
            entries=manifest.entries,
            size_bytes=manifest.size_bytes,
        )
        return {
            "format": NEWEST,
            "kind": ADDED,
            "time": tree.time_ns,
            "joint": session.id,
            "split": completion.name,
            "tag": completion.tag,
            "tree": tree.to_record(),
            "session": put.session,
        }

    entry = store.logs.append(repo.id, make)
    return Split(completion.name, completion.tag, Bundle.from_record(repo.id, entry.record["tree"]))
