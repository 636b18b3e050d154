"""Which bundles, and splits of open sessions, a collection keeps, as the logs say it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from datamon.store.bundle import Bundle, Repo
from datamon.store.ids import RepoId, SessionId
from datamon.store.log import RepoState, StoreState
from datamon.store.opening import Store
from datamon.store.repos import runs_repo


@dataclass(frozen=True, slots=True)
class Spared:
    """A deleted bundle whose grace ends at `until_ns`."""

    bundle: Bundle
    until_ns: int


@dataclass(frozen=True, slots=True)
class Keeping:
    """What the logs said when they were read: the store's own first, and then those of all repos it names. Everything that live
    bundles reach must be there; of the `spared` ones, deleted less than the grace ago, what is still there is kept."""

    store: StoreState
    repos: Mapping[RepoId, RepoState]
    live: tuple[Bundle, ...]
    spared: tuple[Spared, ...]

    def committed(self) -> frozenset[SessionId]:
        """The sessions whose bundles were committed."""
        entries = (entry for state in self.repos.values() for entry in state.entries)
        return frozenset(SessionId(entry.record["session"]) for entry in entries if entry.record.get("session"))

    def tails(self) -> Mapping[RepoId | None, int]:
        """How far each log was read."""
        return {None: self.store.number, **{repo: state.number for repo, state in self.repos.items()}}


def read_keeping(store: Store, grace_ns: int) -> Keeping:
    """The state of all logs now. Raises Corrupt, Unavailable."""
    now_ns = store.clock()
    own = store.logs.store()
    repos = {repo.id: store.logs.repo(repo.id) for repo in standing_repos(store, own)}
    live = [bundle for state in repos.values() for bundle in state.live()]
    spared = [each for state in repos.values() for each in _deleted(state, grace_ns)]
    for identity, entry in own.deleted.items():
        until_ns = entry.time_ns + grace_ns
        if until_ns > now_ns:
            repos[identity] = store.logs.repo(identity)
            spared += (Spared(bundle, until_ns) for bundle in repos[identity].bundles.values())
    return Keeping(own, repos, tuple(live), tuple(each for each in spared if each.until_ns > now_ns))


def standing_repos(store: Store, state: StoreState) -> list[Repo]:
    """The repos that are not deleted, the hidden one of runs among them."""
    return [runs_repo(store), *state.repos.values()]


def _deleted(state: RepoState, grace_ns: int) -> Iterator[Spared]:
    gone = ((state.bundles.get(identity), entry) for identity, entry in state.deleted.items())
    return (Spared(bundle, entry.time_ns + grace_ns) for bundle, entry in gone if bundle is not None)
