"""The chunk index made again from the packs, and footers from the index."""

from collections.abc import Iterable, Iterator

from blake3 import blake3

from datamon.errors import Corrupt, NotFound
from datamon.store import layout
from datamon.store.backend import Backend, Span
from datamon.store.check.check import Diagnosis
from datamon.store.check.findings import Finding
from datamon.store.check.need import Need
from datamon.store.check.packs import Packs
from datamon.store.ids import SessionId, new_ksuid
from datamon.store.index_segments import encode_segment
from datamon.store.opening import Store
from datamon.store.packs import PackRow, check_pack, encode_footer, read_footer, rescan

Rows = dict[str, list[PackRow]]


def rebuild_index(store: Store, diagnosis: Diagnosis, findings: Iterable[Finding]) -> int:
    """Every pack that bundles need is named by an index segment, and every segment can be read; returns how many were written.

    Rows come from footers or, where these are damaged, from the frames. Of packs that no segment names only those count that a
    commit names or a file needs: another's upload may be about to take away what it put.
    """
    need = diagnosis.need
    groups: dict[str, Rows] = {key: {} for key in sorted(need.places.unreadable)}
    fresh = min(groups, default=layout.index(new_ksuid(store.clock())))
    for pack in _to_be_named(diagnosis, findings):
        own = layout.index(SessionId(pack.rpartition("-")[0]))
        rows = _rows(need.packs, pack)
        if rows:
            groups.setdefault(own if own in groups else fresh, {})[pack] = rows
    for key, rows_by_pack in groups.items():
        store.blob.put(key, encode_segment(rows_by_pack))
    return len(groups)


def _to_be_named(diagnosis: Diagnosis, findings: Iterable[Finding]) -> Iterator[str]:
    shelf, sessions = diagnosis.need.shelf, diagnosis.ledger.sessions
    for pack in shelf.unindexed:
        if SessionId(pack.rpartition("-")[0]) in sessions or pack in diagnosis.need.sole:
            yield pack
    differing = {finding.key for finding in findings if finding.code == "index-differs"}
    yield from (pack for pack in sorted(shelf.indexed) if layout.pack(pack) in differing)


def _rows(packs: Packs, pack: str) -> list[PackRow]:
    key = layout.pack(pack)

    def read(span: Span) -> bytes:
        return packs.blob.get(key, span)

    try:
        return read_footer(read, pack)
    except Corrupt:
        return _rescanned(packs, key)
    except NotFound:
        return []


def _rescanned(packs: Packs, key: str) -> list[PackRow]:
    try:
        return rescan(packs.blob.get(key), packs.hashing)
    except (Corrupt, NotFound):
        return []


def rebuild_footers(blob: Backend, need: Need) -> int:
    """Packs of which all chunks can be read and only the end is damaged have their true end again; returns how many."""
    mended = 0
    for pack in sorted(need.sole):
        if pack in need.shelf.sizes and pack in need.shelf.faults and not need.shelf.unreadable.get(pack):
            mended += _rebuild_footer(blob, pack, need.places.rows_in(pack))
    return mended


def _rebuild_footer(blob: Backend, pack: str, rows: list[PackRow]) -> bool:
    key = layout.pack(pack)
    ordered = sorted(rows, key=lambda row: (row.offset, row.inner))
    ends = [row.offset + row.stored for row in ordered]
    if not ordered or any(row.offset not in (before, 0) for row, before in _stepping(ordered, ends)):
        return False  # the index does not know every frame of it
    try:
        content = blob.get(key)
        frames = content[: ends[-1]]
        whole = frames + encode_footer(ordered, blake3(frames).digest())
        check_pack(whole, key)
    except (Corrupt, NotFound):
        return False
    if whole == content:
        return False
    blob.put(key, whole)
    return True


def _stepping(rows: list[PackRow], ends: list[int]) -> Iterator[tuple[PackRow, int]]:
    """Each row whose frame is another than the row's before, with where that one ended."""
    for number, row in enumerate(rows):
        if number and row.offset != rows[number - 1].offset:
            yield row, ends[number - 1]
