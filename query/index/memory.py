"""The index of an encrypted store: tables in the memory of the process, and what was in them, sealed, in a file of this machine.

DuckDB writes no encrypted file without an extension that is loaded over the network, and a file that can be read would say what
the store hides. So each question has a database of its own in memory, filled from the last one's rows.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import duckdb

from datamon.query.index.bulk.build import apply_parts
from datamon.query.index.connect import lock_down, open_in_memory
from datamon.query.index.parts import read_parts
from datamon.query.index.refresh import apply, make_empty, read_position
from datamon.query.index.schema import KEPT, TABLES, statements
from datamon.query.index.sealed import DEFAULT_LIMIT_S
from datamon.query.index.tail import Tail, read_tail
from datamon.store.cache_files import keep_file
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress

Connection = duckdb.DuckDBPyConnection
SEALED_FILE = "index.sealed"


class MemoryIndex:
    """A store's index, as `Index`, of which nothing can be read without the store's key. For one thread at a time."""

    def __init__(self, store: Store, progress: Progress = SILENT) -> None:
        self._progress = progress
        self._store = store
        self._place: Path | None = store.state_dir / SEALED_FILE if store.state_dir is not None else None
        self._kept: bytes | None = None

    def connect(self, *, limit_s: float = DEFAULT_LIMIT_S, about: str | None = None) -> Connection:  # noqa: ARG002 (it has all)
        """As `Index.connect`."""
        return lock_down(self._fresh(self._kept or self._read()), limit_s)

    def refresh(self) -> None:
        """As `Index.refresh`."""
        self._fresh(self._kept or self._read()).close()

    def rebuild(self) -> None:
        """As `Index.rebuild`."""
        self._fresh(None).close()

    def _fresh(self, kept: bytes | None) -> Connection:
        connection = open_in_memory()
        try:
            tail = self._resumed(connection, kept) if kept is not None else None
            if tail is None:
                connection.close()
                connection = open_in_memory()
                make_empty(connection, self._store)
                self._kept = None
                apply_parts(connection, read_parts(self._store, progress=self._progress))
            elif tail.news:
                connection.begin()
                apply(connection, tail)
                connection.commit()
            if tail is None or tail.news:
                self._keep(connection)
                self._store.journal.tend()
        except BaseException:
            connection.close()
            raise
        return connection

    def _resumed(self, connection: Connection, kept: bytes) -> Tail | None:
        """What is new since these rows, which the tables hold now; None when they are of no use."""
        with suppress(duckdb.Error, ValueError, KeyError):
            _load(connection, kept)
            position = read_position(connection, self._store.id)
            if position is not None:
                return read_tail(self._store, position)
        return None

    def _read(self) -> bytes | None:
        """What a process before this one kept, if it can be used."""
        if self._place is None:
            return None
        try:
            self._kept = self._store.cover.off(self._place.read_bytes(), SEALED_FILE)
        except (OSError, ValueError):
            return None
        return self._kept

    def _keep(self, connection: Connection) -> None:
        self._kept = _rows(connection)
        if self._place is not None:
            content = self._store.cover.on(self._kept, SEALED_FILE)
            keep_file(self._place, lambda target: target.write(content))


def _rows(connection: Connection) -> bytes:
    """All rows of all kept tables, as `_load` takes them."""
    import pyarrow as pa  # 0.2 s that only encrypted stores need

    sink = pa.BufferOutputStream()
    for table in TABLES:
        rows = connection.sql(f"FROM {KEPT}.{table.name}").to_arrow_table()
        named = rows.replace_schema_metadata({"table": table.name})
        with pa.ipc.new_stream(sink, named.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
            writer.write_table(named)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _load(connection: Connection, kept: bytes) -> None:
    """An empty database has the rows that `_rows` gave. Raises ValueError (of pyarrow), KeyError, duckdb.Error."""
    import pyarrow as pa

    connection.execute(";".join(statements()))
    source = pa.BufferReader(kept)
    found: Mapping[str, object] = {}
    while source.tell() < len(kept):
        rows = pa.ipc.open_stream(source).read_all()
        found = {**found, rows.schema.metadata[b"table"].decode(): rows}
    for table in TABLES:
        connection.register("kept_rows", found[table.name])
        connection.execute(f"INSERT INTO {KEPT}.{table.name} FROM kept_rows")
        connection.unregister("kept_rows")
