"""The packs: that they are there, that their footers agree with the index and, where asked, that every byte is as written."""

import math
import random
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from datamon.errors import Corrupt, NotFound
from datamon.store import layout
from datamon.store.backend import Appending, Backend, Span
from datamon.store.check.findings import NEXT_STEP, Finding, damage, notice, told_by
from datamon.store.check.places import Places
from datamon.store.hashing import Hashing
from datamon.store.ids import ChunkId
from datamon.store.index_segments import Place
from datamon.store.packs import PackRow, check_pack, decode_frame, read_footer
from datamon.store.progress import Progress

_TAIL_BYTES = 65_536
"""So much of a pack's end is read at once: the footer of most packs and the trailer."""
_WHOLE_AT_ONCE = 3
"""Packs that are in memory at one time."""
_TAILS_AT_ONCE = 16
_SHOWN = 20

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Sample:
    """Which share of the packs is read whole (None: none), and the seed that says which."""

    percent: float | None = None
    seed: int = 0

    def of(self, names: Sequence[str]) -> frozenset[str]:
        """The packs of `names`, sorted, that are read whole."""
        if self.percent is None:
            return frozenset()
        count = min(len(names), math.ceil(len(names) * self.percent / 100))
        return frozenset(random.Random(self.seed).sample(names, count))  # noqa: S311 (nobody gains by guessing)


NO_SAMPLE = Sample()
"""No pack is read whole."""


@dataclass
class Shelf:
    """The packs as they were found: the sizes in bytes of those that are there, what is wrong with which, and which of the
    chunks that the index places in them cannot be read from them. `indexed` are those that the index names."""

    sizes: dict[str, int] = field(default_factory=dict)
    faults: dict[str, Finding] = field(default_factory=dict)
    unreadable: dict[str, frozenset[ChunkId]] = field(default_factory=dict)
    indexed: frozenset[str] = frozenset()

    def fault_of(self, place: Place) -> str | None:
        """Why the chunk at this place cannot be read, as far as is known; None when it can."""
        size = self.sizes.get(place.pack)
        if size is None:
            return f"the pack {place.pack} is gone"
        if place.row.offset + place.row.stored > size:
            return f"the pack {place.pack} is too short"
        if place.row.chunk in self.unreadable.get(place.pack, ()):
            return f"the pack {place.pack} is damaged"
        return None

    @property
    def unindexed(self) -> list[str]:
        """The packs that no index segment names."""
        return sorted(self.sizes.keys() - self.indexed)


@dataclass(frozen=True, slots=True)
class Packs:
    """Where packs lie, and how the chunks in them are named."""

    blob: Backend
    hashing: Hashing


def examine_packs(packs: Packs, places: Places, sample: Sample, progress: Progress) -> Generator[Finding, None, Shelf]:
    """Every pack that the index names is there and every footer agrees with the index; of the packs in the sample every byte is
    as it was written, and every chunk has its id. What is wrong is in the shelf, not yet a finding: how bad it is depends on who
    needs the pack. In memory: 3 packs, and 150 bytes for each pack there is."""
    shelf = Shelf(indexed=places.packs)
    shelf.sizes = {stored.key.rpartition("/")[2]: stored.size_bytes for stored in packs.blob.list(layout.PACKS)}
    names = sorted(shelf.sizes)
    whole = sample.of(names)
    if sample.percent is not None and len(whole) < len(names):
        yield _sampled(whole, len(names), sample)
    for looked in _looked_at(packs, places, names, whole, progress):
        if looked.gone:
            del shelf.sizes[looked.pack]
        if looked.fault is not None:
            shelf.faults[looked.pack] = looked.fault
            shelf.unreadable[looked.pack] = looked.unreadable
    for name in sorted(shelf.indexed - shelf.sizes.keys()):
        key = layout.pack(name)
        shelf.faults[name] = damage("missing-bytes", f"the pack {name} in {packs.blob.url} is gone; {NEXT_STEP}", key)
    return shelf


@dataclass(frozen=True, slots=True)
class _Looked:
    """What became of one pack."""

    pack: str
    fault: Finding | None = None
    unreadable: frozenset[ChunkId] = frozenset()
    gone: bool = False


def _looked_at(
    packs: Packs, places: Places, names: Sequence[str], whole: frozenset[str], progress: Progress
) -> Iterator[_Looked]:
    tails = [name for name in names if name not in whole]
    far = not isinstance(packs.blob, Appending)
    progress.begin("check packs", len(names), None)
    for looked in in_threads(lambda name: _tail(packs, places, name), tails, _TAILS_AT_ONCE if far else 1):
        progress.advance(1, 0)
        yield looked
    for looked in in_threads(lambda name: _whole(packs, places, name, progress), sorted(whole), _WHOLE_AT_ONCE):
        progress.advance(1, 0)
        yield looked
    progress.end()


