"""Reads of many keys at once."""

from collections.abc import Iterator, Sequence
from functools import partial

from datamon.errors import Corrupt
from datamon.store.backend import Appending, Backend

_READERS = 16


def get_many(backend: Backend, keys: Sequence[str]) -> Iterator[bytes]:
    """What is kept under each key, in their order. Raises NotFound (`key-not-found`) at the first that is not there. What
    the backend itself knows to be damaged comes as no bytes, which are no record: so whoever reads many can tell which it is.

    Requests to a far place overlap; a backend that appends is a file system, where threads would only cost.
    """
    if len(keys) <= _READERS or isinstance(backend, Appending):
        yield from (_get(backend, key) for key in keys)
        return
    # Imported at first use: 4 ms that a start on a local store need not pay.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_READERS, thread_name_prefix="fetch") as readers:
        for begin in range(0, len(keys), _READERS * 16):
            yield from readers.map(partial(_get, backend), keys[begin : begin + _READERS * 16])


def _get(backend: Backend, key: str) -> bytes:
    try:
        return backend.get(key)
    except Corrupt:
        return b""
