"""The relation `inferred`: dependencies between bundles that no run recorded, which equal contents suggest."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import duckdb

from datamon.errors import Corrupt, NotFound
from datamon.query.graph.in_memory import Node, read_graph
from datamon.query.sources.tables import put_table
from datamon.store.ids import HASH_BYTES, ManifestId
from datamon.store.manifest import SegmentRow, read_manifest
from datamon.store.names import RUNS_REPO
from datamon.store.opening import Store

if TYPE_CHECKING:
    import pyarrow

COLUMNS = (
    ("repo_from", "VARCHAR"),
    ("bundle_from", "VARCHAR"),
    ("repo_to", "VARCHAR"),
    ("bundle_to", "VARCHAR"),
    ("files", "BIGINT"),
    ("shared_bytes", "BIGINT"),
    ("share", "DOUBLE"),
)
LEAST_BYTES = 1024
"""Smaller files are equal by chance too often."""
MOST_REPOS = 10
"""A content that lies in more repos than this tells nothing: a licence, an empty table."""

Row = tuple[object, ...]


def attach_inferred(connection: duckdb.DuckDBPyConnection, store: Store) -> None:
    """The index connection has the relation `inferred` until it is closed."""
    put_table(connection, "inferred", COLUMNS, inferred_rows(connection, store))


def inferred_rows(connection: duckdb.DuckDBPyConnection, store: Store) -> list[Row]:
    """A row for each later bundle and each other repo that had some of its contents before, with that repo's bundle that shares
    the most bytes, of several the newest.

    Only contents count that are new in the later bundle's repo and that nothing upstream of it holds: those have come by a
    recorded run. Reads all manifests that are there, each segment once, and no data. Raises Corrupt when one is damaged.
    """
    _put_held(connection, store)
    rows = connection.execute("SELECT DISTINCT bundle FROM inferred_first").fetchall()
    _put_above(connection, [bundle for (bundle,) in rows])
    return connection.execute(_PAIRS).fetchall()


def _put_held(connection: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Tables of which bundles hold contents that several repos have, and where each is first in its repo."""
    import pyarrow as pa  # only questions about contents come here

    from datamon.store import arrays

    bundles = connection.execute(
        """SELECT id, repo, manifest, deleted FROM with_system.bundles WHERE repo <> ? ORDER BY time, repo, position, id""",
        [RUNS_REPO],
    ).fetchall()
    segments: dict[str, int] = {}
    holding: list[tuple[str, int]] = []
    batches: list[pa.RecordBatch] = []
    for identity, _, manifest, deleted in bundles:
        for row in _segments(store, manifest, deleted=deleted):
            if row.id not in segments:
                batch = _contents(store, row, len(segments), deleted=deleted)
                if batch is None:
                    continue
                segments[row.id] = len(segments)
                batches.append(batch)
            holding.append((identity, segments[row.id]))
    bundle, segment = zip(*holding, strict=True) if holding else ((), ())
    placed = [arrays.strings(bundle), arrays.numbers(segment, pa.int64())]
    connection.register("inferred_contents", pa.Table.from_batches(batches, _schema()))
    connection.register("inferred_segments", pa.table(placed, names=["bundle", "segment"]))
    connection.execute(_HELD, [RUNS_REPO, MOST_REPOS])
    connection.execute(_FIRST)
    connection.unregister("inferred_contents")
    connection.unregister("inferred_segments")


def _segments(store: Store, manifest: str, *, deleted: bool) -> tuple[SegmentRow, ...]:
    """None of a deleted bundle whose manifest is gone."""
    try:
        return read_manifest(store.metadata, ManifestId(manifest)).segments
    except (Corrupt, NotFound):
        if not deleted:
            raise
        return ()


