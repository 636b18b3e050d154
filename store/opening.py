"""Opening a store: its two backends, what identifies it, and the parts that work on it."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from datamon.errors import Conflict, Corrupt, Invalid, NotFound
from datamon.store import layout
from datamon.store.backend import Backend, Stored, get_decoded
from datamon.store.backend.caching import DiskCache
from datamon.store.backend.memory import MemoryBackend
from datamon.store.backend.mirrored import MirroredBackend
from datamon.store.backend.opening import open_backend
from datamon.store.bundle import Author
from datamon.store.clock import Clock, system_clock
from datamon.store.codec import ENCRYPTED_FORMAT, FORMAT, Record, decode_sealed, encode_sealed, stamped
from datamon.store.cover import NO_COVER, Cover
from datamon.store.encryption_key import EncryptionKey
from datamon.store.hashing import PLAIN, Hashing
from datamon.store.ids import new_ksuid
from datamon.store.journal import Journal, open_journal, without_waiting
from datamon.store.log import Logs, Pacing, Setting
from datamon.store.log_cache import KeptLogs
from datamon.store.mirror.opening import Mirror, MirrorPlaces, check_terms, found, open_mirror

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
    its own for what belongs to this machine (None: a memory of the process only). Of a far place, what never changes is kept in
    `cache_dir`, at most `cache_bytes` of it (0: nothing). `key` is that of an encrypted store. With a `mirror` it lies there
    instead."""

    metadata: str
    blob: str
    credential: Path | None = None
    state_dir: Path | None = None
    cache_dir: Path | None = None
    cache_bytes: int = 0
    key: EncryptionKey | None = None
    mirror: MirrorPlaces | None = None

    @property
    def cache(self) -> DiskCache | None:
        """What far backends keep on this machine, if anything."""
        if self.cache_dir is None or self.cache_bytes == 0:
            return None
        return DiskCache(self.cache_dir, self.cache_bytes, layout.never_changes)


@dataclass
class Store:
    """An open store: bytes by key on two backends, and everything kept in them. Safe to use from any thread. `state_dir` is the
    store's own folder on this machine; all in it may be deleted while nobody has the store open, and what in it says anything of
    the store lies under its `cover`. `encryption` is what its records say of how it is opened; None where it is not encrypted."""

    id: str
    created_ns: int
    metadata: Backend
    blob: Backend
    journal: Journal
    logs: Logs
    author: Author
    clock: Clock = field(default=system_clock)
    state_dir: Path | None = None
    hashing: Hashing = PLAIN
    cover: Cover = NO_COVER
    encryption: Record | None = None

    @cached_property
    def chunks(self) -> "ChunkStore":
        """The store's chunks, in packs on the blob backend."""
        # Imported at first use: it brings pyarrow, which a question about runs does not need.
        from datamon.store.chunk_store import ChunkStore

        cache = self.state_dir / "chunks" if self.state_dir and not self.cover.hides else None
        return ChunkStore(self.blob, clock=self.clock, cache=cache, hashing=self.hashing)


def open_store(places: Places, author: Author, *, clock: Clock = system_clock) -> Store:
    """The store at these places, made there when nothing is there yet, encrypted if there is a key. Racing openers get one store.

    Raises Denied (`key-missing`, `wrong-key`) and Invalid (`not-encrypted`) when the key does not fit, Invalid (`bad-path`) when
    the place holds other things, Invalid (`newer-format`), Conflict (`foreign-blobs`) when the blob backend belongs to another
    store, Corrupt when its records cannot be read, Denied, Unavailable; of a mirrored store also as `found` and `check_terms` do.
    """
    if places.mirror is None:
        metadata, blob = backends_at(places)
    else:
        mirror = open_mirror(places.mirror, places.cache)
        found(mirror, author if places.key is None else None, clock)
        check_terms(mirror)
        metadata, blob = mirror.metadata, mirror.blob
    return store_on(metadata, blob, author, clock=clock, state_dir=places.state_dir, key=places.key)


