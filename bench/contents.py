"""What is stored and restored in `bench/storage.py`: a large mixed file, its second version, many small files."""

import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

SEGMENT_BYTES = 16 * 2**20
LARGE_BYTES = 2 * 2**30
INSERTED_BYTES = 777
CHANGED_EXTENTS = 204
EXTENT_BYTES = 512 * 1024
SMALL_FILES = 50_000
_FILES_A_DIRECTORY = 500
_MEDIAN_BYTES = 5_000
_SPREAD = 1.0


def make_large(path: Path, size_bytes: int = LARGE_BYTES) -> None:
    """A file of interleaved segments: CSV, Parquet (twice as often), floats, JSON lines, noise."""
    kinds: tuple[Callable[[np.random.Generator], bytes], ...] = (_csv, _parquet, _floats, _parquet, _jsonl, _noise)
    random_numbers = np.random.default_rng(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        number = 0
        while file.tell() < size_bytes:
            segment = kinds[number % len(kinds)](random_numbers)
            file.write(segment[: min(SEGMENT_BYTES, size_bytes - file.tell())])
            number += 1


def make_second(first: Path, path: Path, share: float = 1.0) -> None:
    """The first file with 777 bytes in front and about 5 % of it written anew, `share` scales how many extents."""
    random_numbers = np.random.default_rng(2)
    path.parent.mkdir(parents=True, exist_ok=True)
    size_bytes = first.stat().st_size
    extents = max(1, round(CHANGED_EXTENTS * share))
    with open(first, "rb") as source, open(path, "wb") as file:
        file.write(random_numbers.bytes(INSERTED_BYTES))
        while piece := source.read(SEGMENT_BYTES):
            file.write(piece)
        places = np.sort(random_numbers.choice(size_bytes // EXTENT_BYTES, size=extents, replace=False))
        for place in places:
            file.seek(INSERTED_BYTES + int(place) * EXTENT_BYTES)
            file.write(random_numbers.bytes(EXTENT_BYTES))


def make_small(directory: Path, files: int = SMALL_FILES) -> None:
    """So many files of log-normal sizes (median 5 kB), two thirds text, one third noise."""
    drawn = random.Random(3)
    text = _jsonl(np.random.default_rng(4))
    noise = np.random.default_rng(5).bytes(SEGMENT_BYTES)
    for number in range(files):
        if number % _FILES_A_DIRECTORY == 0:
            folder = directory / f"{number // _FILES_A_DIRECTORY:04d}"
            folder.mkdir(parents=True, exist_ok=True)
        size = min(2_000_000, int(drawn.lognormvariate(0, _SPREAD) * _MEDIAN_BYTES))
        source, extension = (noise, "bin") if number % 3 == 0 else (text, "json" if number % 3 == 1 else "csv")
        begin = drawn.randrange(len(source) - 2_000_000)
        content = b"%08d" % number + source[begin : begin + size]
        (folder / f"{number:06d}.{extension}").write_bytes(content)


def _lines(line: Callable[[int], str], size_bytes: int) -> bytes:
    def made() -> Iterator[str]:
        size, number = 0, 0
        while size < size_bytes:
            text = line(number)
            size += len(text)
            number += 1
            yield text

    return "".join(made()).encode()


def _csv(numbers: np.random.Generator) -> bytes:
    values = numbers.integers(0, 10**6, 2**16).tolist()
    prices = numbers.normal(100, 15, 2**16).tolist()
    return _lines(
        lambda n: f"{n},{values[n % 65536]},{prices[(n * 7) % 65536]:.4f},item-{values[(n * 3) % 65536] % 5000}\n",
        SEGMENT_BYTES,
    )


def _jsonl(numbers: np.random.Generator) -> bytes:
    values = numbers.integers(0, 2**60, 2**18).tolist()

    def line(n: int) -> str:
        value = values[n % len(values)]
        row = {"id": n, "user": value % 9999, "event": ("view", "buy", "leave")[value % 3], "score": value / 7e16}
        return json.dumps({**row, "mark": f"{value:x}"}) + "\n"

    return _lines(line, SEGMENT_BYTES)


def _parquet(numbers: np.random.Generator) -> bytes:
    rows = 1_100_000
    users = numbers.integers(0, 10**7, rows).tolist()
    table = pa.table(
        {
            "user": [f"user-{user:07d}" for user in users],
            "value": numbers.normal(100, 20, rows),
            "kind": numbers.choice(["a", "b", "c"], rows),
        }
    )
    sink = io.BytesIO()
    parquet.write_table(table, sink, compression="snappy")
    return sink.getvalue()


def _floats(numbers: np.random.Generator) -> bytes:
    return numbers.normal(size=SEGMENT_BYTES // 4).astype(np.float32).tobytes()


def _noise(numbers: np.random.Generator) -> bytes:
    return numbers.bytes(SEGMENT_BYTES)
