"""Typed names of immutable things, and how they are made and read."""

import os
from typing import NewType

ChunkId = NewType("ChunkId", bytes)
"""BLAKE3 of a chunk: 32 bytes."""
ContentId = NewType("ContentId", str)
"""BLAKE3 of what something contains: 64 hexadecimal digits."""
ManifestId = NewType("ManifestId", str)
"""64 hexadecimal digits."""
SegmentId = NewType("SegmentId", str)
"""64 hexadecimal digits."""
BundleId = NewType("BundleId", str)
"""KSUID: 27 base62 characters."""
RunId = NewType("RunId", str)
"""KSUID."""
RepoId = NewType("RepoId", str)
"""KSUID."""
SessionId = NewType("SessionId", str)
"""KSUID."""

JointId = NewType("JointId", str)
"""KSUID: of a session that many writers share."""

HASH_BYTES = 32
KSUID_CHARACTERS = 27
SHORTEST_PREFIX = 4
_EPOCH_S = 1_400_000_000
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def new_ksuid(time_ns: int, entropy: bytes | None = None) -> str:
    """A KSUID of the second in which `time_ns` lies, with 16 bytes of `entropy` (default: the system's).

    KSUIDs order only to the second: never use their order (segmentio's KSUID, github.com/segmentio/ksuid).

    >>> new_ksuid(1_400_000_000 * 10**9, bytes(16))
    '000000000000000000000000000'
    """
    seconds = max(0, time_ns // 10**9 - _EPOCH_S) & 0xFFFFFFFF
    number = int.from_bytes(seconds.to_bytes(4, "big") + (entropy or os.urandom(16)), "big")
    digits = []
    for _ in range(KSUID_CHARACTERS):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def ksuid_time_ns(text: str) -> int:
    """The time, to the second, at which a KSUID says it was made.

    >>> ksuid_time_ns("000000000000000000000000000") // 10**9
    1400000000
    """
    number = 0
    for character in text:
        number = number * 62 + _ALPHABET.index(character)
    return ((number >> 128) + _EPOCH_S) * 10**9


def is_ksuid(text: str) -> bool:
    """Whether `text` could be a KSUID: 27 base62 characters.

    >>> is_ksuid("2Q0z8hJ3bW6kR1xY5cN7vM9aT4d"), is_ksuid("main")
    (True, False)
    """
    return len(text) == KSUID_CHARACTERS and text.isascii() and text.isalnum()
