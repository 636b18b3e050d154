"""The key that a person keeps for an encrypted store, and the text that it is kept as."""

import base64
import binascii
import os
from dataclasses import dataclass, field
from pathlib import Path

from datamon.errors import Conflict, Invalid
from datamon.store.beneath import reading, writing

KEY_BYTES = 32
_PREFIX = "datamon-key-1:"
_HEADER = (
    "# The key of an encrypted datamon store. Nothing in the store can be read without it, and nobody can make it again:\n"
    "# keep a copy in a safe place.\n"
)


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """32 random bytes. They are never shown."""

    content: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The key as one line of text, as it stands in a key file."""
        return _PREFIX + base64.b64encode(self.content).decode()


def new_key() -> EncryptionKey:
    """A key that nobody else has."""
    return EncryptionKey(os.urandom(KEY_BYTES))


def key_of(text: str, where: str) -> EncryptionKey:
    """The key that a key file's text, or its last line alone, says; `where` it was found is for the message. Raises Invalid
    (`bad-encryption-key`), which does not show the text."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        content = base64.b64decode(lines[0].removeprefix(_PREFIX), validate=True) if len(lines) == 1 else b""
    except (binascii.Error, ValueError):
        content = b""
    if len(content) != KEY_BYTES or not lines[0].startswith(_PREFIX):
        raise Invalid(
            "bad-encryption-key",
            f"{where} is no key of an encrypted store: that is a line `{_PREFIX}` and {KEY_BYTES} bytes in base64; "
            "make one with `datamon store create-key FILE`",
            where=where,
        )
    return EncryptionKey(content)


def read_key(file: Path) -> EncryptionKey:
    """The key in this file. Raises NotFound (`path-not-found`), Denied (`unreadable`), Invalid (`bad-encryption-key`)."""
    with reading(file):
        text = file.read_bytes().decode("utf-8", "replace")
    return key_of(text, f"the file {file}")


def write_key(file: Path, key: EncryptionKey) -> None:
    """The key is in this file, which only its owner may read, durable. Raises Conflict (`destination-not-empty`) when a file is
    there, Denied (`unwritable`), Unavailable (`disk-full`)."""
    with writing(file):
        try:
            target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            message = (
                f"there is a file {file}; a key is never overwritten: name another, or remove it if nothing needs it"
            )
            raise Conflict("destination-not-empty", message, path=str(file)) from None
        with open(target, "w", encoding="ascii") as stream:
            stream.write(f"{_HEADER}{key.text}\n")
            stream.flush()
            os.fsync(stream.fileno())
