"""The merges of a journal are listed again from the segments that are whole, where nobody has the list or a segment any more."""

from collections.abc import Iterable, Iterator
from functools import partial

from datamon.errors import Corrupt
from datamon.store import layout
from datamon.store.backend import get_decoded
from datamon.store.check.findings import Finding
from datamon.store.ids import new_ksuid
from datamon.store.journal_merges import Merges, Segment
from datamon.store.opening import Store

_PARTS = (layout.MERGES, layout.MERGED)


def list_merges_again(store: Store, findings: Iterable[Finding]) -> int:
    """Every merged record that is left can be read when this returns 1; what lay in segments that are lost is given up. A record
    may come twice, with one event. Returns 0 when the merges are whole. Raises Unavailable, Denied."""
    wrong = (finding.key for finding in findings if finding.is_damage or finding.code == "entry-missing")
    if not any(key is not None and key.startswith(_PARTS) for key in wrong):
        return 0
    keys = [stored.key for stored in store.metadata.list(layout.MERGES)]
    whole = list(_whole_segments(store))
    number = max([0, *(int(key.removeprefix(layout.MERGES)) for key in keys), *(each.last for each in whole)]) + 1
    now = store.clock()
    merges = Merges(number, new_ksuid(now), tuple(_widest(whole)))
    return int(store.metadata.put_if_absent(layout.merge(number), merges.encoded(store.metadata, now)))


def _whole_segments(store: Store) -> Iterator[Segment]:
    for stored in store.metadata.list(layout.MERGED):
        try:
            rows = get_decoded(store.metadata, stored.key, partial(_merges_in, key=stored.key))
        except Corrupt:
            continue
        name = stored.key.removeprefix(layout.MERGED).removesuffix(".parquet")
        if rows:
            yield Segment(name, rows[0], rows[-1], len(rows))


def _merges_in(content: bytes, key: str) -> list[int]:
    from datamon.store.journal_segments import decode_merged  # brings pyarrow, which few repairs need

    return [row.merge for row in decode_merged(content, key)]


def _widest(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Those that are not contained in another, in their order: gathered segments are wider than what they were made of."""
    last = 0
    for segment in sorted(segments, key=lambda each: (each.first, -each.last)):
        if segment.last > last:
            last = segment.last
            yield segment
