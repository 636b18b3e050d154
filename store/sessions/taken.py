"""What a commit took of a session, and whether that still stands."""

from dataclasses import dataclass

from datamon.errors import Conflict, Invalid, NotFound
from datamon.store.bundle import Repo
from datamon.store.codec import NEWEST, Record
from datamon.store.ids import JointId
from datamon.store.log_state import RepoState
from datamon.store.sessions.joint import ConflictMode, JointSession, Split


@dataclass(frozen=True, slots=True)
class Taken:
    """The splits of a session that were merged, in the order of their completions, and how."""

    session: JointId
    splits: tuple[Split, ...]
    mode: ConflictMode

    def check(self, state: RepoState, repo: Repo) -> None:
        """Returns when the session is open behind `state` and has just these splits: then what they hold is in use in this log
        without a gap. Raises as `open_session`, and Conflict (`session-moved`): merge again."""
        standing = open_session(state, repo, self.session)
        if standing.splits != self.splits:
            raise Conflict(
                "session-moved",
                f"a split was added to the session {self.session} meanwhile; commit again",
                session=self.session,
            )

    def to_record(self) -> Record:
        """The fields that a commit entry has besides."""
        splits = [split.to_record() for split in self.splits]
        return {"format": NEWEST, "joint": {"id": self.session, "mode": self.mode, "splits": splits}}


def find_session(state: RepoState, repo: Repo, session: str) -> JointSession:
    """The repo's session of this id. Raises NotFound (`session-not-found`)."""
    found = state.sessions.get(JointId(session))
    if found is None:
        raise NotFound(
            "session-not-found",
            f"the repo {repo.name!r} has no session {session}; `datamon session list --repo {repo.name}` shows those it has",
            repo=repo.name,
            session=session,
        )
    return found


def open_session(state: RepoState, repo: Repo, session: str) -> JointSession:
    """The same while it is open. Raises Conflict (`session-ended`), which names the bundle if there is one."""
    found = find_session(state, repo, session)
    if found.is_open:
        return found
    became = f"committed as the bundle {found.bundle}" if found.bundle else "cancelled"
    raise Conflict(
        "session-ended",
        f"the session {session} of {repo.name!r} was {became}; start another one for more",
        session=session,
        bundle=found.bundle,
    )


def with_splits(session: JointSession, repo: Repo) -> JointSession:
    """The session, when it has a completed split. Raises Invalid (`session-empty`)."""
    if not session.splits:
        raise Invalid(
            "session-empty",
            f"no split of the session {session.id} is complete; `datamon session add --repo {repo.name} "
            f"--session {session.id} --path DIR` adds one",
            session=session.id,
        )
    return session
