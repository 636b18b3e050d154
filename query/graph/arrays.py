"""The graph's arrays: one file, mapped into memory, that gives what lies next to a node without asking SQLite.

Runs and bundles have numbers of their own, in the order of their ids, so that the order of numbers is the order in which answers
come. The file is written once (`packing.py`) and never changed; what has come since lies in the graph's SQLite file, which says
which nodes the arrays are no longer right about.

    magic, length of the header (8 bytes), header: lines of `name start length` and of `said role how`, parts
"""

from __future__ import annotations

import mmap
import sys

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping, Sequence
    from typing import Literal

MAGIC = b"datamon-graph-1\n"
ID_LENGTH = 27
NOWHERE = 0xFFFFFFFF
"""In place of a number: there is none."""
_ALIGNED = 8
_HEADER_AT = len(MAGIC) + 8

RUN_IDS, BUNDLE_IDS, LOST = "run-ids", "bundle-ids", "lost"
RUN_ROWS, BUNDLE_ROWS = "run-rows", "bundle-rows"
REPO_IDS, REPOS_OF_BUNDLES = "repo-ids", "repos-of-bundles"
READS, WRITERS, READERS, WRITES = "reads", "writers", "readers", "writes"
"""What a run read and who wrote a bundle lead upstream; who read a bundle and what a run wrote lead downstream."""


class List:
    """Edges in one direction, from nodes of one kind: those of node `n` are `to[at[n]:at[n + 1]]`, each with what `said`
    numbers."""

    __slots__ = ("at", "said", "to")

    def __init__(self, at: memoryview, to: memoryview, said: memoryview) -> None:
        self.at = at
        self.to = to
        self.said = said


class Arrays:
    """An open file of arrays. `roles` has the role and how of each number in a list's `said`; `lost` a 1 for each run that failed
    or was abandoned; `run_rows` and `bundle_rows` give the numbers of rows of the SQLite file, NOWHERE for none. `repos` has
    the number of each bundle's repo, NOWHERE for none."""

    def __init__(self, path: str) -> None:
        """Raises OSError, ValueError, KeyError when the file is not there or is no such file, whole."""
        with open(path, "rb") as file:
            whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        size = int.from_bytes(whole[len(MAGIC) : _HEADER_AT], "little")
        if whole[: len(MAGIC)] != MAGIC or size > len(whole):
            raise ValueError(f"{path} has no arrays")
        places: dict[str, tuple[int, int]] = {}
        self.roles: list[tuple[str | None, str]] = []
        for line in str(whole[_HEADER_AT : _HEADER_AT + size], "utf-8").split("\n"):
            name, first, second = line.rstrip("\0").split("\t")
            if name == "said":
                self.roles.append((first[1:] if first else None, second))
            else:
                places[name] = int(first), int(second)
        if places["size"] != (len(whole), sys.byteorder == "little"):
            raise ValueError(f"{path} is of another machine, or not whole")

        def part(name: str, kind: Literal["B", "H", "I"]) -> memoryview:
            start, length = places[name]
            return whole[start : start + length].cast(kind) if length else memoryview(b"")

        self._ids = {"run": part(RUN_IDS, "B"), "bundle": part(BUNDLE_IDS, "B"), "repo": part(REPO_IDS, "B")}
        self.counts = {kind: len(ids) // ID_LENGTH for kind, ids in self._ids.items()}
        self.rows = {"run": part(RUN_ROWS, "I"), "bundle": part(BUNDLE_ROWS, "I")}
        self.lost = part(LOST, "B")
        self.repos = part(REPOS_OF_BUNDLES, "I")
        self.lists = {
            name: List(part(f"{name}-at", "I"), part(name, "I"), part(f"{name}-said", "H"))
            for name in (READS, WRITERS, READERS, WRITES)
        }

    def ids_of(self, kind: str, numbers: Sequence[int]) -> list[str]:
        """The ids of nodes."""
        ids = self._ids[kind]
        return [str(ids[number * ID_LENGTH : (number + 1) * ID_LENGTH], "ascii") for number in numbers]

    def number_of(self, kind: str, identity: str) -> int | None:
        """The number of a node; None when the arrays have no such node."""
        if not identity.isascii():
            return None
        wanted = identity.encode()
        ids = self._ids[kind]
        low, high = 0, self.counts[kind]
        while low < high:
            middle = (low + high) // 2
            if bytes(ids[middle * ID_LENGTH : (middle + 1) * ID_LENGTH]) < wanted:
                low = middle + 1
            else:
                high = middle
        return low if ids[low * ID_LENGTH : (low + 1) * ID_LENGTH] == wanted else None


def laid_out(
    said: Sequence[tuple[str | None, str]], parts: Mapping[str, bytes | array[int]]
) -> list[bytes | array[int]]:
    """The pieces of a file with these parts, in order, as `Arrays` reads them. Raises ValueError for a role that the header
    cannot hold."""
    if any(c in f"{role or ''}{how}" for role, how in said for c in "\t\n\0"):
        raise ValueError("a role with a tabulator or the end of a line")
    roles = [f"said\t{'' if role is None else f'={role}'}\t{how}" for role, how in said]
    begin = _padded(_HEADER_AT + len("\n".join(roles).encode()) + 64 * (len(parts) + 1))
    at = begin
    lines: list[str] = []
    pieces: list[bytes | array[int]] = []
    for name, part in parts.items():
        length = memoryview(part).nbytes
        lines.append(f"{name}\t{at}\t{length}")
        pieces += [part, bytes(_padded(length) - length)]
        at += _padded(length)
    lines += [f"size\t{at}\t{int(sys.byteorder == 'little')}", *roles]
    header = "\n".join(lines).encode().ljust(begin - _HEADER_AT, b"\0")
    return [MAGIC, len(header).to_bytes(8, "little"), header, *pieces]


def _padded(length: int) -> int:
    return (length + _ALIGNED - 1) // _ALIGNED * _ALIGNED
