"""Marks of splits that were begun: they tell a commit what it does not have. Nothing depends on them."""

from contextlib import suppress
from dataclasses import dataclass

from datamon.errors import Corrupt, NotFound
from datamon.store import layout
from datamon.store.codec import decode_sealed, encode_sealed, stamped
from datamon.store.ids import JointId, RepoId, new_ksuid
from datamon.store.opening import Store


@dataclass(frozen=True, slots=True)
class Begun:
    """A split that somebody began at `time_ns`, by his own clock; its mark lies at `key`."""

    split: str
    author: str
    time_ns: int
    key: str


def mark_begun(store: Store, repo: RepoId, session: JointId, split: str) -> Begun:
    """A mark says that the split was begun, when this returns it."""
    now_ns = store.clock()
    key = f"{layout.begun_splits(repo, session)}{new_ksuid(now_ns)}"
    fields = {"split": split, "author": store.author.name, "time": now_ns}
    store.metadata.put(key, encode_sealed(stamped("split-begun", fields)))
    return Begun(split, store.author.name, now_ns, key)


def list_begun(store: Store, repo: RepoId, session: JointId) -> list[Begun]:
    """The marks of the session that can be read."""
    found = []
    for stored in list(store.metadata.list(layout.begun_splits(repo, session))):
        with suppress(NotFound, Corrupt, KeyError):
            record = decode_sealed(store.metadata.get(stored.key), stored.key)
            found.append(Begun(record["split"], record["author"], record["time"], stored.key))
    return found


def unmark(store: Store, marks: list[Begun]) -> None:
    """The marks are gone."""
    for mark in marks:
        with suppress(NotFound):
            store.metadata.delete(mark.key)
