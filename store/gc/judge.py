"""Judge: what of the things that are there must stay, what may go, and what is worth copying out."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from datamon.errors import Corrupt
from datamon.store import arrays
from datamon.store.gc.chunk_set import prefixes
from datamon.store.gc.inventory import Inventory
from datamon.store.gc.mark import Marks
from datamon.store.ids import ChunkId
from datamon.store.named import plain_key


@dataclass(frozen=True, slots=True)
class Verdict:
    """Names of packs and metadata keys that are there.

    `dead`: nothing that is kept needs them, and they are not condemned yet. `sparse`: packs of which less than was asked for is
    needed, or that are condemned and needed all the same; they go once what is needed of them is copied. `sweepable`: condemned,
    and nothing needs them. `kept`: condemned, and something needs them. `spared`: only deleted bundles need them.
    """

    dead: frozenset[str]
    sparse: frozenset[str]
    sweepable: frozenset[str]
    kept: frozenset[str]
    spared: frozenset[str]


class Judge:
    """Weighs an inventory against marks.

    Of a chunk that several packs hold one is its keeper: never one that is condemned while another is not. So every chunk that is
    needed has a place in a pack that is neither dead nor sweepable, whatever the verdict is used for.
    """

    def __init__(self, marks: Marks, inventory: Inventory) -> None:
        """Raises Corrupt (`missing-bytes`) when no pack that is there holds a chunk that a live bundle needs."""
        self._marks = marks
        self._inventory = inventory
        self._there = _rows_of(inventory.rows, inventory.packs)
        beginnings = prefixes(self._there.column("chunk"))
        chunks = marks.chunks
        self._has_spared = chunks is not marks.live_chunks
        self._is_needed = chunks.holds(beginnings)
        self._needed = self._there.drop_columns("chunk").append_column("beginning", beginnings).filter(self._is_needed)
        self._bytes = _bytes_by_pack(self._there)
        self._distinct = pc.unique(self._needed.column("beginning"))
        self._check_whole()

    def verdict(self, condemned: frozenset[str], sparse_below: float) -> Verdict:
        """What may go when these names are condemned. A pack is sparse when it keeps less than this share of its bytes."""
        keepers = self._keepers(condemned)
        packs = self._inventory.packs.keys()
        needless = packs - keepers.keys()
        thin = {
            pack
            for pack, kept_bytes in keepers.items()
            if pack in condemned or kept_bytes < sparse_below * self._bytes[pack]
        }
        keys, held = self._needless_keys(condemned)
        needless |= keys
        return Verdict(
            dead=frozenset(needless - condemned),
            sparse=frozenset(thin),
            sweepable=frozenset(needless & condemned),
            kept=frozenset((keepers.keys() | held) & condemned),
            spared=self._spared(keepers),
        )

    def _check_whole(self) -> None:
        live = self._marks.live_chunks
        found = self._distinct.filter(live.holds(self._distinct)) if self._has_spared else self._distinct
        if len(found) < len(live):
            raise Corrupt(
                "missing-bytes",
                "chunks of live bundles lie in no pack that is there; nothing was collected: run `datamon check`",
            )

    def _keepers(self, condemned: frozenset[str]) -> dict[str, int]:
        """The packs that are the only or the chosen place of something needed, with the bytes of it. What only condemned packs
        hold is kept in all of them: another collector may be about to take any one away."""
        alone, shared = self._alone_and_shared
        kept_bytes = _bytes_by_pack(alone)
        for places in shared:
            standing = [pack for pack in places if pack not in condemned]
            chosen = [max(standing, key=self._rank)] if standing else places
            for pack in chosen:
                kept_bytes[pack] = kept_bytes.get(pack, 0) + places[pack]
        return kept_bytes

    def _rank(self, pack: str) -> tuple[float, str]:
        """The fuller a pack is with what is needed, the better a keeper it is."""
        return self._needed_bytes.get(pack, 0) / max(1, self._bytes[pack]), pack

    @cached_property
    def _needed_bytes(self) -> dict[str, int]:
        return _bytes_by_pack(self._needed)

    @cached_property
    def _alone_and_shared(self) -> tuple[pa.Table, list[Mapping[str, int]]]:
        """The needed rows of chunks that lie in one place, and for each other chunk its length by pack."""
        if len(self._distinct) == len(self._needed):
            return self._needed, []
        beginnings = self._needed.column("beginning")
        counts = pc.value_counts(beginnings)
        several = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
        is_shared = pc.is_in(beginnings, value_set=several)
        places: dict[ChunkId, dict[str, int]] = {}
        for row in self._there.filter(self._is_needed).filter(is_shared).to_pylist():
            places.setdefault(row["chunk"], {})[row["pack"]] = row["length"]
        return self._needed.filter(pc.invert(is_shared)), list(places.values())

    def _needless_keys(self, condemned: frozenset[str]) -> tuple[set[str], set[str]]:
        """The metadata keys that may go, and those that may not. Of what is needed the keys stay that are not condemned, or all
        where all are."""
        by_plain: dict[str, list[str]] = {}
        for key in self._inventory.keys:
            by_plain.setdefault(plain_key(key), []).append(key)
        needed = self._marks.keys
        needless, held = set[str](), set[str]()
        for plain, keys in by_plain.items():
            standing = [key for key in keys if key not in condemned] or keys
            stay = standing if plain in needed else ()
            held.update(stay)
            needless.update(set(keys).difference(stay))
        if not self._marks.live_keys <= by_plain.keys():
            lost = min(self._marks.live_keys - by_plain.keys())
            message = f"{lost} of a live bundle is gone; nothing was collected: run `datamon check`"
            raise Corrupt("missing-bytes", message, key=lost)
        return needless, held

    def _spared(self, keepers: Collection[str]) -> frozenset[str]:
        """Of the kept packs and keys those that no live bundle needs."""
        if not self._has_spared:
            return frozenset()
        live = self._marks.live_chunks
        rows = self._needed.filter(live.holds(self._needed.column("beginning").combine_chunks()))
        packs = set(pc.unique(rows.column("pack")).to_pylist())
        spared = self._marks.keys - self._marks.live_keys
        keys = {key for key in self._inventory.keys if plain_key(key) in spared}
        return frozenset(set(keepers) - packs | keys)


def _rows_of(rows: pa.Table, packs: Collection[str]) -> pa.Table:
    """The rows that lie in one of these packs."""
    named = frozenset(pc.unique(rows.column("pack")).to_pylist())
    if named <= set(packs):
        return rows
    return rows.filter(pc.is_in(rows.column("pack"), value_set=arrays.strings(sorted(packs))))


def _bytes_by_pack(rows: pa.Table) -> dict[str, int]:
    """The unpacked bytes of the chunks in each pack that these rows name."""
    if not len(rows):
        return {}
    sums = rows.group_by("pack", use_threads=False).aggregate([("length", "sum")])
    return dict(zip(sums.column("pack").to_pylist(), sums.column("length_sum").to_pylist(), strict=True))
