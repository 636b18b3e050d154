"""Sessions: started, cancelled, listed."""

from datamon.store.bundle import Repo
from datamon.store.codec import NEWEST, Record
from datamon.store.ids import JointId, new_ksuid
from datamon.store.log import RepoState
from datamon.store.opening import Store
from datamon.store.repos import check_text, find_repo, standing_repo
from datamon.store.sessions.begun import list_begun, unmark
from datamon.store.sessions.joint import CANCELLED, STARTED, JointSession
from datamon.store.sessions.taken import find_session, open_session


def start_session(store: Store, repo_name: str, *, tag: str | None = None) -> JointSession:
    """A new open session of the repo, to which any machine may add splits from now on.

    Raises NotFound (`repo-not-found`), Invalid (`bad-argument`), Conflict (`log-contended`), Unavailable.
    """
    repo = find_repo(store, repo_name)
    if tag is not None:
        check_text("tag", tag)
    identity = JointId(new_ksuid(store.clock()))

    def make(_: RepoState) -> Record:
        check_standing(store, repo)
        return {"format": NEWEST, "kind": STARTED, "joint": identity, "tag": tag}

    store.logs.append(repo.id, make)
    return store.logs.repo(repo.id).sessions[identity]


def cancel_session(store: Store, repo_name: str, session: str) -> JointSession:
    """The session is cancelled, and what only its splits hold is garbage. One that is cancelled already stays as it is.

    Raises NotFound (`repo-not-found`, `session-not-found`), Conflict (`session-ended` when it was committed).
    """
    repo = find_repo(store, repo_name)
    if find_session(store.logs.repo(repo.id), repo, session).state != "cancelled":

        def make(state: RepoState) -> Record:
            return {"format": NEWEST, "kind": CANCELLED, "joint": open_session(state, repo, session).id}

        store.logs.append(repo.id, make)
    cancelled = store.logs.repo(repo.id).sessions[JointId(session)]
    unmark(store, list_begun(store, repo.id, cancelled.id))
    return cancelled


def list_sessions(store: Store, repo_name: str) -> list[JointSession]:
    """The repo's sessions in the order of their starts. Raises NotFound (`repo-not-found`)."""
    return list(store.logs.repo(find_repo(store, repo_name).id).sessions.values())


def get_session(store: Store, repo_name: str, session: str) -> JointSession:
    """The session of this id. Raises NotFound (`repo-not-found`, `session-not-found`)."""
    repo = find_repo(store, repo_name)
    return find_session(store.logs.repo(repo.id), repo, session)


def check_standing(store: Store, repo: Repo) -> None:
    """Returns when the repo was not deleted. Raises NotFound (`repo-not-found`)."""
    standing_repo(store.logs.store(), repo)