def find_store(places: Places) -> str | None:
    """The id of the store at these places, None when one can be made there; nothing is made. Raises as `open_store`, and
    Conflict (`foreign-blobs`) also when the store's packs lie elsewhere."""
    metadata, blob = backends_at(places)
    record = _read(metadata, layout.STORE, "store")
    strange = next(iter(metadata.list("")), None) if record is None else None
    if strange is not None:
        raise _holds_others(metadata, strange)
    owned = _read(blob, layout.BLOBS, "blobs")
    if owned is not None and (record is None or owned["store"] != record["store"]):
        raise _foreign(blob, owned)
    if record is None:
        return None
    identity: str = record["store"]
    if owned is None:  # whoever made the store has put it there at once
        raise Conflict(
            "foreign-blobs",
            f"{blob.url} has nothing of the store {identity} that lies in {metadata.url}; name where its file contents lie",
            where=blob.url,
        )
    return identity


def backends_at(places: Places) -> tuple[Backend, Backend]:
    """The backends of metadata and of blobs at these places, which may be one; nothing is made or asked there."""
    if places.mirror is not None:
        mirror = open_mirror(places.mirror, places.cache)
        return mirror.metadata, mirror.blob
    metadata = open_backend(places.metadata, credential=places.credential, cache=places.cache)
    if places.blob == places.metadata:
        return metadata, metadata
    return metadata, open_backend(places.blob, credential=places.credential, cache=places.cache)


def unhurried(store: Store) -> Store:
    """The same store, whose runs' records are not waited for (`without_waiting`). Logs are: what is committed is durable, and
    what was recorded before it."""
    made = replace(store, journal=without_waiting(store.journal))
    if "chunks" in vars(store):
        vars(made)["chunks"] = store.chunks  # its cached property, so that the index is read once
    return made


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
    key: EncryptionKey | None = None,
) -> Store:
    """The store on these two backends (which may be one), made there when nothing is there yet. `state_dir` and `key` are as in
    `Places`. Raises as `open_store`."""
    record = _store_record(metadata, clock, key)
    identity: str = record["store"]
    unlocked = unlock(metadata, blob, record, key)
    _check_blobs(blob, record)
    metadata, blob = unlocked.metadata, unlocked.blob
    journal = open_journal(metadata, clock)
    own_dir = state_dir / identity if state_dir else None
    logs = Logs(Setting(metadata, journal, author, clock, pacing or Pacing(), _kept_logs(own_dir, unlocked.cover)))
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
        hashing=unlocked.hashing,
        cover=unlocked.cover,
        encryption=record.get("encryption"),
    )


class Unlocked(NamedTuple):
    """The backends as the parts of a store see them, how it names bytes, and what goes over its files on this machine."""

    metadata: Backend
    blob: Backend
    hashing: Hashing = PLAIN
    cover: Cover = NO_COVER


def unlock(
    metadata: Backend, blob: Backend, record: Record, key: EncryptionKey | None, source: Backend | None = None
) -> Unlocked:
    """The two backends of the store whose record this is, opened by its key where it is encrypted. `source` is where changes of
    the key are read: None is the metadata.

    Raises Denied (`key-missing`, `wrong-key`), Invalid (`not-encrypted`, `newer-format`), Corrupt.
    """
    if "encryption" not in record:
        if key is not None:
            raise Invalid(
                "not-encrypted",
                f"the store at {metadata.url} is not encrypted and a key is given; take the key away to use it as it is, or name "
                "a new place, where an encrypted store is made",
                where=metadata.url,
            )
        return Unlocked(metadata, blob)
    from datamon.store.encryption import keys_of  # brings cryptography, 25 ms that no other store needs

    keys = keys_of(source or metadata, record, key)
    sealed = keys.encrypted(metadata)
    return Unlocked(sealed, sealed if blob is metadata else keys.encrypted(blob), keys.hashing, keys.cover)


def unlock_mirror(mirror: Mirror, key: EncryptionKey | None, alone: str | None = None) -> Mirror:
    """The sides as the store's parts see them, opened by its key where it is encrypted; how, is read from the side `alone` when
    that is named. Raises as `unlock`; NotFound (`key-not-found`) when no side says which store this is."""
    metadata = mirror.metadata.sides.backends.get(alone or "", mirror.metadata)
    where = f"{metadata.url}/{layout.STORE}"
    record = get_decoded(metadata, layout.STORE, lambda content: decode_identity(content, where))
    unlocked = unlock(mirror.metadata, mirror.blob, record, key, metadata)
    return sides_of(unlocked.metadata, unlocked.blob, unlocked.cover)


