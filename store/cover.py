"""What goes over the files that a machine keeps for a store: nothing, or for an encrypted store a seal that hides them."""

import os
from pathlib import Path
from typing import Protocol

from blake3 import blake3


class Cover(Protocol):
    """How files of a machine are kept. `name` is the file's, which a covered file is bound to."""

    @property
    def hides(self) -> bool:
        """Whether nothing of what is kept can be read without the store's key."""

    def on(self, content: bytes, name: str) -> bytes:
        """What is to be written for `content`."""

    def off(self, kept: bytes, name: str) -> bytes:
        """What `on` was given. Raises ValueError when it is not what `on` gave for this name."""

    def name_of(self, directory: Path) -> str:
        """The name of a file about a directory of this machine: 64 hexadecimal digits."""


class NoCover:
    """Files as they are."""

    hides = False

    def on(self, content: bytes, name: str) -> bytes:  # noqa: ARG002
        """See `Cover`."""
        return content

    def off(self, kept: bytes, name: str) -> bytes:  # noqa: ARG002
        """See `Cover`."""
        return kept

    def name_of(self, directory: Path) -> str:
        """See `Cover`."""
        return blake3(os.fsencode(directory.resolve())).hexdigest()


NO_COVER = NoCover()
