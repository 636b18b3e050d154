"""docs/format.md is enough to read a store: a decoder written from it alone, which shares no code with datamon."""

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard
from blake3 import blake3

from datamon.errors import Corrupt
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author
from datamon.store.chunk_store import ChunkStore
from datamon.store.codec import decode
from datamon.store.opening import store_on
from datamon.store.repos import create_repo
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.contents import random_bytes
from datamon.store.upload import UploadRequest, upload


def keyed(context: str, content: bytes) -> str:
    return blake3(content, derive_key_context=context).hexdigest()


def canonical(content: bytes) -> Any:
    record = json.loads(content)
    assert json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == content
    return record


def unsealed(content: bytes) -> bytes:
    assert content[-34:] == b"\n" + blake3(content[:-34]).hexdigest(16).encode() + b"\n"
    return content[:-34]


def rows_of(path: Path) -> Any:
    return pq.ParquetFile(io.BytesIO(unsealed(path.read_bytes()))).read().to_pylist()


def chunks_of_pack(pack: bytes) -> dict[bytes, tuple[bytes, tuple[int, int, int, int]]]:
    """Each chunk's bytes and footer row, read frame by frame and checked against the footer."""
    footer_bytes, count, digest, frames_digest, magic = struct.unpack("<II16s16s8s", pack[-48:])
    footer = pack[-48 - footer_bytes : -48]
    assert magic == b"DMPACK01" and footer_bytes == 48 * count and blake3(footer).digest()[:16] == digest
    assert blake3(pack[: -48 - footer_bytes]).digest()[:16] == frames_digest
    found = []
    at, end = 0, len(pack) - 48 - footer_bytes
    while at < end:
        mark, codec, zero, chunks, stored, raw_bytes = struct.unpack_from("<4sBBHII", pack, at)
        lengths = struct.unpack_from(f"<{chunks}I", pack, at + 16)
        begin = at + 16 + 4 * chunks
        raw = pack[begin : begin + stored]
        if codec == 1:
            raw = zstandard.ZstdDecompressor().decompress(raw)
        assert (mark, zero, len(raw), sum(lengths)) == (b"DMF1", 0, raw_bytes, raw_bytes)
        inner = 0
        for length in lengths:
            piece = raw[inner : inner + length]
            found.append((blake3(piece).digest(), piece, (at, begin + stored - at, inner, length)))
            inner += length
        at = begin + stored
    assert at == end
    assert footer == b"".join(struct.pack("<32s4I", chunk, *row) for chunk, _, row in found)
    return {chunk: (piece, row) for chunk, piece, row in found}


def file_bytes(row: dict[str, Any], chunks: dict[bytes, bytes]) -> bytes:
    recipe = row["recipe"]
    if recipe is None:
        return chunks[row["content"]] if row["size"] else b""
    listed = recipe[1:]
    for level in range(recipe[0] + 1):
        rows = list(struct.iter_unpack("<32sI", listed))
        assert all(len(chunks[chunk]) == length for chunk, length in rows), level
        listed = b"".join(chunks[chunk] for chunk, _ in rows)
    return bytes(listed)


