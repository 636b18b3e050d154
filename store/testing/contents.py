"""Bytes for tests that are the same on every machine and every run."""

from blake3 import blake3


def random_bytes(name: str, size_bytes: int) -> bytes:
    """`size_bytes` bytes that look random and depend on `name` only: BLAKE3's output of that length for the name.

    >>> random_bytes("a", 4).hex()
    '17762fdd'
    """
    return blake3(name.encode()).digest(length=size_bytes)
