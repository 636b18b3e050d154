"""Opening a store: its two backends, what identifies it, and the parts that work on it."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from datamon.errors import Conflict, Corrupt, Invalid, NotFound
from datamon.store import layout
from datamon.store.backend import Backend, get_decoded
from datamon.store.backend.memory import MemoryBackend
from datamon.store.backend.opening import open_backend
from datamon.store.bundle import Author
from datamon.store.clock import Clock, system_clock
from datamon.store.codec import Record, decode_sealed, encode_sealed, stamped
from datamon.store.ids import new_ksuid
from datamon.store.journal import Journal, open_journal
from datamon.store.log import Logs, Pacing, Setting
from datamon.store.mirror.opening import MirrorPlaces, check_terms, found, open_mirror

if TYPE_CHECKING:
    from datamon.store.chunk_store import ChunkStore

CHUNKING: Record = {
    "algorithm": "fastcdc-2020",
    "average": 65536,
    "minimum": 16384,
    "maximum": 262144,
    "normalization": 2,
    "seed": 0,
}
"""How every store of format 1 cuts files. It never changes in a store's life."""
_NOBODY = Author("nobody", "nobody@example.org")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a store lies. `metadata` and `blob` are as `open_backend` takes them. Below `state_dir` each store has a folder of
    its own for what belongs to this machine (None: a memory of the process only). With a `mirror` it lies there instead."""

    metadata: str
    blob: str
    credential: Path | None = None
    state_dir: Path | None = None
    mirror: MirrorPlaces | None = None


@dataclass
class Store:
    """An open store: bytes by key on two backends, and everything kept in them. Safe to use from any thread. `state_dir` is the
    store's own folder on this machine; all in it may be deleted while nobody has the store open."""

    id: str
    created_ns: int
    metadata: Backend
    blob: Backend
    journal: Journal
    logs: Logs
    author: Author
    clock: Clock = field(default=system_clock)
    state_dir: Path | None = None

    @cached_property
    def chunks(self) -> "ChunkStore":
        """The store's chunks, in packs on the blob backend."""
        # Imported at first use: it brings pyarrow, which a question about runs does not need.
        from datamon.store.chunk_store import ChunkStore

        cache = self.state_dir / "chunks" if self.state_dir else None
        return ChunkStore(self.blob, clock=self.clock, cache=cache)


def open_store(places: Places, author: Author, *, clock: Clock = system_clock) -> Store:
    """The store at these places, made there when nothing is there yet. Racing openers get one store.

    Raises Invalid (`bad-path`) when the place holds other things, Invalid (`newer-format`), Conflict (`foreign-blobs`) when
    the blob backend belongs to another store, Corrupt when its records cannot be read, Denied, Unavailable; of a mirrored store
    also as `found` and `check_terms` do.
    """
    if places.mirror is not None:
        mirror = open_mirror(places.mirror)
        found(mirror, author, clock)
        check_terms(mirror)
        return store_on(mirror.metadata, mirror.blob, author, clock=clock, state_dir=places.state_dir)
    return store_on(*backends_at(places), author, clock=clock, state_dir=places.state_dir)


def backends_at(places: Places) -> tuple[Backend, Backend]:
    """The backends of metadata and of blobs at these places, which may be one; nothing is made or asked there."""
    if places.mirror is not None:
        mirror = open_mirror(places.mirror)
        return mirror.metadata, mirror.blob
    metadata = open_backend(places.metadata, credential=places.credential)
    if places.blob == places.metadata:
        return metadata, metadata
    return metadata, open_backend(places.blob, credential=places.credential)


def memory_store(author: Author = _NOBODY, clock: Clock = system_clock) -> Store:
    """A new store that lives as long as this process keeps it.

    >>> memory_store().metadata.url
    'memory://'
    """
    return store_on(MemoryBackend(), MemoryBackend(), author, clock=clock)


def store_on(
    metadata: Backend,
    blob: Backend,
    author: Author,
    *,
    clock: Clock = system_clock,
    state_dir: Path | None = None,
    pacing: Pacing | None = None,
) -> Store:
    """The store on these two backends (which may be one), made there when nothing is there yet. `state_dir` is as in `Places`.
    Raises as `open_store`."""
    record = _store_record(metadata, clock)
    identity: str = record["store"]
    _check_blobs(blob, identity)
    journal = open_journal(metadata, clock)
    own_dir = state_dir / identity if state_dir else None
    logs = Logs(Setting(metadata, journal, author, clock, pacing or Pacing(), own_dir / "logs" if own_dir else None))
    return Store(
        id=identity,
        created_ns=record["created"],
        metadata=metadata,
        blob=blob,
        journal=journal,
        logs=logs,
        author=author,
        clock=clock,
        state_dir=own_dir,
    )


def _store_record(metadata: Backend, clock: Clock) -> Record:
    record = _read(metadata, layout.STORE, "store")
    if record is None:
        record = _new_store(metadata, clock)
    if record.get("chunking") != CHUNKING or record.get("hash") != "blake3":
        raise Invalid(
            "newer-format",
            f"the store at {metadata.url} cuts or hashes files in a way that this datamon does not know; upgrade datamon",
            where=metadata.url,
        )
    return record


def _new_store(metadata: Backend, clock: Clock) -> Record:
    strange = next(iter(metadata.list("")), None)
    if strange is None:
        now = clock()
        fields = {"store": new_ksuid(now), "created": now, "chunking": CHUNKING, "hash": "blake3"}
        metadata.put_if_absent(layout.STORE, encode_sealed(stamped("store", fields)))
    # Whoever was first, now or while we listed: what stands there is the store.
    record = _read(metadata, layout.STORE, "store")
    if record is None:
        raise Invalid(
            "bad-path",
            f"{metadata.url} holds other things (such as {strange.key if strange else '?'}) and no datamon store; "
            "name an empty or a new place",
            where=metadata.url,
        )
    return record


def _check_blobs(blob: Backend, identity: str) -> None:
    record = _read(blob, layout.BLOBS, "blobs")
    if record is None:
        blob.put_if_absent(layout.BLOBS, encode_sealed(stamped("blobs", {"store": identity})))
        record = _read(blob, layout.BLOBS, "blobs") or {}
    if record.get("store") != identity:
        raise Conflict(
            "foreign-blobs",
            f"the blob backend {blob.url} belongs to the store {record.get('store')}; name this store's own, or an empty one",
            where=blob.url,
        )


def _read(backend: Backend, key: str, kind: str) -> Record | None:
    where = f"{backend.url}/{key}"
    try:
        record = get_decoded(backend, key, lambda content: decode_sealed(content, where))
    except NotFound:
        return None
    if record.get("kind") != kind or not isinstance(record.get("store"), str):
        raise Corrupt(
            "bad-record", f"the record at {where} does not identify a store; restore it from a copy", where=where
        )
    return record
