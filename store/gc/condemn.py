"""Condemn: every log says of some packs and keys that no later commit may rely on them."""

from collections.abc import Iterable
from contextlib import suppress

from datamon.store.codec import Record
from datamon.store.gc.keeping import standing_repos
from datamon.store.ids import KSUID_CHARACTERS, SessionId
from datamon.store.log import RepoState, StoreState
from datamon.store.opening import Store


class Overtaken(Exception):  # noqa: N818 (not an error: what was decided is decided again)
    """A deletion or another collector took away what was to be read."""


class _NothingNew(Exception):  # noqa: N818 (not an error: the log says it already)
    """There is no entry to write."""


def condemn(store: Store, names: frozenset[str]) -> None:
    """The store's log condemns these packs and keys when this returns, and after it the log of every repo; the sessions of the
    packs are fenced in the same entries. What a log condemns already is not said again.

    The order matters: a repo that is made later has writers who have read the store's log up to its creation at least.
    Raises Conflict (`log-contended`), Unavailable; then a part of the logs may say it, which harms nobody.
    """

    def make(state: StoreState | RepoState) -> Record:
        new = names - state.condemned
        if not new:
            raise _NothingNew
        return _record(new, state.fenced)

    with suppress(_NothingNew):
        store.logs.append(None, make)
    for repo in standing_repos(store, store.logs.store()):
        with suppress(_NothingNew):
            store.logs.append(repo.id, make)


def session_of(pack: str) -> SessionId:
    """The session that wrote the pack of this name."""
    return SessionId(pack[:KSUID_CHARACTERS])


def is_pack(name: str) -> bool:
    """Whether a condemned name is a pack's: keys have a `/`."""
    return "/" not in name


def _record(names: Iterable[str], fenced: frozenset[SessionId]) -> Record:
    packs = sorted(filter(is_pack, names))
    return {
        "kind": "condemn",
        "packs": packs,
        "keys": sorted(set(names).difference(packs)),
        "fenced": sorted({session_of(pack) for pack in packs} - fenced),
    }
