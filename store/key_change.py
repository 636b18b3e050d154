"""Changing the key that opens an encrypted store."""

from datamon.errors import Conflict, Invalid
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.clock import Clock, system_clock
from datamon.store.codec import ENCRYPTED_FORMAT, encode_sealed, stamped
from datamon.store.encryption import keys_of, last_change, wrapped
from datamon.store.encryption_key import EncryptionKey
from datamon.store.opening import decode_identity


def change_key(
    metadata: Backend, old: EncryptionKey | None, new: EncryptionKey, *, clock: Clock = system_clock
) -> None:
    """From now on `new` opens the store whose metadata lies there, sealed, and `old` does not. Nothing else is written anew: who
    has an old key and an old copy of the store can go on reading that copy.

    Raises NotFound (`key-not-found`) when there is no store, Invalid (`not-encrypted`), as `keys_of`, and Conflict (`key-exists`)
    when another changed the key meanwhile: then that one counts.
    """
    where = f"{metadata.url}/{layout.STORE}"
    record = decode_identity(metadata.get(layout.STORE), where)
    if "encryption" not in record:
        message = f"the store at {metadata.url} is not encrypted; an encrypted one is made in a new place"
        raise Invalid("not-encrypted", message, where=metadata.url)
    store: str = record["store"]
    keys = keys_of(metadata, record, old)
    number, _ = last_change(metadata, store) or (0, "")
    fields = {"format": ENCRYPTED_FORMAT, "store": store, "number": number + 1, "time": clock()}
    content = encode_sealed(stamped("key", {**fields, "key": wrapped(store, keys.key, new)}))
    place = layout.key_change(number + 1)
    if not metadata.put_if_absent(place, content) and metadata.get(place) != content:
        message = f"the key of {metadata.url} was changed by another just now; begin again with that one's"
        raise Conflict("key-exists", message, where=metadata.url)