def test_a_store_is_read_from_the_document_alone(tmp_path: Path) -> None:
    files = {"a.txt": b"a" * 500, "dir/ä b.txt": b"b", "dir/empty": b"", "large": random_bytes("large", 4_000_000)}
    for name, content in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    (tmp_path / "in" / "link").symlink_to("nowhere")
    root = tmp_path / "store"
    store = store_on(LocalBackend(root), LocalBackend(root), Author("A", "a@example.org"))
    repo = create_repo(store, "r", "")
    bundle = upload(store, UploadRequest("r", tmp_path / "in", "first"))

    # Packs and index
    chunks: dict[bytes, bytes] = {}
    places = []
    for path in (root / "packs").glob("*/*"):
        assert path.parent.name == blake3(path.name.encode()).hexdigest()[:2]
        for chunk, (piece, row) in chunks_of_pack(path.read_bytes()).items():
            chunks[chunk] = piece
            places.append((chunk, path.name, *row))
    [index] = (root / "index").iterdir()
    names = ("chunk", "pack", "offset", "stored", "inner", "length")
    assert [tuple(row[name] for name in names) for row in rows_of(index)] == sorted(places)

    # The log, and the manifest it points at
    [entry] = [canonical(unsealed(path.read_bytes())) for path in (root / "repos" / repo.id / "log").iterdir()]
    told = entry["bundle"]
    assert (entry["format"], entry["kind"], entry["number"], told["id"]) == (1, "commit", 1, bundle.id)
    assert index.name == f"{entry['session']}.parquet"
    top_bytes = (root / "manifests" / told["manifest"][:2] / told["manifest"]).read_bytes()
    assert keyed("datamon 1 manifest", top_bytes) == told["manifest"]
    top = canonical(top_bytes)
    [[segment, content, stats, first, last, count, size]] = top["segments"]
    assert keyed("datamon 1 content", bytes.fromhex(content)) == told["content"]
    rows = rows_of(root / "segments" / segment[:2] / segment)
    states = rows_of(root / "stats" / stats[:2] / stats)
    hashed, recipes = io.BytesIO(), io.BytesIO(bytes.fromhex(content))
    recipes.seek(32)
    for row in rows:
        path, target = row["path"].encode(), (row["target"] or "").encode()
        kind = ord({"file": "f", "dir": "d", "symlink": "l"}[row["kind"]])
        hashed.write(struct.pack("<I", len(path)) + path + struct.pack("<BBQ", kind, row["executable"], row["size"]))
        hashed.write(row["content"] + struct.pack("<I", len(target)) + target)
        recipe = row["recipe"]
        recipes.write(struct.pack("<I", 0xFFFFFFFF if recipe is None else len(recipe)) + (recipe or b""))
    assert keyed("datamon 1 content segment", hashed.getvalue()) == content
    assert keyed("datamon 1 segment", recipes.getvalue()) == segment
    packed = b"".join(struct.pack("<Iq", state["mode"], state["mtime"]) for state in states)
    assert keyed("datamon 1 stat segment", packed) == stats
    assert {row["path"]: file_bytes(row, chunks) for row in rows if row["kind"] == "file"} == files
    assert [row["content"] for row in rows if row["kind"] == "symlink"] == [blake3(b"nowhere").digest()]
    assert (first, last, count, size) == ("a.txt", "link", 6, sum(map(len, files.values())))
    assert [row["path"] for row in rows] == sorted((row["path"] for row in rows), key=str.encode)

    # The journal
    journal = (root / "journal" / "log").read_bytes()
    told_of = []
    for line in filter(None, journal.split(b"\n")):
        mark, length, crc, body = line.split(b" ", 3)
        assert (mark, int(length, 16), int(crc, 16)) == (b"DMJ1", len(body), zlib.crc32(body))
        told_of.append(canonical(body))
    assert [(record["kind"], record["repo"], record["number"]) for record in told_of] == [
        ("intent", None, 1),
        ("intent", repo.id, 1),
    ]
    assert told_of[1]["entry"] == entry["entry"]


def test_more_tiny_chunks_than_a_frame_can_count_take_another_frame() -> None:
    blob = MemoryBackend()
    session = ChunkStore(blob, clock=SteppingClock()).session()
    tiny = [bytes([n]) for n in range(256)] + [struct.pack("<H", n) for n in range(65_280)]
    for content in tiny:
        session.put_file(io.BytesIO(content), extension=".x", size_hint=len(content))
    session.close()
    [pack] = blob.list("packs/")
    assert len(chunks_of_pack(blob.get(pack.key))) == len(tiny) == 65_536


def test_a_record_nested_too_deep_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="the record at there cannot be read"):
        decode(b"[" * 200_000, "there")
