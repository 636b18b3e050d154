"""Bytes that only a key's holder can read or make, in segments (docs/format.md, "Encrypted stores").

The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", CRYPTO 2015), as age has it: a nonce is the segment's number and whether it is the last one, so that segments
cannot be dropped, added or reordered unseen. Each segment also carries the salt of the key that seals it, so that a stretch needs
one read. Pure: bytes in, bytes out.
"""

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SEGMENT_BYTES = 65_536
"""Plain bytes of every segment but the last."""
SALT_BYTES = 16
_TAG_BYTES = 16
_MORE_BYTES = SALT_BYTES + _TAG_BYTES
STORED_BYTES = SEGMENT_BYTES + _MORE_BYTES
"""What a full segment has when it is sealed."""
_TRAILER = struct.Struct("<Q")
TRAILER_BYTES = _TRAILER.size
_NUMBER_BYTES = 11


class Broken(Exception):  # noqa: N818 (whoever knows the place says it in an error of ours)
    """The bytes are not what was sealed under this key for this name."""


class Stretch(NamedTuple):
    """Stored bytes from the beginning of segment `first` on, to the end of the whole or to a segment's end."""

    first: int
    stored: bytes


def stored_bytes(plain_bytes: int) -> int:
    """How many bytes so many become."""
    return plain_bytes + _count(plain_bytes) * _MORE_BYTES + TRAILER_BYTES


def plain_bytes(stored: int) -> int:
    """How many bytes so many were; 0 when no bytes become so many.

    >>> plain_bytes(stored_bytes(0)), plain_bytes(stored_bytes(65_536)), plain_bytes(stored_bytes(65_537))
    (0, 65536, 65537)
    """
    body = stored - TRAILER_BYTES
    return max(0, body - -(-body // STORED_BYTES) * _MORE_BYTES)


def sealed(content: bytes, name: str, key: bytes, salt: bytes | None = None) -> Iterator[bytes]:
    """The stored form of `content`, in pieces. `salt` is for tests: without it, it is new each time."""
    salt = os.urandom(SALT_BYTES) if salt is None else salt
    cipher, bound, view = _cipher(key, salt), name.encode(), memoryview(content)
    last = _count(len(content)) - 1
    for number in range(last + 1):
        piece = view[number * SEGMENT_BYTES : (number + 1) * SEGMENT_BYTES]
        yield salt + cipher.encrypt(_nonce(number, number == last), piece, bound)
    yield _TRAILER.pack(len(content))


def size_at_end(stored: bytes) -> int:
    """How many plain bytes the whole has that ends with these bytes, by its own account: only opening the last segment proves
    it. Raises Broken."""
    if len(stored) < TRAILER_BYTES:
        raise Broken
    size: int = _TRAILER.unpack_from(stored, len(stored) - TRAILER_BYTES)[0]
    return size


def opened(stretch: Stretch, name: str, key: bytes, *, size_bytes: int | None) -> bytes:
    """The plain bytes of a stretch. `size_bytes` are those of the whole, when the stretch goes to its end, trailer included; else
    None, and no segment of the stretch is the last. Raises Broken."""
    end = len(stretch.stored)
    last = None
    if size_bytes is not None:
        end -= TRAILER_BYTES
        last = _count(size_bytes) - 1
        if stretch.first * STORED_BYTES + len(stretch.stored) != stored_bytes(size_bytes):
            raise Broken
    view = memoryview(stretch.stored)
    salt = bytes(view[:SALT_BYTES])
    cipher, bound = _cipher(key, salt), name.encode()
    pieces = []
    for number, begin in enumerate(range(0, end, STORED_BYTES), stretch.first):
        segment = view[begin : min(end, begin + STORED_BYTES)]
        if segment[:SALT_BYTES] != salt or len(segment) < _MORE_BYTES:
            raise Broken
        try:
            pieces.append(cipher.decrypt(_nonce(number, number == last), segment[SALT_BYTES:], bound))
        except InvalidTag:
            raise Broken from None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def opened_whole(stored: bytes, name: str, key: bytes) -> bytes:
    """What was sealed under this key for this name. Raises Broken."""
    return opened(Stretch(0, stored), name, key, size_bytes=size_at_end(stored))


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(blake3(salt, key=key).digest())


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(_NUMBER_BYTES, "big") + bytes([is_last])


def _count(plain: int) -> int:
    """How many segments so many bytes have: one at least, for the end to be sealed too."""
    return max(1, -(-plain // SEGMENT_BYTES))
