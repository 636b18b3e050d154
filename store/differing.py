"""Which rows of two manifests differ: their segments side by side, by ranges of paths, compared as Arrow columns."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from datamon.store.backend import Backend
from datamon.store.entries import HeldEntry
from datamon.store.overlap import overlapped
from datamon.store.roots import SegmentRow
from datamon.store.rows import held_entries
from datamon.store.segments import Held, read_held

Differing = tuple[list[HeldEntry], list[HeldEntry]]


@dataclass(frozen=True, slots=True)
class Side:
    """The segments of one manifest that are to be compared, and what names its bundle in an error while they are read."""

    metadata: Backend
    segments: tuple[SegmentRow, ...]
    naming: Callable[[], AbstractContextManager[None]]

    def stretches(self) -> Iterator["_Stretch"]:
        """Its segments, in order."""
        return overlapped(self.metadata, self._read, self.segments)

    def _read(self, row: SegmentRow) -> "_Stretch":
        with self.naming():
            return _Stretch(read_held(self.metadata, row), 0, row.rows, row.last)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Rows `begin` to `end` of a segment, whose last path is `last`."""

    held: Held
    begin: int
    end: int
    last: str

    def cut(self, last: str) -> tuple["_Stretch", "_Stretch | None"]:
        """The rows up to the path `last`, which may be none, and the others if there are any."""
        if last == self.last:
            return self, None
        middle = self.begin + pc.sum(pc.less_equal(self.batch().column("path"), last)).as_py()
        return replace(self, end=middle), replace(self, begin=middle)

    def batch(self) -> pa.RecordBatch:
        return self.held.batch.slice(self.begin, self.end - self.begin)

    def canonical(self) -> pa.BinaryArray:
        return self.held.canonical.slice(self.begin, self.end - self.begin)


def _unlike(left: pa.BinaryArray, right: pa.BinaryArray) -> tuple[pa.Array, pa.Array]:
    """The numbers of the rows of each that are not among the other's. No row is twice in one of them.

    Nearly all stand as far from the beginning, or from the end, as their like; only the rest is looked for by hash.
    """
    shorter = min(len(left), len(right))
    front = pc.equal(left.slice(0, shorter), right.slice(0, shorter))
    back = front
    if len(left) != len(right):
        back = pc.equal(left.slice(len(left) - shorter), right.slice(len(right) - shorter))
    left_rest, right_rest = _unpaired(front, back, len(left)), _unpaired(front, back, len(right))
    lefts, rights = left.take(left_rest), right.take(right_rest)
    return (
        left_rest.filter(pc.invert(pc.is_in(lefts, rights))),
        right_rest.filter(pc.invert(pc.is_in(rights, lefts))),
    )


def _unpaired(front: pa.BooleanArray, back: pa.BooleanArray, length: int) -> pa.Array:
    """The numbers of those of `length` rows that neither `front`, about the first, nor `back`, about the last, says are alike."""
    rest = pa.repeat(False, length - len(front))
    alike = pc.or_(pa.concat_arrays([front, rest]), pa.concat_arrays([rest, back]))
    return pc.indices_nonzero(pc.invert(alike))


def differing(old: Side, new: Side) -> Iterator[Differing]:
    """What each side holds that the other does not have just so, both sorted by path, a range of paths after the other.

    In memory is a segment of each side, and what `overlapped` reads ahead; entries are made only of what differs.
    """
    olds, news = old.stretches(), new.stretches()
    was, now = next(olds, None), next(news, None)
    while was is not None and now is not None:
        last = min(was.last, now.last)
        (left, was_rest), (right, now_rest) = was.cut(last), now.cut(last)
        gone, come = _unlike(left.canonical(), right.canonical())
        yield held_entries(left.batch().take(gone)), held_entries(right.batch().take(come))
        was, now = was_rest or next(olds, None), now_rest or next(news, None)
    for left_over in filter(None, chain([was], olds)):
        yield held_entries(left_over.batch()), []
    for left_over in filter(None, chain([now], news)):
        yield [], held_entries(left_over.batch())
