"""Immutable metadata under names that are hashes: written once, found again also when a collector condemned the plain name.

A condemned name is never written again, for its deletion may still be on its way. What is needed again after that is put as an
*incarnation*: under the plain key, a dot and a KSUID.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from datamon.errors import Corrupt, DatamonError, NotFound
from datamon.store import layout
from datamon.store.backend import Backend, get_decoded, has_durably
from datamon.store.clock import system_clock
from datamon.store.ids import is_ksuid, new_ksuid
from datamon.store.roots import Manifest

T = TypeVar("T")


def put_named(metadata: Backend, key: str, content: Callable[[], bytes], condemned: frozenset[str]) -> str:
    """These bytes are kept, durable, under the key returned: the plain one or an incarnation, none that is condemned. `content`
    is asked for them only when they are not there yet; writers who race may make two incarnations, which harms nothing."""
    present = usable_key(metadata, key, condemned)
    if present is not None:
        return present
    free = f"{key}.{new_ksuid(system_clock())}" if key in condemned else key
    metadata.put(free, content())
    return free


def usable_key(metadata: Backend, key: str, condemned: frozenset[str]) -> str | None:
    """Where what `key` names is kept, durable and not condemned: the plain key or an incarnation; None when nowhere.
    Costs a listing only when the plain key is condemned."""
    if key not in condemned:
        return key if has_durably(metadata, key) else None
    usable = (name for name in _incarnations(metadata, key) if name not in condemned)
    return next((name for name in usable if has_durably(metadata, name)), None)


def get_named(metadata: Backend, key: str, decode: Callable[[bytes, str], T]) -> T:
    """What `decode` makes of the bytes under `key`, or under an incarnation where those are absent or Corrupt. It is given the
    bytes and the key they lay under, and raises Corrupt when they are not what the key names.

    Raises Corrupt (`missing-bytes` when nothing is there, else as `decode` did first), and what else `decode` raises.
    """
    fault: DatamonError | None = None
    for name in _candidates(metadata, key):
        try:
            return get_decoded(metadata, name, partial(_decoded_at, decode, name))
        except NotFound:
            continue
        except Corrupt as error:
            fault = fault or error
    raise fault or Corrupt(
        "missing-bytes", f"{key} is gone from the store; run `datamon repair`, or restore it from a copy", where=key
    )


def keys_of(manifest: Manifest) -> Iterator[str]:
    """The plain keys of everything that reading the manifest needs: its root, then each segment and its modes and times."""
    yield layout.manifest(manifest.id)
    for row in manifest.segments:
        yield layout.segment(row.id)
        yield layout.stat_segment(row.stat)


def plain_key(key: str) -> str:
    """The plain key of an incarnation; any other key as it is.

    >>> plain_key("segments/0a/0a1b.2Q0z8hJ3bW6kR1xY5cN7vM9aT4d"), plain_key("index/2Q0.parquet")
    ('segments/0a/0a1b', 'index/2Q0.parquet')
    """
    plain, dot, suffix = key.rpartition(".")
    return plain if dot and is_ksuid(suffix) else key


def _decoded_at(decode: Callable[[bytes, str], T], key: str, content: bytes) -> T:
    return decode(content, key)


def _candidates(metadata: Backend, key: str) -> Iterator[str]:
    yield key
    yield from _incarnations(metadata, key)


def _incarnations(metadata: Backend, key: str) -> Iterator[str]:
    return (stored.key for stored in metadata.list(f"{key}.") if plain_key(stored.key) == key)
