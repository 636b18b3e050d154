"""What this machine knows of large trees of code: the digest of what counts of a file, by git's name of its content, or by ours.

It spares reading and parsing, and never says anything that the files do not say themselves.
"""

from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from datamon.store.cache_files import keep_file
from datamon.store.opening import Store

MOST = 400_000
"""So many files are known at most, about 60 MB."""
_HASH_LENGTH = 64
_SEPARATOR = "\n"


def known_texts(store: Store) -> "KnownTexts":
    """What this machine knows beside a store; of an encrypted one nothing is kept, since names of contents say what they are."""
    keeps = store.state_dir is not None and not store.cover.hides
    return KnownTexts(store.state_dir / "code-texts" if keeps and store.state_dir else None)


class KnownTexts:
    """Digests by keys, kept at `place` by `save`; without a place they live as long as this does. A damaged file
    counts as none."""

    def __init__(self, place: Path | None = None) -> None:
        self._place = place
        self._known: dict[str, str] | None = None
        self._fresh: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        """The digest under `key`, which has no white space."""
        if self._known is None:
            self._known = _read(self._place) if self._place else {}
        return self._fresh.get(key) or self._known.get(key)

    def put(self, key: str, digest: str) -> None:
        """`digest` is known under `key` from now on."""
        self._fresh[key] = digest

    def save(self) -> None:
        """What was put is known to processes that begin after this, as far as the machine lets us."""
        if self._place is None or not self._fresh:
            return
        known = _read(self._place)  # another process may have added to it
        kept = self._fresh | (known if len(known) + len(self._fresh) <= MOST else {})
        body = _SEPARATOR.join(f"{key} {digest}" for key, digest in kept.items()).encode()

        def write(target: BinaryIO) -> None:
            target.write(blake3(body).hexdigest().encode() + body)

        if keep_file(self._place, write):
            self._known, self._fresh = kept, {}


def _read(place: Path) -> dict[str, str]:
    try:
        content = place.read_bytes()
    except OSError:
        return {}
    seal, body = content[:_HASH_LENGTH], content[_HASH_LENGTH:]
    if seal != blake3(body).hexdigest().encode():
        return {}
    pairs = (line.partition(" ") for line in body.decode().split(_SEPARATOR))
    return {key: digest for key, _, digest in pairs if digest}
