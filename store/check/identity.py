"""What says which store this is: `store.json` and `blobs.json`, read without making anything."""

from dataclasses import dataclass

from datamon.errors import Conflict, Corrupt, Invalid, NotFound
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.bundle import Author
from datamon.store.check.findings import Finding, damage, notice, told_by
from datamon.store.clock import Clock, system_clock
from datamon.store.codec import Record
from datamon.store.encryption_key import EncryptionKey
from datamon.store.ids import is_ksuid, ksuid_time_ns
from datamon.store.journal import open_journal
from datamon.store.log import Logs, Setting
from datamon.store.opening import CHUNKING, Store, decode_identity, unlock


@dataclass(frozen=True, slots=True)
class Opened:
    """A store that was opened to be looked at, and what its identity's records gave to complain of."""

    store: Store
    findings: tuple[Finding, ...]


def open_to_check(
    metadata: Backend, blob: Backend, author: Author, *, clock: Clock = system_clock, key: EncryptionKey | None = None
) -> Opened:
    """The store on these two backends, also when one of its two identity records is damaged or gone: the other has the id.
    Nothing is written.

    Raises NotFound (`key-not-found`) when neither is there, Corrupt when neither can be read, Conflict (`foreign-blobs`),
    Invalid (`newer-format`), and as `unlock` does.
    """
    findings: list[Finding] = []
    store_record = _read(metadata, layout.STORE, "store", findings)
    blobs_record = _read(blob, layout.BLOBS, "blobs", findings)
    record = store_record or blobs_record
    if record is None:
        raise _no_identity(metadata, findings)
    if store_record and blobs_record and store_record["store"] != blobs_record["store"]:
        message = f"the blob backend {blob.url} belongs to the store {blobs_record['store']}; name this store's own"
        raise Conflict("foreign-blobs", message, where=blob.url)
    if store_record and (store_record.get("chunking") != CHUNKING or store_record.get("hash") != "blake3"):
        message = f"the store at {metadata.url} cuts or hashes files in a way that this datamon does not know; upgrade datamon"
        raise Invalid("newer-format", message, where=metadata.url)
    metadata, blob, hashing, cover = unlock(metadata, blob, record, key)
    journal = open_journal(metadata, clock)
    identity: str = record["store"]
    store = Store(
        id=identity,
        created_ns=record.get("created", ksuid_time_ns(identity)),
        metadata=metadata,
        blob=blob,
        journal=journal,
        logs=Logs(Setting(metadata, journal, author, clock)),
        author=author,
        clock=clock,
        hashing=hashing,
        cover=cover,
        encryption=record.get("encryption"),
    )
    return Opened(store, tuple(findings))


def _read(backend: Backend, key: str, kind: str, findings: list[Finding]) -> Record | None:
    """The record, or None and a finding that says why."""
    where = f"{backend.url}/{key}"
    try:
        record = decode_identity(backend.get(key), where)
    except NotFound:
        findings.append(_missing(key, where))
        return None
    except Corrupt as error:
        findings.append(told_by(error, key))
        return None
    if record.get("kind") != kind or not is_ksuid(str(record.get("store"))):
        findings.append(damage("bad-record", f"{where} does not identify a store; run `datamon repair`", key))
        return None
    return record


def _missing(key: str, where: str) -> Finding:
    if key == layout.BLOBS:
        return notice("missing-bytes", f"{where} is gone; the next command that opens the store makes it again", key)
    return damage("missing-bytes", f"{where} is gone and the store cannot be opened; run `datamon repair`", key)


def _no_identity(metadata: Backend, findings: list[Finding]) -> NotFound | Corrupt:
    broken = next((finding for finding in findings if finding.code != "missing-bytes"), None)
    if broken is None:
        message = f"there is no store at {metadata.url}; name the place of one"
        return NotFound("key-not-found", message, key=layout.STORE, url=metadata.url)
    message = f"nothing at {metadata.url} says which store this is any more; restore store.json from a copy"
    return Corrupt("bad-record", message, where=metadata.url)
