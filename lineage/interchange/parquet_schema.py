"""The columns of a bundle whose files are Parquet of one schema."""

from io import BytesIO
from typing import Any

from datamon.store.bundle import Bundle
from datamon.store.opening import Store

Field = tuple[str, str]
"""A column's name and its type, as pyarrow writes it."""
_LARGEST_BYTES = 64 * 2**20
_MOST_FILES = 16


def schema_of(store: Store, bundle: Bundle) -> list[Field]:
    """The columns that the bundle's Parquet files all have; none when there is no such file, when they differ, or when that would
    take reading much: only small files (64 MiB) and few (16) are looked at. What cannot be read has none either."""
    from datamon.errors import DatamonError
    from datamon.store.chunk_store import read_file  # these bring pyarrow, which the rest of an export does not need
    from datamon.store.manifest import iter_entries, read_manifest

    found: list[list[Field]] = []
    try:
        for entry in iter_entries(store.metadata, read_manifest(store.metadata, bundle.manifest)):
            if entry.kind != "file" or not entry.path.endswith(".parquet"):
                continue
            if entry.size_bytes > _LARGEST_BYTES or len(found) == _MOST_FILES:
                return []
            content = b"".join(read_file(store.chunks, entry.content, entry.size_bytes, entry.recipe))
            found.append(_columns(content))
    except (DatamonError, OSError, ValueError):
        return []
    return found[0] if found and all(each == found[0] for each in found) else []


def _columns(content: bytes) -> list[Field]:
    import pyarrow.parquet as pq

    schema: Any = pq.read_schema(BytesIO(content))
    return [(each.name, str(each.type)) for each in schema]
