"""The entries of a bundle's tree, a segment of them in memory at a time, however many there are."""

import threading
from bisect import bisect_left
from collections import OrderedDict
from typing import NamedTuple

from datamon.store.backend import Backend
from datamon.store.entries import TreeEntry
from datamon.store.roots import Manifest

ROWS_HELD = 65_536
"""So many entries at most are in memory, each of some 500 bytes; a single segment has up to 16,384."""


class Segment(NamedTuple):
    """The entries of a segment, in order, and their paths."""

    paths: list[str]
    entries: list[TreeEntry]


class SegmentRows:
    """The entries of one manifest. Any thread may ask."""

    def __init__(self, metadata: Backend, manifest: Manifest) -> None:
        self.manifest = manifest
        self._metadata = metadata
        self._lasts = [row.last for row in manifest.segments]
        self._held: OrderedDict[int, Segment] = OrderedDict()
        self._held_rows = 0
        self._lock = threading.Lock()

    def number(self, path: str) -> int:
        """The number of the first segment that does not end before `path`; how many there are when all do."""
        return bisect_left(self._lasts, path)

    def entry(self, path: str) -> TreeEntry | None:
        """What is at `path`; reads one segment. Raises Corrupt, Denied, Unavailable."""
        number = self.number(path)
        if number == len(self._lasts) or path < self.manifest.segments[number].first:
            return None
        segment = self.segment(number)
        row = bisect_left(segment.paths, path)
        return segment.entries[row] if segment.paths[row] == path else None

    def segment(self, number: int) -> Segment:
        """The segment of this number, verified. Raises as `entry`."""
        with self._lock:
            held = self._held.get(number)
            if held is not None:
                self._held.move_to_end(number)
                return held
        from datamon.store.segments import read_segment  # brings pyarrow, and who opens a tree may not look at it

        rows = read_segment(self._metadata, self.manifest.segments[number])
        segment = Segment(rows.paths(), rows.entries())
        with self._lock:
            if number not in self._held:
                self._held[number] = segment
                self._held_rows += len(segment.paths)
                while self._held_rows > ROWS_HELD and len(self._held) > 1:
                    _, oldest = self._held.popitem(last=False)
                    self._held_rows -= len(oldest.paths)
        return segment
