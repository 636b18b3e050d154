"""Sizes as people write them."""

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([BKMGT]?)(?:(i)?B)?", re.IGNORECASE)


def size_bytes(text: str) -> int | None:
    """The bytes that `text` says: a number with B, KB, MB, GB or TB, or KiB, MiB, GiB, TiB behind it; None when it says none.

    >>> size_bytes("1.5GB"), size_bytes("2 MiB"), size_bytes("0"), size_bytes("much")
    (1500000000, 2097152, 0, None)
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        return None
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** "BKMGT".index((unit or "B").upper()))
