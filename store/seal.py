"""Seals: the last line of a stored record or table is a hash of what stands before it (docs/format.md, "Seals")."""

from blake3 import blake3

from datamon.errors import Corrupt

_HEX_DIGITS = 32
SEAL_BYTES = _HEX_DIGITS + 2


def seal(content: bytes) -> bytes:
    """`content` with its seal.

    >>> seal(b"{}")
    b'{}\\n6e46dd10defc9b56c29a6ec56b508c21\\n'
    """
    return content + _seal(content)


def unseal(sealed: bytes, where: str) -> bytes:
    """What was sealed. Raises Corrupt (`bad-bytes`), naming `where`, when a byte of it is not what was stored."""
    content = sealed[:-SEAL_BYTES]
    if sealed[-SEAL_BYTES:] != _seal(content):
        raise Corrupt(
            "bad-bytes",
            f"{where} has other bytes than were stored; run `datamon repair`, or restore it from a copy",
            where=where,
        )
    return content


def _seal(content: bytes) -> bytes:
    return b"\n%s\n" % blake3(content).hexdigest(_HEX_DIGITS // 2).encode()