def _tail(packs: Packs, places: Places, name: str) -> _Looked:
    where = f"the pack {name} in {packs.blob.url}"
    try:
        rows = read_footer(_tail_reader(packs.blob, layout.pack(name)), where)
    except NotFound:
        return _Looked(name, gone=True)
    except Corrupt:
        return _whole(packs, places, name, None)  # what of it can be read is worth knowing now
    return _compared(places, name, rows)


def _whole(packs: Packs, places: Places, name: str, progress: Progress | None) -> _Looked:
    try:
        content = packs.blob.get(layout.pack(name))
    except NotFound:
        return _Looked(name, gone=True)
    except Corrupt as error:  # the backend itself knows of the damage: what lies beside it may still be read
        unreadable = frozenset(row.chunk for row in places.rows_in(name) if not _can_be_read(packs, Place(name, row)))
        return _Looked(name, told_by(error, layout.pack(name)), unreadable)
    if progress is not None:
        progress.advance(0, len(content))
    try:
        rows = check_pack(content, f"the pack {name} in {packs.blob.url}")
    except Corrupt as error:
        unreadable = unreadable_chunks(content, places.rows_in(name), packs.hashing)
        return _Looked(name, told_by(error, layout.pack(name)), unreadable)
    unreadable = unreadable_chunks(content, rows, packs.hashing)
    if unreadable:
        where = f"the pack {name} in {packs.blob.url}"
        message = f"{where} was written with {len(unreadable)} chunks that are not theirs; {NEXT_STEP}"
        return _Looked(name, damage("bad-pack", message, layout.pack(name)), unreadable)
    return _compared(places, name, rows)


def _compared(places: Places, name: str, rows: Sequence[PackRow]) -> _Looked:
    if name not in places.packs:
        return _Looked(name)
    lost = next((row for row in rows if Place(name, row) not in places.of(row.chunk)), None)
    if lost is None:
        return _Looked(name)
    message = f"the chunk index lacks chunks of the pack {name}, such as {lost.chunk.hex()}; run `datamon repair`"
    return _Looked(name, damage("index-differs", message, layout.pack(name)))


def unreadable_chunks(content: bytes, rows: Iterable[PackRow], hashing: Hashing) -> frozenset[ChunkId]:
    """Those chunks of `rows` that a pack of these bytes does not give back."""
    frames: dict[tuple[int, int], list[PackRow]] = {}
    for row in rows:
        frames.setdefault((row.offset, row.stored), []).append(row)
    return frozenset(
        row.chunk
        for (offset, stored), inside in frames.items()
        for row in _unreadable_in(content[offset : offset + stored], inside, hashing)
    )


def _unreadable_in(stored: bytes, rows: Sequence[PackRow], hashing: Hashing) -> Iterator[PackRow]:
    try:
        raw = decode_frame(stored, "the frame").raw
    except Corrupt:
        yield from rows
        return
    for row in rows:
        if hashing.chunk(raw[row.inner : row.inner + row.length]) != row.chunk:
            yield row


def read_place(packs: Packs, place: Place) -> bytes:
    """The bytes of the chunk at this place, verified. Raises Corrupt, NotFound."""
    row = place.row
    where = f"the pack {place.pack} in {packs.blob.url}"
    frame = decode_frame(packs.blob.get(layout.pack(place.pack), Span(row.offset, row.stored)), where)
    content = frame.raw[row.inner : row.inner + row.length]
    if packs.hashing.chunk(content) != row.chunk:
        raise Corrupt("bad-bytes", f"{where} has other bytes than were stored; {NEXT_STEP}", pack=place.pack)
    return content


def _can_be_read(packs: Packs, place: Place) -> bool:
    try:
        read_place(packs, place)
    except (Corrupt, NotFound):
        return False
    return True


def _tail_reader(blob: Backend, key: str) -> Callable[[Span], bytes]:
    """Reads of a pack's end, most of them from one read of the backend."""
    tail = blob.get(key, Span(-_TAIL_BYTES, _TAIL_BYTES))

    def read(span: Span) -> bytes:
        if -span.start > len(tail):
            return tail[:0] if len(tail) < _TAIL_BYTES else blob.get(key, span)
        start = len(tail) + span.start
        return tail[start : start + span.length]

    return read


def _sampled(whole: frozenset[str], count: int, sample: Sample) -> Finding:
    names = sorted(whole)
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return notice("packs-read", f"{len(names)} of {count} packs were read whole (seed {sample.seed}): {shown}")


def in_threads(call: Callable[[Given], Made], arguments: Sequence[Given], at_once: int) -> Iterator[Made]:
    """What `call` makes of each argument, in their order, `at_once` of them under way; raises what a call raised in its place."""
    if min(at_once, len(arguments)) < 2:
        yield from map(call, arguments)
        return
    waiting = iter(arguments)
    with ThreadPoolExecutor(at_once, thread_name_prefix="check") as threads:
        running: deque[Future[Made]] = deque()
        try:
            while True:
                running.extend(threads.submit(call, each) for each in islice(waiting, at_once - len(running)))
                if not running:
                    return
                yield running.popleft().result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
