"""The cover of an encrypted store's files on a machine."""

import os
from pathlib import Path

from blake3 import blake3

from datamon.store.backend.sealing import Broken, opened_whole, sealed


class SealedCover:
    """Files sealed under `key` (32 bytes), with names that say nothing. See `Cover`."""

    hides = True

    def __init__(self, key: bytes) -> None:
        self._key = key

    def on(self, content: bytes, name: str) -> bytes:
        """See `Cover`."""
        return b"".join(sealed(content, name, self._key))

    def off(self, kept: bytes, name: str) -> bytes:
        """See `Cover`."""
        try:
            return opened_whole(kept, name, self._key)
        except Broken:
            raise ValueError(f"{name} is not what was kept under this key") from None

    def name_of(self, directory: Path) -> str:
        """See `Cover`."""
        return blake3(os.fsencode(directory.resolve()), key=self._key).hexdigest()
