"""Sessions of many writers in the world of gc: what processes do with them, and what must hold of the open ones."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from datamon.errors import Conflict, Corrupt, Invalid, NotFound, Unavailable
from datamon.store.ids import JointId
from datamon.store.opening import Store
from datamon.store.repos import list_repos
from datamon.store.sessions.add import AddRequest, add_split
from datamon.store.sessions.commit import SessionCommit, commit_session
from datamon.store.sessions.joint import JointSession, Split
from datamon.store.sessions.start import cancel_session, start_session
from datamon.store.testing.gc_world import Process, World, verify_bundle


@dataclass
class WorldOfSessions:
    """What was acknowledged in `world`: sessions with the name of their repo, and (session, split). A split's tag is its tree."""

    world: World
    begun: dict[JointId, str] = field(default_factory=dict)
    completed: set[tuple[JointId, str]] = field(default_factory=set)

    def start(self, process: Process, repo: str) -> None:
        """The process has begun to start a session."""

        def work() -> None:
            self.begun[start_session(process.store, repo).id] = repo

        self.world.begin(process, work, Conflict, NotFound)

    def add(self, process: Process, session: JointId, split: str, tree: str) -> None:
        """The process has begun to complete a split, perhaps anew, with this tree."""
        request = AddRequest(self.begun[session], session, self.world.trees / tree, split, tree)

        def work() -> None:
            add_split(process.store, request)
            self.completed.add((session, split))

        self.world.begin(process, work, Conflict, NotFound)

    def commit(self, process: Process, session: JointId) -> None:
        """The process has begun to commit the session as it stands for it now; its message is the letters of the splits."""
        repo = self.begun[session]

        def work() -> None:
            splits = _find(process.store, session).splits
            letters = "".join(sorted({letter for split in splits for letter in split.tag or ""}))
            wanted = {split.name: split.tag for split in splits}
            try:
                made = commit_session(process.store, SessionCommit(repo, session, letters, wanted=wanted)).bundle
            except Corrupt:
                if session in {each.id for each, _ in _open(self.world.open())}:
                    raise
                return  # others have ended it, and swept what it held
            self.world.acknowledged[made.id] = made.repo, letters

        self.world.begin(process, work, Conflict, NotFound, Unavailable, Invalid)

    def cancel(self, process: Process, session: JointId) -> None:
        """The process has begun to cancel the session."""
        self.world.begin(
            process, lambda: cancel_session(process.store, self.begun[session], session), Conflict, NotFound
        )

    def check(self) -> None:
        """Every completed split of every open session can be read, byte by byte, by a process that has read nothing yet."""
        store = self.world.open()
        for session, splits in _open(store):
            acknowledged = {name for each, name in self.completed if each == session.id}
            lost = acknowledged - {split.name for split in splits}
            assert not lost, f"the splits {lost} of {session.id} were acknowledged and are not there"
            for split in splits:
                verify_bundle(store, split.tree, split.tag or "")

    def cancel_all(self) -> None:
        """No session is open; what their splits alone held is garbage."""
        store = self.world.open()
        names = {repo.id: repo.name for repo in list_repos(store)}
        for session, _ in list(_open(store)):
            cancel_session(store, names[session.repo], session.id)


def _find(store: Store, session: JointId) -> JointSession:
    """The session. Raises NotFound when its repo is gone."""
    for repo in list_repos(store):
        found = store.logs.repo(repo.id).sessions.get(session)
        if found is not None:
            return found
    raise NotFound("session-not-found", f"there is no session {session}", session=session)


def _open(store: Store) -> Iterator[tuple[JointSession, tuple[Split, ...]]]:
    for repo in list_repos(store):
        for session in store.logs.repo(repo.id).sessions.values():
            if session.is_open:
                yield session, session.splits