def sides_of(metadata: Backend, blob: Backend, cover: Cover) -> Mirror:
    """The sides that these two backends of an open mirrored store have."""
    assert isinstance(metadata, MirroredBackend)
    assert isinstance(blob, MirroredBackend)
    return Mirror(metadata, blob, cover)


def _store_record(metadata: Backend, clock: Clock, key: EncryptionKey | None) -> Record:
    record = _read(metadata, layout.STORE, "store")
    if record is None:
        record = _new_store(metadata, clock, key)
    if record.get("chunking") != CHUNKING or record.get("hash") != "blake3":
        raise Invalid(
            "newer-format",
            f"the store at {metadata.url} cuts or hashes files in a way that this datamon does not know; upgrade datamon",
            where=metadata.url,
        )
    return record


def _new_store(metadata: Backend, clock: Clock, key: EncryptionKey | None) -> Record:
    strange = next(iter(metadata.list("")), None)
    if strange is None:
        now = clock()
        identity = new_ksuid(now)
        fields = {"store": identity, "created": now, "chunking": CHUNKING, "hash": "blake3"}
        metadata.put_if_absent(layout.STORE, identity_record("store", fields, _new_encryption(identity, key)))
    # Whoever was first, now or while we listed: what stands there is the store.
    record = _read(metadata, layout.STORE, "store")
    if record is None:
        raise _holds_others(metadata, strange)
    return record


def _holds_others(metadata: Backend, strange: Stored | None) -> Invalid:
    return Invalid(
        "bad-path",
        f"{metadata.url} holds other things (such as {strange.key if strange else '?'}) and no datamon store; "
        "name an empty or a new place",
        where=metadata.url,
    )


def _new_encryption(identity: str, key: EncryptionKey | None) -> Record | None:
    if key is None:
        return None
    from datamon.store.encryption import new_encryption  # brings cryptography, 25 ms that no other store needs

    return new_encryption(identity, key)


def _check_blobs(blob: Backend, store: Record) -> None:
    identity = store["store"]
    record = _read(blob, layout.BLOBS, "blobs")
    if record is None:
        blob.put_if_absent(layout.BLOBS, blobs_record(store))
        record = _read(blob, layout.BLOBS, "blobs") or {}
    if record.get("store") != identity:
        raise _foreign(blob, record)


def _foreign(blob: Backend, record: Record) -> Conflict:
    return Conflict(
        "foreign-blobs",
        f"the blob backend {blob.url} belongs to the store {record.get('store')}; name this store's own, or an empty one",
        where=blob.url,
    )


def _read(backend: Backend, key: str, kind: str) -> Record | None:
    where = f"{backend.url}/{key}"
    try:
        record = get_decoded(backend, key, lambda content: decode_identity(content, where))
    except NotFound:
        return None
    if record.get("kind") != kind or not isinstance(record.get("store"), str):
        raise Corrupt(
            "bad-record", f"the record at {where} does not identify a store; restore it from a copy", where=where
        )
    return record


def blobs_record(store: Record) -> bytes:
    """`blobs.json` of the store whose `store.json` says this. It repeats how the store is opened, which is lost without it."""
    return identity_record("blobs", {"store": store["store"]}, store.get("encryption"))


def identity_record(kind: str, fields: Record, encryption: Record | None) -> bytes:
    """A record that says which store this is and, of an encrypted one, how it is opened, as it is stored."""
    sealing = {} if encryption is None else {"format": ENCRYPTED_FORMAT, "encryption": encryption}
    return encode_sealed(stamped(kind, {**fields, **sealing}))


def decode_identity(content: bytes, where: str) -> Record:
    """The record that says which store this is. Raises Corrupt, Invalid (`newer-format`)."""
    record = decode_sealed(content, where, newest=ENCRYPTED_FORMAT)
    return record if "encryption" in record else decode_sealed(content, where, newest=FORMAT)


def _kept_logs(own_dir: Path | None, cover: Cover) -> KeptLogs | None:
    return KeptLogs(own_dir / "logs", cover) if own_dir else None
