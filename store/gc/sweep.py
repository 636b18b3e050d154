"""Sweep: what is condemned in every log and needed by nothing is deleted."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from datamon.errors import DatamonError
from datamon.store import layout
from datamon.store.codec import Record
from datamon.store.gc.condemn import is_pack
from datamon.store.log import StoreState
from datamon.store.opening import Store
from datamon.store.overlap import overlapped
from datamon.store.progress import Progress


def sweep(store: Store, names: Iterable[str], absent: frozenset[str], progress: Progress) -> None:
    """Nothing is kept under these packs and keys when this returns, and the store's log says so of them and of those that were
    `absent` before. At the first error the sweep ends; then the log says it of those that were deleted until then.
    Raises Denied, Unavailable."""
    ordered = sorted(names)
    gone = set(absent)
    progress.begin("sweep", len(ordered), None)
    try:
        for name in _deleted(store, ordered):
            gone.add(name)
            progress.advance(1, 0)
    except DatamonError:
        with suppress(DatamonError):
            _note(store, gone)
        raise
    _note(store, gone)
    progress.end()


def _deleted(store: Store, names: Sequence[str]) -> Iterator[str]:
    """Each name, once nothing is kept under it any more."""

    def delete_pack(name: str) -> str:
        store.blob.delete(layout.pack(name))
        return name

    def delete_key(name: str) -> str:
        store.metadata.delete(name)
        return name

    yield from overlapped(store.blob, delete_pack, filter(is_pack, names))
    yield from overlapped(store.metadata, delete_key, (name for name in names if not is_pack(name)))


def _note(store: Store, gone: Iterable[str]) -> None:
    class NothingNew(Exception):  # noqa: N818 (not an error: the log says it already)
        """There is no entry to write."""

    def make(state: StoreState) -> Record:
        new = sorted(set(gone) - state.swept)
        if not new:
            raise NothingNew
        packs = [name for name in new if is_pack(name)]
        return {"kind": "swept", "packs": packs, "keys": sorted(set(new).difference(packs))}

    with suppress(NothingNew):
        store.logs.append(None, make)
