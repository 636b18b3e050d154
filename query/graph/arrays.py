"""The graph's arrays: one file, mapped into memory, that gives what lies next to a node without asking SQLite.

Runs and bundles have numbers of their own, in the order of their ids, so that the order of numbers is the order in which answers
come. The file is written once (`packing.py`) and never changed; what has come since lies in the graph's SQLite file, which says
which nodes the arrays are no longer right about.
"""

import json
import mmap
import sys
from array import array
from pathlib import Path
from typing import Final, Literal

MAGIC: Final = b"datamon-graph-1\n"
ID_LENGTH: Final = 27
NOWHERE: Final = 0xFFFFFFFF
"""In place of a number: there is none."""
_ALIGNED: Final = 8

RUN_IDS, BUNDLE_IDS, LOST = "run_ids", "bundle_ids", "lost"
RUN_ROWS, BUNDLE_ROWS = "run_rows", "bundle_rows"
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
    or was abandoned; `run_rows` and `bundle_rows` give the numbers of the rows in the SQLite file, NOWHERE for none."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, ValueError when the file is not there or is no such file, whole."""
        with path.open("rb") as file:
            self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        whole = memoryview(self._mapped)
        begin = len(MAGIC) + 8
        if bytes(whole[: len(MAGIC)]) != MAGIC:
            raise ValueError(f"{path} has no arrays")
        size = int.from_bytes(whole[len(MAGIC) : begin], "little")
        header = json.loads(bytes(whole[begin : begin + size]))
        if header["order"] != sys.byteorder or header["size"] != len(whole):
            raise ValueError(f"{path} is of another machine, or not whole")
        places = header["places"]

        def part(name: str, kind: Literal["B", "H", "I"]) -> memoryview:
            start, length = places[name]
            return whole[start : start + length].cast(kind) if length else memoryview(b"")

        self.roles: list[tuple[str | None, str]] = [(role, how) for role, how in header["roles"]]
        self.runs: int = header["runs"]
        self.bundles: int = header["bundles"]
        self.lost = part(LOST, "B")
        self.run_rows = part(RUN_ROWS, "I")
        self.bundle_rows = part(BUNDLE_ROWS, "I")
        self._ids = {"run": whole[slice(*_ends(places[RUN_IDS]))], "bundle": whole[slice(*_ends(places[BUNDLE_IDS]))]}
        self.lists = {
            name: List(part(f"{name}_at", "I"), part(name, "I"), part(f"{name}_said", "H"))
            for name in (READS, WRITERS, READERS, WRITES)
        }

    def id_of(self, kind: str, number: int) -> str:
        """The id of a node."""
        return str(self._ids[kind][number * ID_LENGTH : (number + 1) * ID_LENGTH], "ascii")

    def ids_of(self, kind: str, numbers: list[int]) -> list[str]:
        """The ids of nodes."""
        ids = self._ids[kind]
        return [str(ids[number * ID_LENGTH : (number + 1) * ID_LENGTH], "ascii") for number in numbers]

    def number_of(self, kind: str, identity: str) -> int | None:
        """The number of a node; None when the arrays have no such node."""
        try:
            wanted = identity.encode("ascii")
        except UnicodeEncodeError:
            return None
        ids = self._ids[kind]
        low, high = 0, len(ids) // ID_LENGTH
        while low < high:
            middle = (low + high) // 2
            if bytes(ids[middle * ID_LENGTH : (middle + 1) * ID_LENGTH]) < wanted:
                low = middle + 1
            else:
                high = middle
        found = low * ID_LENGTH < len(ids) and bytes(ids[low * ID_LENGTH : (low + 1) * ID_LENGTH]) == wanted
        return low if found else None


def _ends(place: list[int]) -> tuple[int, int]:
    return place[0], place[0] + place[1]


def laid_out(header: dict[str, object], parts: dict[str, bytes | array]) -> list[bytes | array]:  # type: ignore[type-arg]
    """The pieces of a file with these parts, in order, as `Arrays` reads them."""
    places: dict[str, tuple[int, int]] = {}
    whole = {**header, "order": sys.byteorder, "size": 0, "places": places}
    at = _padded(len(MAGIC) + 8 + len(json.dumps(whole)) + 64 * (len(parts) + 1))
    begin = at
    pieces: list[bytes | array] = []  # type: ignore[type-arg]
    for name, part in parts.items():
        length = memoryview(part).nbytes
        places[name] = (at, length)
        pieces += [part, bytes(_padded(length) - length)]
        at += _padded(length)
    whole["size"] = at
    told = json.dumps(whole).encode().ljust(begin - len(MAGIC) - 8)
    return [MAGIC, len(told).to_bytes(8, "little"), told, *pieces]


def _padded(length: int) -> int:
    return (length + _ALIGNED - 1) // _ALIGNED * _ALIGNED
