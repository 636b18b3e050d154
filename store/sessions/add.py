"""Add: a directory becomes a split of a session, whole or not at all."""

from dataclasses import dataclass, field
from pathlib import Path

from datamon.errors import Conflict
from datamon.store.bundle import Bundle, Repo
from datamon.store.codec import NEWEST, Record
from datamon.store.ids import BundleId, new_ksuid
from datamon.store.log import RepoState
from datamon.store.names import check_name
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.put_tree import StoredTree, TreeSource, put_tree
from datamon.store.reliance import Reliance
from datamon.store.repos import check_text, find_repo
from datamon.store.sessions.begun import list_begun, mark_begun, unmark
from datamon.store.sessions.joint import ADDED, JointSession, Split
from datamon.store.sessions.select import Choice
from datamon.store.sessions.start import check_standing
from datamon.store.sessions.taken import open_session
from datamon.store.upload import ATTEMPTS


@dataclass(frozen=True, slots=True)
class AddRequest:
    """What is to be added to which session. `split` None is a new name; a name that was added before is replaced whole."""

    repo: str
    session: str
    path: Path
    split: str | None = None
    tag: str | None = None
    choice: Choice = field(default_factory=Choice)
    processes: int = 1


def add_split(store: Store, request: AddRequest, *, progress: Progress = SILENT) -> Split:
    """The directory's tree is a completed split of the session when this returns; until the one entry that says so stands,
    nothing of it is visible but a mark that it was begun. Doing it again after a failure sends only what is missing.

    Raises NotFound (`repo-not-found`, `session-not-found`, `path-not-found`), Conflict (`session-ended`), Invalid (`bad-name`),
    and as `put_tree` does; after `ATTEMPTS` the Conflict (`condemned`, `session-fenced`) of the last.
    """
    repo = find_repo(store, request.repo)
    session = open_session(store.logs.repo(repo.id), repo, request.session)
    name = check_name("split", request.split if request.split is not None else f"split-{new_ksuid(store.clock())}")
    if request.tag is not None:
        check_text("tag", request.tag)
    marks = [mark for mark in list_begun(store, repo.id, session.id) if mark.split == name]
    marks.append(mark_begun(store, repo.id, session.id, name))
    split = _added(store, repo, session, request, name, progress)
    unmark(store, marks)
    return split


def _added(
    store: Store, repo: Repo, session: JointSession, request: AddRequest, name: str, progress: Progress
) -> Split:
    all_of_it = request.choice.is_everything
    select = None if all_of_it else request.choice.select
    source = TreeSource(request.path, "use" if all_of_it else "none", request.processes, select)
    for attempt in range(1, ATTEMPTS + 1):
        condemned = store.logs.store().condemned | store.logs.repo(repo.id).condemned
        tree = put_tree(store, source, condemned=condemned, progress=progress)
        try:
            return _complete(store, repo, session, Completion(name, request.tag, tree))
        except Conflict as error:
            if error.code not in ("condemned", "session-fenced") or attempt == ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


@dataclass(frozen=True, slots=True)
class Completion:
    """A split whose tree is in the store."""

    name: str
    tag: str | None
    tree: StoredTree


def _complete(store: Store, repo: Repo, session: JointSession, done: Completion) -> Split:
    """The one entry by which the split counts: it relies on what a commit would."""
    manifest = done.tree.manifest
    reliance = Reliance(store, manifest, done.tree.session, done.tree.reused)
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
            "split": done.name,
            "tag": done.tag,
            "tree": tree.to_record(),
            "session": done.tree.session,
        }

    entry = store.logs.append(repo.id, make)
    return Split(done.name, done.tag, Bundle.from_record(repo.id, entry.record["tree"]))
