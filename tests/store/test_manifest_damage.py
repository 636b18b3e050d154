"""Damage to a manifest is always an error that names what is damaged, never other entries."""

import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from datamon.errors import Corrupt, DatamonError
from datamon.store import layout
from datamon.store.backend.memory import MemoryBackend
from datamon.store.codec import encode
from datamon.store.ids import ManifestId
from datamon.store.manifest import Manifest, iter_entries, read_manifest, write_manifest
from datamon.store.seal import seal, unseal
from datamon.store.testing.trees import entries_of

TREE = entries_of(["a/b.csv", "a/c.csv", "z"])


def written() -> tuple[MemoryBackend, Manifest]:
    """A small manifest in a backend of its own."""
    metadata = MemoryBackend()
    return metadata, write_manifest(metadata, TREE)


def keys_of(manifest: Manifest) -> list[str]:
    """Where its three parts lie."""
    [row] = manifest.segments
    return [layout.manifest(manifest.id), layout.segment(row.id), layout.stat_segment(row.stat)]


def read_all(metadata: MemoryBackend, manifest: Manifest) -> list[str]:
    """The paths, by way of the id alone."""
    return [each.path for each in iter_entries(metadata, read_manifest(metadata, manifest.id))]


@settings(deadline=None)
@given(part=st.integers(0, 2), place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_changed_byte_is_found_or_changes_nothing(part: int, place: float, flip: int) -> None:
    metadata, manifest = written()
    before = list(iter_entries(metadata, manifest))
    key = keys_of(manifest)[part]
    content = bytearray(metadata.get(key))
    content[int(place * len(content))] ^= flip
    metadata.put(key, bytes(content))
    try:
        after = list(iter_entries(metadata, read_manifest(metadata, manifest.id)))
    except DatamonError as error:
        assert error.code in ("bad-bytes", "bad-record")
    else:
        assert after == before


@settings(deadline=None)
@given(part=st.integers(0, 2), keep=st.floats(0, 1, exclude_max=True))
def test_a_part_cut_short_is_corrupt(part: int, keep: float) -> None:
    metadata, manifest = written()
    key = keys_of(manifest)[part]
    content = metadata.get(key)
    metadata.put(key, content[: int(keep * len(content))])
    with pytest.raises(Corrupt, match=layout.manifest(manifest.id)[:9] if part == 0 else "se|st"):
        read_all(metadata, manifest)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_part_that_is_gone_is_named(part: int) -> None:
    metadata, manifest = written()
    key = keys_of(manifest)[part]
    metadata.delete(key)
    with pytest.raises(Corrupt, match=key) as caught:
        read_all(metadata, manifest)
    assert caught.value.code == "missing-bytes"


def test_another_writers_parquet_of_the_same_rows_is_as_good() -> None:
    metadata, manifest = written()
    for key in keys_of(manifest)[1:]:
        table = parquet.read_table(io.BytesIO(unseal(metadata.get(key), key)))
        sink = io.BytesIO()
        parquet.write_table(table, sink, compression="snappy", version="1.0", row_group_size=1)
        metadata.put(key, seal(sink.getvalue()))
    assert read_all(metadata, manifest) == ["a", "a/b.csv", "a/c.csv", "z"]


Malform = Callable[[pa.Table], pa.Table]


@pytest.mark.parametrize(
    ("part", "malform"),
    [
        pytest.param(1, lambda table: replaced(table, "kind", ["dir", "fifo", "file", "file"]), id="unknown kind"),
        pytest.param(1, lambda table: replaced(table, "path", ["a", None, "a/c.csv", "z"]), id="a path that is null"),
        pytest.param(
            1, lambda table: replaced(table, "path", [b"a", b"\xff", b"b", b"z"]), id="a path that is no text"
        ),
        pytest.param(1, lambda table: replaced(table, "size", [1, 1, 1, -1]), id="a size below zero"),
        pytest.param(1, lambda table: replaced(table, "content", [b"short"] * 4), id="contents of another length"),
        pytest.param(1, lambda table: table.drop_columns(["recipe"]), id="a column missing"),
        pytest.param(1, lambda table: table.slice(1), id="a row missing"),
        pytest.param(1, lambda table: table.slice(0, 0), id="no row"),
        pytest.param(2, lambda table: replaced(table, "mode", [1, None, 1, 1]), id="a mode that is null"),
        pytest.param(2, lambda table: replaced(table, "mtime", ["x"] * 4), id="a time that is none"),
    ],
)
def test_a_segment_of_other_rows_under_a_right_seal_is_corrupt(part: int, malform: Malform) -> None:
    metadata, manifest = written()
    key = keys_of(manifest)[part]
    sink = io.BytesIO()
    parquet.write_table(malform(parquet.read_table(io.BytesIO(unseal(metadata.get(key), key)))), sink)
    metadata.put(key, seal(sink.getvalue()))
    with pytest.raises(Corrupt, match=key) as caught:
        read_all(metadata, manifest)
    assert caught.value.code in ("bad-record", "bad-bytes")


def replaced(table: pa.Table, column: str, values: list[Any]) -> pa.Table:
    """The table with these values in a column, whatever their type."""
    array = pa.array(values)
    if pa.types.is_binary(array.type) and column == "path":
        array = pa.Array.from_buffers(pa.string(), len(array), array.buffers())
    return table.set_column(table.schema.get_field_index(column), column, array)


def test_a_segment_in_the_place_of_another_is_found() -> None:
    metadata, manifest = written()
    other = write_manifest(metadata, entries_of(["a/b.csv", "a/c.csv", "y"]))
    metadata.put(keys_of(manifest)[1], metadata.get(keys_of(other)[1]))
    with pytest.raises(Corrupt) as caught:
        read_all(metadata, manifest)
    assert caught.value.code in ("bad-bytes", "bad-record")


@pytest.mark.parametrize(
    "change",
    [
        {"entries": 5},
        {"bytes": 1},
        {"segments": [["x"]]},
        {"segments": None},
        {"segments": [[1, 2, 3, 4, 5, 6, 7]]},
        {"segments": {"a": 1}},
    ],
)
def test_a_root_that_says_nonsense_is_corrupt_although_its_hash_is_right(change: dict[str, Any]) -> None:
    metadata, manifest = written()
    record = json.loads(metadata.get(layout.manifest(manifest.id)))
    root = encode({**record, **change})
    identity = ManifestId(blake3(root, derive_key_context="datamon 1 manifest").hexdigest())
    metadata.put(layout.manifest(identity), root)
    with pytest.raises(Corrupt) as caught:
        read_manifest(metadata, identity)
    assert caught.value.code == "bad-record"


@pytest.mark.parametrize("column", [3, 4, 5])
def test_a_root_that_says_other_paths_or_rows_than_its_segment_has_is_corrupt(column: int) -> None:
    metadata, manifest = written()
    record = json.loads(metadata.get(layout.manifest(manifest.id)))
    record["segments"][0][column] = 3 if column == 5 else "b"
    record["entries"] = record["segments"][0][5]
    root = encode(record)
    identity = ManifestId(blake3(root, derive_key_context="datamon 1 manifest").hexdigest())
    metadata.put(layout.manifest(identity), root)
    with pytest.raises(Corrupt) as caught:
        list(iter_entries(metadata, read_manifest(metadata, identity)))
    assert caught.value.code == "bad-record"
