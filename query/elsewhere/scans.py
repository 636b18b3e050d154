"""The relations that are large, as Spark reads them: tasks read the store's Parquet segments, wherever the store lies.

What a task needs is sent with it: how the store is opened, and which columns it gives. Nothing here knows Spark but by the
session that it is given.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import duckdb

from datamon.lineage.records import RUN_KINDS, run_of
from datamon.query.index import derive
from datamon.store.codec import Record, decode, text_of
from datamon.store.external.access import Access
from datamon.store.ids import ManifestId
from datamon.store.journal_merges import Segment, last_merges
from datamon.store.opening import Store

Batches = Iterator[Any]
"""Of pyarrow.RecordBatch."""
_ROOTS = (
    "manifest string, segment string, content string, stat string, first string, last string, rows bigint, bytes bigint"
)
_ENTRIES = (
    "segment string, stat string, path string, kind string, size bigint, content string, executable boolean, mode int, "
    "mtime timestamp_ntz, target string"
)
_RECORDS = "run string, event string, record binary"
_DERIVED = {
    "params": "run string, name string, value string, source string, file string, key string",
    "metrics": "run string, name string, value double",
}
_AT_ONCE = 1_000


def scan(session: Any, store: Store, access: Access, connection: duckdb.DuckDBPyConnection, name: str) -> Any:
    """The relation `name`, one of SCANNED, as a DataFrame of this session; `connection` is the index of this machine."""
    return SCANNED[name](session, store, access, connection)


def _files(session: Any, _: Store, access: Access, connection: duckdb.DuckDBPyConnection) -> Any:
    """Each root is read once, then each segment once, however many bundles share it."""
    told = "SELECT repo, id AS bundle, manifest FROM main.bundles WHERE NOT deleted"
    bundles = session.createDataFrame(connection.sql(told).to_arrow_table())
    manifests = _spread(session, bundles.select("manifest").distinct())
    roots = manifests.mapInArrow(partial(_read_roots, access), _ROOTS).localCheckpoint()
    segments = _spread(session, roots.drop("manifest").dropDuplicates(["segment", "stat"]))
    entries = segments.mapInArrow(partial(_read_segments, access), _ENTRIES)
    held = bundles.join(roots.select("manifest", "segment", "stat"), "manifest")
    names = ("repo", "bundle", "path", "kind", "size", "content", "executable", "mode", "mtime", "target")
    return held.join(entries, ["segment", "stat"]).select(*names)


def _of_runs(table: str, session: Any, store: Store, access: Access, connection: duckdb.DuckDBPyConnection) -> Any:
    """What the runs that the index knows say of themselves, derived from their records as the index derives it."""
    merges = last_merges(store.metadata)
    cursor = {"writers": {}, "merged": merges.number, "rows": 0, "seen": merges.number, "entry": merges.entry}
    loose, _ = store.journal.read(cursor if merges.number else {})
    records = session.createDataFrame(_record_table(loose), _RECORDS)
    if merges.segments:
        listed = _spread(
            session, session.createDataFrame([tuple(asdict(each).values()) for each in merges.segments], _SEGMENT)
        )
        records = records.unionByName(listed.mapInArrow(partial(_read_records, access), _RECORDS))
    runs = session.createDataFrame(connection.sql("SELECT id AS run FROM kept.runs").to_arrow_table())
    sorted_by_run = records.dropDuplicates(["event"]).repartition("run").sortWithinPartitions("run", "event")
    return sorted_by_run.mapInArrow(partial(_derive, table), _DERIVED[table]).join(runs, "run", "left_semi")


SCANNED: Mapping[str, Callable[[Any, Store, Access, duckdb.DuckDBPyConnection], Any]] = {
    "files": _files,
    "params": partial(_of_runs, "params"),
    "metrics": partial(_of_runs, "metrics"),
}
"""The relations that are read from segments."""
_SEGMENT = "name string, first bigint, last bigint, rows bigint"


def _spread(session: Any, rows: Any) -> Any:
    """Over as many tasks as run at once, and as many again."""
    return rows.repartition(2 * int(session.sparkContext.defaultParallelism))


def _record_table(records: Iterable[Record]) -> Any:
    import pyarrow  # brought by the extra

    names, types = ("run", "event", "record"), (pyarrow.string(), pyarrow.string(), pyarrow.binary())
    columns = list(zip(*(_told(each) for each in records if each["kind"] in RUN_KINDS), strict=True)) or [(), (), ()]
    return pyarrow.table([pyarrow.array(each, kind) for each, kind in zip(columns, types, strict=True)], names)


def _told(record: Record) -> tuple[str, str, bytes]:
    return run_of(record), record["event"], text_of(record).encode()


# On workers.


def _read_roots(access: Access, batches: Batches) -> Batches:
    import pyarrow

    from datamon.store.manifest import read_manifest

    store = access.open()
    for batch in batches:
        for id_ in batch.column("manifest").to_pylist():
            rows = read_manifest(store.metadata, ManifestId(id_)).segments
            lists = zip(
                *((id_, r.id, r.content, r.stat, r.first, r.last, r.rows, r.size_bytes) for r in rows), strict=True
            )
            columns = list(lists) or [()] * 8
            names = [part.split()[0] for part in _ROOTS.split(", ")]
            types = [pyarrow.int64() if part.endswith("bigint") else pyarrow.string() for part in _ROOTS.split(", ")]
            arrays = [pyarrow.array(column, kind) for column, kind in zip(columns, types, strict=True)]
            yield pyarrow.RecordBatch.from_arrays(arrays, names)


def _read_segments(access: Access, batches: Batches) -> Batches:
    import pyarrow
    import pyarrow.compute as pc

    from datamon.store.roots import SegmentRow
    from datamon.store.segments import read_segment

    store = access.open()
    names = ("segment", "content", "stat", "first", "last", "rows", "bytes")
    for batch in batches:
        for values in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
            row = SegmentRow(*values)
            held = read_segment(store.metadata, row).batch
            columns = {
                "segment": pyarrow.repeat(row.id, len(held)),
                "stat": pyarrow.repeat(row.stat, len(held)),
                "path": held.column("path"),
                "kind": held.column("kind"),
                "size": held.column("size").cast(pyarrow.int64()),
                "content": pyarrow.array([each.hex() for each in held.column("content").to_pylist()], pyarrow.string()),
                "executable": held.column("executable"),
                "mode": held.column("mode").cast(pyarrow.int32()),
                "mtime": pc.divide(held.column("mtime"), 1000).cast(pyarrow.timestamp("us")),
                "target": held.column("target"),
            }
            yield pyarrow.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _read_records(access: Access, batches: Batches) -> Batches:
    from datamon.store.journal_segments import decode_merged

    store = access.open()
    for batch in batches:
        for name, first, last, rows in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            key = Segment(name, first, last, rows).key
            found = decode_merged(store.metadata.get(key), f"{store.metadata.url}/{key}")
            yield from _record_table(decode(row.record, key) for row in found).to_batches(_AT_ONCE)


def _derive(table: str, batches: Batches) -> Batches:
    """Of records sorted by run and event: the rows of that table."""
    import pyarrow

    told = ((run, decode(record, run)) for batch in batches for run, record in _pairs(batch))
    rows = derive.rows_of_runs(told)[0][table]
    parts = [part.split() for part in _DERIVED[table].split(", ")]
    columns = list(zip(*rows, strict=True)) or [()] * len(parts)
    arrays = [
        pyarrow.array([float(each) for each in column], pyarrow.float64())
        if kind == "double"
        else pyarrow.array(column, pyarrow.string())
        for column, (_, kind) in zip(columns, parts, strict=True)
    ]
    yield pyarrow.RecordBatch.from_arrays(arrays, [name for name, _ in parts])


def _pairs(batch: Any) -> Iterator[tuple[str, bytes]]:
    return zip(batch.column("run").to_pylist(), batch.column("record").to_pylist(), strict=True)
