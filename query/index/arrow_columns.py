"""Columns of Python values as Arrow arrays, made of buffers: `pyarrow.array` would import pandas wherever that is installed,
which takes longer than ten thousand rows."""

from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa

Column = Sequence[Any]


def arrow_column(values: Column, kind: str) -> pa.Array:
    """The values as an array of the Arrow type that DuckDB's type `kind` is: VARCHAR, VARCHAR[], BIGINT, TIMESTAMP (given as
    microseconds since 1970), BOOLEAN or DOUBLE; None is null. Raises ValueError, TypeError, OverflowError, AttributeError
    (UnicodeEncodeError is a ValueError) when one is not of this type, or Arrow cannot hold it."""
    return _MADE[kind](values)


def _strings(values: Column) -> pa.Array:
    content = [b"" if value is None else value.encode() for value in values]
    return _array(pa.string(), values, _offsets(content), pa.py_buffer(b"".join(content)))


def _lists(values: Column) -> pa.Array:
    lists = [() if value is None else value for value in values]
    below = _strings(list(chain.from_iterable(lists)))
    buffers = [_validity(values), _offsets(lists)]
    return pa.Array.from_buffers(pa.list_(pa.string()), len(values), buffers, children=[below])


def _whole(values: Column) -> pa.Array:
    return _array(pa.int64(), values, pa.py_buffer(array("q", _filled(values))))


def _moments(values: Column) -> pa.Array:
    return _array(pa.timestamp("us"), values, pa.py_buffer(array("q", _filled(values))))


def _numbers(values: Column) -> pa.Array:
    return _array(pa.float64(), values, pa.py_buffer(array("d", map(float, _filled(values)))))


def _truths(values: Column) -> pa.Array:
    return _array(pa.bool_(), values, pa.py_buffer(_bits(value is True for value in values)))


_MADE: dict[str, Callable[[Column], pa.Array]] = {
    "VARCHAR": _strings,
    "VARCHAR[]": _lists,
    "BIGINT": _whole,
    "TIMESTAMP": _moments,
    "BOOLEAN": _truths,
    "DOUBLE": _numbers,
}


def _array(kind: pa.DataType, values: Column, *buffers: pa.Buffer) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [_validity(values), *buffers])


def _filled(values: Column) -> Column:
    return [0 if value is None else value for value in values]


def _offsets(parts: Sequence[Sequence[object]]) -> pa.Buffer:
    """Where each part begins in all of them, and where the last one ends."""
    return pa.py_buffer(array("i", accumulate(map(len, parts), initial=0)))


def _validity(values: Column) -> pa.Buffer | None:
    """A bit for each value that is none of the nulls; None when there are none."""
    return pa.py_buffer(_bits(value is not None for value in values)) if None in values else None


def _bits(truths: Iterable[bool]) -> bytes:
    """Eight to a byte, the first in the lowest bit."""
    ones = "".join(["1" if truth else "0" for truth in truths])
    return int(ones[::-1] or "0", 2).to_bytes((len(ones) + 7) // 8, "little")
