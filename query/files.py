"""The relation `files`: the manifests of bundles, read only when a question names it."""

from collections.abc import Collection
from dataclasses import dataclass

import duckdb

from datamon.store.ids import ManifestId
from datamon.store.manifest import manifest_rows, read_manifest
from datamon.store.opening import Store


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which bundles' files are asked for: those with these ids (None: all), deleted ones only with `deleted`, those of the
    hidden repo only with `system`."""

    bundles: Collection[str] | None = None
    deleted: bool = False
    system: bool = False


ALL = Wanted()


def attach_files(connection: duckdb.DuckDBPyConnection, store: Store, wanted: Wanted = ALL) -> None:
    """The index connection has the relation `files(repo, bundle, path, kind, size, content, executable, mode, mtime, target)`
    until it is closed: `content` is hexadecimal, `size` in bytes, `mode` the permission bits, `mtime` in UTC.

    A manifest that several bundles share is read once. Raises Corrupt, NotFound (`key-not-found`) when a manifest is damaged
    or gone.
    """
    import pyarrow  # questions about files only come here

    from datamon.store.rows import NAMED_SCHEMA  # brings pyarrow

    bundles = _bundles(connection, wanted)
    manifests = [read_manifest(store.metadata, ManifestId(each)) for each in sorted({row[2] for row in bundles})]
    rows = pyarrow.Table.from_batches(manifest_rows(store.metadata, manifests), NAMED_SCHEMA)
    columns = {"repo": 0, "bundle": 1, "manifest": 2}
    held = {name: pyarrow.array([row[n] for row in bundles], pyarrow.string()) for name, n in columns.items()}
    connection.register("files_bundles", pyarrow.table(held))
    connection.register("files_rows", rows)
    connection.execute(
        """CREATE OR REPLACE TEMP VIEW files AS
        SELECT b.repo, b.bundle, f.path, f.kind, f.size::BIGINT AS size, lower(hex(f.content)) AS content, f.executable,
            f.mode::INTEGER AS mode, make_timestamp(f.mtime // 1000) AS mtime, f.target
        FROM files_bundles b JOIN files_rows f ON f.manifest = b.manifest"""
    )


def _bundles(connection: duckdb.DuckDBPyConnection, wanted: Wanted) -> list[tuple[str, str, str]]:
    schema = "with_system" if wanted.system else "main"
    chosen = None if wanted.bundles is None else sorted(wanted.bundles)
    rows: list[tuple[str, str, str]] = connection.execute(
        f"""SELECT repo, id, manifest FROM {schema}.bundles
        WHERE (NOT deleted OR ?) AND (? IS NULL OR id IN (SELECT unnest(?::VARCHAR[])))
        ORDER BY repo, position""",  # noqa: S608
        [wanted.deleted, chosen, chosen],
    ).fetchall()
    return rows
