"""Keys of a bucket as a tree: what lies beneath a prefix."""

from collections.abc import Iterable, Iterator

from datamon.store.external.failures import gone
from datamon.store.external.source import Listed, Status
from datamon.store.external.urls import Url


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
