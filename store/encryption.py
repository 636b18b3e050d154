"""The keys of an encrypted store: the one that a person keeps, and those that the store's bytes are sealed with.

A store has a random key of its own, from which everything is derived. It lies in the store, wrapped by the person's key, so that
this one can be changed without writing anything else anew. This module is imported only where a store is encrypted or a key is
given; it and the modules of `backend` that it imports are the only ones that know `cryptography`.
"""

import os
from dataclasses import dataclass
from functools import cached_property

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from datamon.errors import Corrupt, Denied, Invalid
from datamon.store import layout
from datamon.store.backend import Backend, Sided
from datamon.store.backend.encrypted import BackendKeys, EncryptedBackend
from datamon.store.codec import ENCRYPTED_FORMAT, Record, decode_sealed
from datamon.store.cover import Cover
from datamon.store.encryption_key import KEY_BYTES, EncryptionKey
from datamon.store.hashing import Hashing
from datamon.store.sealed_cover import SealedCover

_NONCE_BYTES = 12
_SUITE = {"cipher": "aes-256-gcm-stream-64k", "names": "aes-256-siv", "hash": "blake3-keyed"}
_WRAP = "datamon 2 wrapping of a store key"
_CONTENT = "datamon 2 content of stored things"
_NAMES = "datamon 2 names of stored things"
_HASHING = "datamon 2 ids of chunks and contents"
_MACHINE = "datamon 2 files of a machine"


@dataclass(frozen=True)
class StoreKeys:
    """Everything that follows from a store's own key (32 bytes)."""

    key: bytes

    def __repr__(self) -> str:
        return "StoreKeys()"

    def encrypted(self, backend: Backend) -> Backend:
        """The backend as the store's parts see it; of a mirrored one each side is sealed, so that sides are compared, and mended
        from each other, by what is under the seals."""
        keys = BackendKeys(self._derived(_CONTENT), self._derived(_NAMES, 64))
        if isinstance(backend, Sided):
            return backend.through(lambda side: EncryptedBackend(side, keys, layout.READABLE))
        return EncryptedBackend(backend, keys, layout.READABLE)

    @cached_property
    def hashing(self) -> Hashing:
        """How the store names bytes."""
        return Hashing(self._derived(_HASHING))

    @cached_property
    def cover(self) -> Cover:
        """What goes over the store's files on a machine."""
        return SealedCover(self._derived(_MACHINE))

    def _derived(self, context: str, length: int = KEY_BYTES) -> bytes:
        return blake3(self.key, derive_key_context=context).digest(length=length)


def new_encryption(store: str, key: EncryptionKey) -> Record:
    """What the records of a new store say of its encryption: a new key of its own, wrapped by `key`."""
    return {**_SUITE, "key": wrapped(store, os.urandom(KEY_BYTES), key)}


def keys_of(metadata: Backend, record: Record, key: EncryptionKey | None) -> StoreKeys:
    """The keys of the encrypted store whose record this is; `metadata` is its backend, sealed.

    Raises Denied (`key-missing`, `wrong-key`), Invalid (`newer-format`), Corrupt, Unavailable.
    """
    encryption, store = record["encryption"], record["store"]
    if any(encryption.get(name) != value for name, value in _SUITE.items()):
        raise Invalid(
            "newer-format",
            f"the store at {metadata.url} is encrypted in a way that this datamon does not know; upgrade datamon",
            where=metadata.url,
        )
    if key is None:
        raise Denied(
            "key-missing",
            f"the store at {metadata.url} is encrypted and no key is given; set encryption.key_file in the configuration, "
            "or the variable DATAMON_ENCRYPTION_KEY_FILE or DATAMON_ENCRYPTION_KEY",
            where=metadata.url,
        )
    _, content = last_change(metadata, store) or (0, str(encryption["key"]))
    return StoreKeys(_unwrapped(metadata, store, content, key))


def last_change(metadata: Backend, store: str) -> tuple[int, str] | None:
    """The number of the last change of the key and the store's key as that wrapped it."""
    places = [stored.key for stored in metadata.list(layout.KEYS)]
    if not places:
        return None
    where = f"{metadata.url}/{places[-1]}"
    record = decode_sealed(metadata.get(places[-1]), where, newest=ENCRYPTED_FORMAT)
    number = record.get("number")
    if record.get("kind") != "key" or record.get("store") != store or not isinstance(number, int):
        raise Corrupt(
            "bad-record", f"the record at {where} is no key of this store; restore it from a copy", where=where
        )
    return number, str(record.get("key"))


def wrapped(store: str, content: bytes, key: EncryptionKey) -> str:
    """A store's own key, which only `key` gives back, as the store's records hold it."""
    nonce = os.urandom(_NONCE_BYTES)
    return (nonce + _wrapping(key).encrypt(nonce, content, store.encode())).hex()


def _unwrapped(metadata: Backend, store: str, text: str, key: EncryptionKey) -> bytes:
    try:
        content = bytes.fromhex(text)
        return _wrapping(key).decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], store.encode())
    except InvalidTag:
        raise wrong_key(metadata) from None
    except ValueError as error:
        where = metadata.url
        raise Corrupt("bad-record", f"the key of {where} cannot be read; restore store.json", where=where) from error


def _wrapping(key: EncryptionKey) -> AESGCM:
    return AESGCM(blake3(key.content, derive_key_context=_WRAP).digest())


def wrong_key(metadata: Backend) -> Denied:
    """The error for a key that does not open the store."""
    return Denied(
        "wrong-key",
        f"the key that is given does not open the store at {metadata.url}; give the one that it was made with, "
        "or that its key was changed to",
        where=metadata.url,
    )
