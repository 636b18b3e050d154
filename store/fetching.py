"""Reads of many keys at once."""

from collections.abc import Iterator, Sequence

from datamon.store.backend import Appending, Backend

_READERS = 16


def get_many(backend: Backend, keys: Sequence[str]) -> Iterator[bytes]:
    """What is kept under each key, in their order. Raises NotFound (`key-not-found`) at the first that is not there.

    Requests to a far place overlap; a backend that appends is a file system, where threads would only cost.
    """
    if len(keys) <= _READERS or isinstance(backend, Appending):
        yield from map(backend.get, keys)
        return
    # Imported at first use: 4 ms that a start on a local store need not pay.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_READERS, thread_name_prefix="fetch") as readers:
        for begin in range(0, len(keys), _READERS * 16):
            yield from readers.map(backend.get, keys[begin : begin + _READERS * 16])
