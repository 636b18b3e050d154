"""Making the graph's arrays from its SQLite file."""

import os
import sqlite3
from array import array
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from datamon.query.graph import arrays
from datamon.store.progress import SILENT, Progress

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_SAID = 2**16
_MOST_KEY = 2**63

_EDGES = """
    SELECT run, bundle, role, how FROM inputs WHERE NOT hidden"""
_OUTPUTS = """
    SELECT run, bundle, role, 'declared' FROM outputs WHERE NOT hidden
    UNION ALL SELECT b.run, b.n, b.role, 'declared' FROM bundles b
    WHERE b.run IS NOT NULL AND b.repo IS NOT (SELECT value FROM state WHERE name = 'store')
        AND NOT EXISTS (SELECT 1 FROM outputs o WHERE o.run = b.run AND o.bundle = b.n)"""


class _Nodes:
    """Nodes of one kind in the order of their ids, and their numbers by their rows."""

    def __init__(self, file: sqlite3.Connection, table: str) -> None:
        """Raises ValueError when one has an id that the arrays cannot hold."""
        rows = array("I")
        ids: list[str] = []
        for n, identity in file.execute(f"SELECT n, id FROM {table} ORDER BY id"):  # noqa: S608 (a name of ours)
            rows.append(n)
            ids.append(identity)
        joined = "".join(ids)
        if (
            len(joined) != len(ids) * arrays.ID_LENGTH
            or not joined.isascii()
            or set(map(len, ids)) - {arrays.ID_LENGTH}
        ):
            raise ValueError("an id has another length")
        self.ids = joined.encode("ascii")
        self.count = len(ids)
        self.numbers = array("I", [arrays.NOWHERE]) * (max(rows, default=0) + 1)
        for number, n in enumerate(rows):
            self.numbers[n] = number


def pack(file: sqlite3.Connection, path: Path, progress: Progress = SILENT) -> bool:
    """Whether `path` has the arrays of what `file` says now, durable; not, when it says what they cannot hold, or there is no
    room for them. Edges of the hidden repo are not in them. `progress` hears of their bytes. Raises sqlite3.Error."""
    progress.begin("arrays", None, None)
    try:
        pieces = _packed(file, progress)
        with path.open("xb") as out:
            for piece in pieces:
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
    except (ValueError, OSError):
        path.unlink(missing_ok=True)
        return False
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        progress.end()
    return True


def _packed(file: sqlite3.Connection, progress: Progress) -> "list[bytes | array[int]]":
    """Raises ValueError."""
    runs, bundles = _Nodes(file, "runs"), _Nodes(file, "bundles")
    lost = bytearray(runs.count)
    for (n,) in file.execute("SELECT n FROM runs WHERE status IN ('failed', 'abandoned')"):
        lost[runs.numbers[n]] = 1
    said = _Said(file)
    if (runs.count + 1) * (bundles.count + 1) * (len(said.roles) + 1) >= _MOST_KEY or len(said.roles) >= _MOST_SAID:
        raise ValueError("too many for the arrays")
    parts: dict[str, bytes | array[int]] = {
        arrays.RUN_IDS: runs.ids,
        arrays.BUNDLE_IDS: bundles.ids,
        arrays.LOST: bytes(lost),
        arrays.RUN_ROWS: runs.numbers,
        arrays.BUNDLE_ROWS: bundles.numbers,
        **_repos(file, bundles),
    }
    progress.advance(0, _size(parts))
    for sql, of_run, of_bundle in ((_EDGES, arrays.READS, arrays.READERS), (_OUTPUTS, arrays.WRITES, arrays.WRITERS)):
        by_run, by_bundle = array("q"), array("q")
        for run, bundle, code in said.coded(file.execute(sql)):
            r, b = runs.numbers[run], bundles.numbers[bundle]
            by_run.append((r * bundles.count + b) * said.count + code)
            by_bundle.append((b * runs.count + r) * said.count + code)
        made = _list(of_run, by_run, (runs.count, bundles.count, said.count))
        made |= _list(of_bundle, by_bundle, (bundles.count, runs.count, said.count))
        parts |= made
        progress.advance(0, _size(made))
    return arrays.laid_out(said.roles, parts)


def _size(parts: "dict[str, bytes | array[int]]") -> int:
    return sum(memoryview(part).nbytes for part in parts.values())


def _repos(file: sqlite3.Connection, bundles: _Nodes) -> "dict[str, bytes | array[int]]":
    """Which repo each bundle is of. Raises ValueError."""
    ids = [repo for (repo,) in file.execute("SELECT DISTINCT repo FROM bundles WHERE repo IS NOT NULL ORDER BY repo")]
    if any(len(repo) != arrays.ID_LENGTH or not repo.isascii() for repo in ids):
        raise ValueError("an id has another length")
    numbers = {repo: number for number, repo in enumerate(ids)}
    of = array("I", [arrays.NOWHERE]) * bundles.count
    for n, repo in file.execute("SELECT n, repo FROM bundles WHERE repo IS NOT NULL"):
        of[bundles.numbers[n]] = numbers[repo]
    return {arrays.REPO_IDS: "".join(ids).encode("ascii"), arrays.REPOS_OF_BUNDLES: of}


class _Said:
    """What edges say: role and how, numbered in their order."""

    def __init__(self, file: sqlite3.Connection) -> None:
        told: set[tuple[str | None, str]] = set(file.execute("SELECT DISTINCT role, how FROM inputs"))
        told |= {
            (role, "declared") for (role,) in file.execute("SELECT role FROM outputs UNION SELECT role FROM bundles")
        }
        self.roles = sorted(told, key=lambda each: (each[0] or "", each[1], each[0] is None))
        self.count = max(1, len(self.roles))
        self._codes = {each: code for code, each in enumerate(self.roles)}

    def coded(self, rows: Iterable[tuple[int, int, str | None, str]]) -> Iterator[tuple[int, int, int]]:
        """Run and bundle with the number of what the edge says."""
        codes = self._codes
        return ((run, bundle, codes[role, how]) for run, bundle, role, how in rows)


def _list(name: str, keys: "array[int]", sizes: tuple[int, int, int]) -> "dict[str, bytes | array[int]]":
    """The list of edges whose keys are (from x many + to) x many + said."""
    import pyarrow as pa  # 0.15 s that only making arrays costs
    import pyarrow.compute as pc

    count, others, said = sizes
    every = pa.Array.from_buffers(pa.int64(), len(keys), [None, pa.py_buffer(keys)])
    every = pc.unique(every.take(pc.array_sort_indices(every)))
    pairs = pc.divide(every, said)
    source = pc.divide(pairs, max(1, others))
    target = pc.subtract(pairs, pc.multiply(source, max(1, others)))
    code = pc.subtract(every, pc.multiply(pairs, said))
    return {
        f"{name}-at": _offsets(source, count),
        name: _bytes(target.cast(pa.uint32())),
        f"{name}-said": _bytes(code.cast(pa.uint16())),
    }


def _offsets(source: "pa.Array", count: int) -> "array[int]":
    import pyarrow.compute as pc

    at = array("I", bytes(4 * (count + 1)))
    encoded = pc.run_end_encode(source)
    for node, end in zip(encoded.values.to_pylist(), encoded.run_ends.to_pylist(), strict=True):
        at[node + 1] = end
    return array("I", accumulate(at, max))


def _bytes(column: "pa.Array") -> bytes:
    values = column.buffers()[1]
    width = column.type.bit_width // 8
    return (
        bytes(memoryview(values)[column.offset * width : (column.offset + len(column)) * width]) if len(column) else b""
    )
