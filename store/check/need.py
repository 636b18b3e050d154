"""Which places the chunks of live bundles need, and whether each chunk can be had from one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from datamon.errors import Corrupt, NotFound
from datamon.store import layout
from datamon.store.backend import Span
from datamon.store.check.findings import NEXT_STEP, Finding, damage, notice
from datamon.store.check.hits import Cause, Hit
from datamon.store.check.packs import Packs, Shelf, read_place
from datamon.store.check.places import Places
from datamon.store.ids import ChunkId, SessionId
from datamon.store.index_segments import Place
from datamon.store.packs import read_footer, rescan
from datamon.store.recipes import RecipeRow, recipe_rows


class FileRow(NamedTuple):
    """What of a file's entry says where its bytes are."""

    path: str
    size_bytes: int
    content: bytes
    recipe: bytes | None


class Lost(Exception):  # noqa: N818 (not an error of ours to tell: it ends the reading of a recipe)
    """A list of chunks cannot be read."""

    def __init__(self, hit: tuple[Cause, str]) -> None:
        super().__init__()
        self.hit = hit


@dataclass
class Need:
    """What the files of live bundles need. `used` are the packs that some chunk is read from; `sole` those faulty packs that
    are the last to hold one. Where `collecting` was asked for, `missing` are the chunks that no pack gives, and `stranded` those
    that only faulty packs give, each with its place."""

    packs: Packs
    places: Places
    shelf: Shelf
    collecting: bool = False
    used: set[str] = field(default_factory=set)
    sole: set[str] = field(default_factory=set)
    missing: set[ChunkId] = field(default_factory=set)
    stranded: dict[ChunkId, Place] = field(default_factory=dict)
    _unindexed: dict[ChunkId, str] | None = None

    def hit_of(self, file: FileRow) -> Hit | None:
        """Why the file cannot be restored, as far as is known; None when it can."""
        first: tuple[Cause, str] | None = None
        total = 0
        try:
            for row in self._rows(file):
                total += row.length
                lost = self._lost(row)
                first = first or lost
                if first and not self.collecting:
                    break
        except Lost as lost_list:
            first = first or lost_list.hit
        except Corrupt as error:
            first = first or (self._bad_recipe(file, error.message), error.message)
        if first is None and total != file.size_bytes:
            why = f"its chunks are {total} bytes and the file has {file.size_bytes}"
            first = self._bad_recipe(file, why), why
        return Hit(file.path, *first) if first else None

    def _rows(self, file: FileRow) -> Iterator[RecipeRow]:
        if file.recipe is not None:
            return recipe_rows(file.recipe, self._list)
        if not file.size_bytes:
            return iter(())
        return iter((RecipeRow(ChunkId(file.content), file.size_bytes),))

    def _list(self, row: RecipeRow) -> bytes:
        """The bytes of a chunk that lists others."""
        lost = self._lost(row)
        if lost is None:
            for place in self.places.of(row.chunk):
                try:
                    return read_place(self.packs, place)
                except (Corrupt, NotFound) as error:
                    message = (
                        f"the pack {place.pack} in {self.packs.blob.url} has other bytes than were stored; {NEXT_STEP}"
                    )
                    lost = Cause(damage("bad-pack", message, layout.pack(place.pack))), error.message
            self._note_missing(row.chunk)
        assert lost is not None
        raise Lost(lost)

    def _lost(self, row: RecipeRow) -> tuple[Cause, str] | None:
        """Why the chunk cannot be had."""
        faulty: Place | None = None
        why = ""
        for place in self.places.of(row.chunk):
            fault = self.shelf.fault_of(place)
            if fault is None and place.row.length == row.length:
                self.used.add(place.pack)
                if place.pack not in self.shelf.faults:
                    return None
                faulty, why = place, ""
            elif faulty is None:
                faulty, why = place, fault or f"the chunk {row.chunk.hex()} has another length there"
        if faulty is None:
            self._note_missing(row.chunk)
            return self._unplaced(row.chunk)
        self.used.add(faulty.pack)
        self.sole.add(faulty.pack)
        if not why:
            if self.collecting:
                self.stranded[row.chunk] = faulty
            return None
        self._note_missing(row.chunk)
        finding = self.shelf.faults.get(faulty.pack)
        if finding is None:
            finding = damage("bad-pack", f"{why}, as the chunk index says; {NEXT_STEP}", layout.pack(faulty.pack))
        return Cause(finding), why

    def _note_missing(self, chunk: ChunkId) -> None:
        if self.collecting:
            self.missing.add(chunk)

    def _unplaced(self, chunk: ChunkId) -> tuple[Cause, str]:
        """The cause of a chunk that no segment names: a pack may have it whose segment is lost."""
        pack = self._in_unindexed(chunk)
        if pack is not None:
            self.used.add(pack)
            self.sole.add(pack)
            key = layout.index(SessionId(pack.rpartition("-")[0]))
            why = f"no index segment names the pack {pack}"
            if key in self.places.unreadable:
                return Cause(_unread(key)), why
            finding = damage("missing-bytes", f"{why}; run `datamon repair`, which makes {key} again", key)
            return Cause(finding), why
        if self.places.unreadable:
            key = min(self.places.unreadable)
            return Cause(_unread(key)), f"no readable index segment names the chunk {chunk.hex()}"
        finding = damage("missing-bytes", f"chunks of files are in no pack of {self.packs.blob.url}; {NEXT_STEP}")
        return Cause(finding), f"no pack holds the chunk {chunk.hex()}"

    def _in_unindexed(self, chunk: ChunkId) -> str | None:
        """The pack that holds the chunk though no segment names it; those packs are read when this is first asked."""
        if self._unindexed is None:
            self._unindexed = {}
            for pack in self.shelf.unindexed:
                self._unindexed.update((found, pack) for found in chunks_of(self.packs, pack))
        return self._unindexed.get(chunk)

    def _bad_recipe(self, file: FileRow, why: str) -> Cause:
        return Cause(damage("bad-record", f"the entry of {file.path!r} cannot be right: {why}; upload the file again"))


def _unread(key: str) -> Finding:
    return damage("bad-bytes", f"files need the index segment {key}, which cannot be read; run `datamon repair`", key)


def chunks_of(packs: Packs, pack: str) -> list[ChunkId]:
    """The chunks that a pack holds by its own account; where its footer is damaged, those that a rescan finds."""
    key = layout.pack(pack)

    def read(span: Span) -> bytes:
        return packs.blob.get(key, span)

    try:
        try:
            return [row.chunk for row in read_footer(read, pack)]
        except Corrupt:
            return [row.chunk for row in rescan(packs.blob.get(key), packs.hashing)]
    except (NotFound, Corrupt):
        return []


def pack_findings(need: Need) -> Iterator[Finding]:
    """What is wrong with packs, as bad as it is for those who need them: a faulty pack whose chunks all lie whole elsewhere, or
    that nobody needs, is harmless."""
    for pack, finding in sorted(need.shelf.faults.items()):
        if pack in need.sole:
            yield finding
        elif finding.code != "missing-bytes":
            message = f"{finding.message.partition(';')[0]}; no file needs it, so gc may remove it"
            yield notice(finding.code, message, finding.key)
