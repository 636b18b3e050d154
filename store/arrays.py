"""Arrow arrays of Python values, straight from buffers.

`pyarrow.array` imports pandas where that is installed, to ask whether the values are one of its kinds: 0.2 s that a command
which keeps a file need not pay.
"""

from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa

_CODES = {"uint32": "I", "int32": "i", "uint64": "Q", "int64": "q"}


def of(values: Sequence[Any], kind: Any) -> Any:
    """An array of `kind`, whichever of these it is."""
    if kind == pa.string():
        return strings(values)
    if kind == pa.binary():
        return binaries(values)
    if kind == pa.bool_():
        return flags(values)
    return numbers(values, kind) if str(kind) in _CODES else fixed(values, kind.byte_width)


def value(single: Any, kind: Any) -> Any:
    """A value for `pyarrow.compute`, which imports pandas for each one of Python's that it is given."""
    return of([single], kind)[0]


def numbers(values: Iterable[int], kind: Any) -> Any:
    """An array of `kind`: int32, uint32, int64 or uint64."""
    packed = array(_CODES[str(kind)], values)
    return pa.Array.from_buffers(kind, len(packed), [None, pa.py_buffer(packed)])


def flags(values: Sequence[bool]) -> Any:
    """An array of booleans."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(_bits(values))])


def fixed(values: Sequence[bytes], width: int) -> Any:
    """An array of binary values. Raises ValueError unless all have `width` bytes."""
    if any(len(value) != width for value in values):
        raise ValueError(f"not all values have {width} bytes")
    return pa.Array.from_buffers(pa.binary(width), len(values), [None, pa.py_buffer(b"".join(values))])


def binaries(values: Sequence[bytes | None]) -> Any:
    """An array of binary values, with gaps where they are None."""
    return _spans(values, pa.binary())


def strings(values: Sequence[str | None]) -> Any:
    """An array of strings, with gaps where they are None. Raises UnicodeEncodeError for what is not Unicode."""
    return _spans([None if value is None else value.encode() for value in values], pa.string())


def _spans(values: Sequence[bytes | None], kind: Any) -> Any:
    gaps = values.count(None)
    if gaps == len(values):
        return pa.nulls(gaps, kind)
    valid = pa.py_buffer(_bits([value is not None for value in values])) if gaps else None
    pieces = [value or b"" for value in values]
    offsets = array("i", accumulate(map(len, pieces), initial=0))
    buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(b"".join(pieces))]
    return pa.Array.from_buffers(kind, len(values), buffers, null_count=gaps)


def _bits(values: Sequence[object]) -> bytes:
    """One bit for each value, the first in the lowest of the first byte."""
    digits = "".join("1" if value else "0" for value in reversed(values))
    return int(digits or "0", 2).to_bytes(len(values) // 8 + 1, "little")
