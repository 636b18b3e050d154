"""Keys of a bucket as a tree: what lies beneath a prefix."""

from collections.abc import Callable, Iterable, Iterator

from datamon.errors import NotFound
from datamon.store.external.failures import gone
from datamon.store.external.source import Listed, Status
from datamon.store.external.urls import Url

_PIECE_BYTES = 8 * 2**20


def found_by_key(
    url: Url, status: Callable[[Url], Status], under: Callable[[Url, str], Iterable[tuple[str, Status]]]
) -> Iterator[Listed]:
    """What the URL names in a bucket: the object with this very key, or all that lie beneath it. Raises NotFound
    (`source-not-found`) when there is neither, and as `status` and `under` do."""
    if not url.is_directory:
        try:
            at = status(url)
        except NotFound:
            pass
        else:
            yield Listed("", url, at)
            return
    prefix = url.path if url.is_directory else url.path + "/"
    yield from beneath(url, prefix, under(url, prefix))


def in_pieces(read: Callable[[int, int], bytes], at: Status) -> Iterator[bytes]:
    """The bytes of one object, stretch after stretch."""
    size_bytes = at.size_bytes or 0
    for begin in range(0, size_bytes, _PIECE_BYTES):
        yield read(begin, min(begin + _PIECE_BYTES, size_bytes))


def beneath(url: Url, prefix: str, found: Iterable[tuple[str, Status]]) -> Iterator[Listed]:
    """The objects with these keys, all of which begin with `prefix`, by their paths behind it; an empty one whose key ends with
    `/` is a directory, as the consoles of clouds make them. Raises NotFound (`source-not-found`) when there is none."""
    is_empty = True
    for key, at in found:
        is_empty = False
        path = key[len(prefix) :]
        is_marker = key.endswith("/") and not at.size_bytes
        if path.rstrip("/") or not is_marker:
            yield Listed(path[:-1] if is_marker else path, url.at_key(key), at, directory=is_marker)
    if is_empty:
        raise gone(url)