def _contents(store: Store, row: SegmentRow, number: int, *, deleted: bool) -> "pyarrow.RecordBatch | None":
    """The contents of a segment's files of some size, each with the segment's number."""
    import pyarrow as pa

    from datamon.store import arrays
    from datamon.store.segments import read_held

    try:
        batch = read_held(store.metadata, row).batch
    except (Corrupt, NotFound):
        if not deleted:
            raise
        return None
    kinds, sizes = (batch.column(name).to_pylist() for name in ("kind", "size"))
    wanted = [kind in ("file", "external") and size >= LEAST_BYTES for kind, size in zip(kinds, sizes, strict=True)]
    kept = batch.select(["content", "size"]).filter(arrays.flags(wanted))
    numbers = arrays.numbers([number] * len(kept), pa.int64())
    return pa.RecordBatch.from_arrays([numbers, *kept.columns], schema=_schema())


def _schema() -> "pyarrow.Schema":
    import pyarrow as pa

    columns = [("segment", pa.int64()), ("content", pa.binary(HASH_BYTES)), ("size", pa.uint64())]
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns])


def _put_above(connection: duckdb.DuckDBPyConnection, bundles: list[str]) -> None:
    """A table of what is upstream of each of these by recorded runs, and of what stands in for such."""
    graph = read_graph(connection)
    rows: Iterator[Row] = (
        (bundle, each.node.id)
        for bundle in bundles
        for each in graph.closure([Node("bundle", bundle)], "upstream")
        if each.node.kind == "bundle"
    )
    put_table(connection, "inferred_recorded", (("bundle", "VARCHAR"), ("above", "VARCHAR")), list(rows))
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE inferred_above AS WITH RECURSIVE a(bundle, above) AS (
            FROM inferred_recorded
            UNION SELECT a.bundle, d.replaced_by FROM a JOIN kept.deletions d ON d.bundle = a.above
            WHERE d.replaced_by IS NOT NULL)
        FROM a"""
    )


_HELD = """
    CREATE OR REPLACE TEMP TABLE inferred_held AS
    WITH placed AS (
        SELECT b.repo, b.id AS bundle, b.position, b.time, b.deleted, b.run, b.bytes, s.segment
        FROM inferred_segments s JOIN with_system.bundles b ON b.id = s.bundle WHERE b.repo <> $1),
    shared AS (
        SELECT c.content FROM inferred_contents c JOIN (SELECT DISTINCT repo, segment FROM placed) p USING (segment)
        GROUP BY c.content HAVING count(DISTINCT p.repo) BETWEEN 2 AND $2)
    SELECT DISTINCT p.repo, p.bundle, p.position, p.time, p.deleted, p.run, p.bytes, c.content, c.size::BIGINT AS size
    FROM inferred_contents c JOIN shared USING (content) JOIN placed p USING (segment)"""
_FIRST = """
    CREATE OR REPLACE TEMP TABLE inferred_first AS FROM inferred_held
    QUALIFY row_number() OVER (PARTITION BY repo, content ORDER BY position, bundle) = 1"""
_PAIRS = """
    WITH unexplained AS (
        FROM inferred_first f WHERE NOT deleted AND (f.bundle, f.content) NOT IN (
            SELECT (a.bundle, h.content) FROM inferred_above a JOIN inferred_held h ON h.bundle = a.above)),
    pairs AS (
        SELECT h.repo AS repo_from, h.bundle AS bundle_from, f.repo AS repo_to, f.bundle AS bundle_to, count(*) AS files,
            sum(f.size)::BIGINT AS shared_bytes, any_value(f.bytes) AS bytes, any_value(h.position) AS place
        FROM unexplained f JOIN inferred_held h USING (content)
        WHERE h.repo <> f.repo AND h.time < f.time AND NOT h.deleted AND (h.run IS NULL OR h.run IS DISTINCT FROM f.run)
        GROUP BY h.repo, h.bundle, f.repo, f.bundle),
    most AS (
        FROM pairs QUALIFY row_number() OVER (
            PARTITION BY bundle_to, repo_from ORDER BY shared_bytes DESC, place DESC, bundle_from) = 1)
    SELECT repo_from, bundle_from, repo_to, bundle_to, files, shared_bytes, shared_bytes / bytes AS share
    FROM most ORDER BY shared_bytes DESC, bundle_to, repo_from"""
