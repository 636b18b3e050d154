"""A session as a Python program holds it."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from datamon.store.ids import JointId
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.opening import Store
from datamon.store.sessions.add import AddRequest, add_split
from datamon.store.sessions.commit import Committed, SessionCommit, commit_session
from datamon.store.sessions.joint import JointSession, Split, check_mode
from datamon.store.sessions.start import cancel_session, get_session


@dataclass(frozen=True, slots=True)
class SharedSession:
    """A session of a repo; others find it by its `id`."""

    store: Store
    repo: str
    id: JointId

    @property
    def now(self) -> JointSession:
        """The session as it stands: its state and its completed splits."""
        return get_session(self.store, self.repo, self.id)

    def add(self, path: "str | PathLike[str]", *, split: str | None = None, tag: str | None = None) -> Split:
        """The directory is a completed split when this returns; see `add_split`."""
        return add_split(self.store, AddRequest(self.repo, self.id, Path(path), split, tag))

    def commit(
        self, message: str, *, mode: str = "with-conflicts", branch: str = DEFAULT_BRANCH, label: str | None = None
    ) -> Committed:
        """The session is a bundle when this returns; see `commit_session`."""
        request = SessionCommit(self.repo, self.id, message, check_mode(mode), branch, label)
        return commit_session(self.store, request)

    def cancel(self) -> None:
        """The session is cancelled; see `cancel_session`."""
        cancel_session(self.store, self.repo, self.id)
