"""A checkpoint of a log on this machine: its entries as they are stored, in one file, so that a process reads only the tail.

The file holds a digest, a summary of the state, and then the entries, one after the other. It is believed when its last entry
stands in the store's log at the same number: entries are never changed and each has an id of its own, so the log before it is the
same too. Else, as when it is damaged, or the store was restored to an earlier state, it is as if it were not there.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from datamon.store.cache_files import keep_file
from datamon.store.codec import NEWEST, Record, encode
from datamon.store.cover import NO_COVER, Cover
from datamon.store.seal import SEAL_BYTES

_DIGEST_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Laziness:
    """The file is written again when `fewest` entries are new, and at least this share of those in it."""

    fewest: int
    share: float


NEAR = Laziness(64, 1 / 64)
FAR = Laziness(1, 1 / 1024)
"""Where each entry that is read again costs a request."""

Summarize = Callable[[Record | None], Record]
"""From the summary in the file before, if any, to that of the state now."""


class Cached(NamedTuple):
    """What a checkpoint holds: the summary, the entries as they are stored, the JSON of each from number 1 on."""

    summary: Record
    stored: bytes
    entries: Sequence[bytes]

    @property
    def last(self) -> bytes:
        """The last entry as it is stored."""
        return self.stored[-len(self.entries[-1]) - SEAL_BYTES :]


class KeptLogs(NamedTuple):
    """Where a store's checkpoints lie on this machine, and what goes over them."""

    folder: Path
    cover: Cover = NO_COVER

    def checkpoint(self, name: str, laziness: Laziness = NEAR) -> "Checkpoint":
        """That of the log of this name."""
        return Checkpoint(self.folder / name, laziness, self.cover)


class Checkpoint:
    """The checkpoint at `place`; with None there is none. For one thread at a time. Errors of the file system cost time only."""

    def __init__(self, place: Path | None, laziness: Laziness = NEAR, cover: Cover = NO_COVER) -> None:
        self._laziness = laziness
        self._cover = cover
        self._place = place
        self._count = 0
        self._last = b""
        self._new: list[bytes] = []

    def load(self) -> Cached | None:
        """What is there, if anything that can be used. Unless `believe` is told that it is right, it counts as wrong."""
        try:
            content = self._cover.off(self._place.read_bytes(), self._place.name) if self._place is not None else b""
        except (OSError, ValueError):
            return None
        digest, body = content[:_DIGEST_CHARACTERS], content[_DIGEST_CHARACTERS:]
        if blake3(body).hexdigest().encode() != digest:
            return None
        summary, _, stored = body.partition(b"\n")
        try:
            # An entry is two lines, its JSON and its seal. JSON has no line feed in it.
            cached = Cached(json.loads(summary), stored, stored.split(b"\n")[:-1:2])
            return cached if cached.entries and cached.summary["format"] <= NEWEST else None
        except (ValueError, RecursionError, KeyError, TypeError):
            return None

    def believe(self, cached: Cached) -> None:
        """`add` goes on behind these entries."""
        self._count, self._last = len(cached.entries), cached.last

    def add(self, contents: Sequence[bytes], summarize: Summarize) -> None:
        """The next entries, as they are stored. They are written when enough have come together."""
        if self._place is None:
            return
        self._new += contents
        if len(self._new) >= max(self._laziness.fewest, self._laziness.share * self._count):
            self._write(self._place, summarize)
            self._count, self._last, self._new = self._count + len(self._new), self._new[-1], []

    def _write(self, place: Path, summarize: Summarize) -> None:
        before = self.load() if self._count else None
        if self._count and (before is None or len(before.entries) != self._count or before.last != self._last):
            self._place = None  # another process has written it meanwhile: the next one goes on from there
            return
        summary = encode(summarize(before.summary if before else None))
        body = b"".join((summary, b"\n", before.stored if before else b"", *self._new))
        content = self._cover.on(blake3(body).hexdigest().encode() + body, place.name)
        if not keep_file(place, lambda target: target.write(content)):
            self._place = None
