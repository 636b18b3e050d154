"""What lies next to a node, from the graph's arrays where they are right and from its SQLite file elsewhere: a walk costs what it
reaches."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence

from datamon.query.graph.arrays import READERS, READS, WRITERS, WRITES, Arrays
from datamon.query.graph.in_memory import Direction, Edge, Kept, Node, NodeKind

_LOST = ("failed", "abandoned")
_WHERE_NOT_TOLD = "NOT EXISTS (SELECT 1 FROM outputs o WHERE o.run = b.run AND o.bundle = b.n)"
_Row = tuple[int, str, str | None, str, int, str | None]
"""The other end's row and id, role, how, whether it is of the hidden repo, and the status of the run."""

_READ_BY = """SELECT r.n, r.id, i.role, i.how, i.hidden, r.status FROM inputs i JOIN runs r ON r.n = i.run WHERE i.bundle = ?"""
_READS = """SELECT b.n, b.id, i.role, i.how, i.hidden, r.status FROM inputs i JOIN bundles b ON b.n = i.bundle
    JOIN runs r ON r.n = i.run WHERE i.run = ?"""
_WRITTEN_BY = f"""SELECT r.n, r.id, o.role, 'declared', o.hidden, r.status FROM outputs o JOIN runs r ON r.n = o.run
    WHERE o.bundle = ?1
    UNION ALL SELECT r.n, r.id, b.role, 'declared', b.repo = ?2, r.status FROM bundles b JOIN runs r ON r.n = b.run
    WHERE b.n = ?1 AND {_WHERE_NOT_TOLD}"""  # noqa: S608
_WRITES = f"""SELECT b.n, b.id, o.role, 'declared', o.hidden, r.status FROM outputs o JOIN bundles b ON b.n = o.bundle
    JOIN runs r ON r.n = o.run WHERE o.run = ?1
    UNION ALL SELECT b.n, b.id, b.role, 'declared', b.repo = ?2, r.status FROM bundles b JOIN runs r ON r.n = b.run
    WHERE b.run = ?1 AND {_WHERE_NOT_TOLD}"""  # noqa: S608

LISTS: dict[Direction, dict[NodeKind, str]] = {
    "upstream": {"bundle": WRITERS, "run": READS},
    "downstream": {"bundle": READERS, "run": WRITES},
}
_SQL = {WRITERS: _WRITTEN_BY, READS: _READS, READERS: _READ_BY, WRITES: _WRITES}


class Kinds:
    """Nodes of one kind by number: those of the arrays have the numbers there, others the ones above, in the order in which they
    were met. `touched` are the numbers about which the arrays are no longer right."""

    def __init__(self, file: sqlite3.Connection, arrays: Arrays | None, kind: NodeKind) -> None:
        self.kind = kind
        self.count = (arrays.runs if kind == "run" else arrays.bundles) if arrays else 0
        self.touched: set[int] = set()
        self._arrays = arrays
        self._more: dict[str, int] = {}
        self._ids: list[str] = []
        if arrays:
            rows = arrays.run_rows if kind == "run" else arrays.bundle_rows
            changed = [n for (n,) in file.execute("SELECT n FROM touched WHERE kind = ?", (kind,)) if n < len(rows)]
            self.touched = {rows[n] for n in changed}

    def number(self, identity: str) -> int:
        """The node's number; a node that is not known gets one."""
        number = self._more.get(identity)
        if number is None and self._arrays:
            number = self._arrays.number_of(self.kind, identity)
        if number is None:
            number = self._more[identity] = self.count + len(self._ids)
            self._ids.append(identity)
        return number

    def identity(self, number: int) -> str:
        """The node's id."""
        if number < self.count and self._arrays:
            return self._arrays.id_of(self.kind, number)
        return self._ids[number - self.count]

    def identities(self, numbers: list[int]) -> list[str]:
        """The nodes' ids."""
        if self._arrays and not self._more:
            return self._arrays.ids_of(self.kind, numbers)
        return [self.identity(number) for number in numbers]

    @property
    def total(self) -> int:
        """How many numbers are given."""
        return self.count + len(self._ids)


class Edges:
    """The edges of the graph that the file keeps. `kept.using` is `any` and `kept.pinned` holds."""

    def __init__(self, file: sqlite3.Connection, kept: Kept, arrays: Arrays | None) -> None:
        self.arrays = None if kept.system else arrays
        self.kept = kept
        self.kinds: dict[NodeKind, Kinds] = {
            "run": Kinds(file, self.arrays, "run"),
            "bundle": Kinds(file, self.arrays, "bundle"),
        }
        self._ask: Callable[..., Iterable[_Row]] = file.execute
        self._file = file
        self._forced = frozenset(kept.runs)
        self._rows: dict[tuple[NodeKind, str], int] = {}
        ((self._store,),) = file.execute("SELECT value FROM state WHERE name = 'store'").fetchall()

    def is_lost(self, run: str, status: str | None) -> bool:
        """Whether nothing goes through the run."""
        return status in _LOST and not self.kept.failed and run not in self._forced

    def in_arrays(self, kind: NodeKind, number: int) -> bool:
        """Whether the arrays are right about what lies next to the node."""
        kinds = self.kinds[kind]
        return number < kinds.count and number not in kinds.touched

    def of(self, node: Node, direction: Direction) -> list[Edge]:
        """The edges that leave the node in this direction, sorted by the other end, then role and how."""
        number = self.kinds[node.kind].number(node.id)
        if self.arrays and self.in_arrays(node.kind, number):
            return self._mapped(self.arrays, node, number, direction)
        return self.asked(node, direction)

    def _mapped(self, arrays: Arrays, node: Node, number: int, direction: Direction) -> list[Edge]:
        if node.kind == "run" and arrays.lost[number] and self.is_lost(node.id, _LOST[0]):
            return []
        other: NodeKind = "run" if node.kind == "bundle" else "bundle"
        near = arrays.lists[LISTS[direction][node.kind]]
        places = range(near.at[number], near.at[number + 1])
        edges = [Edge(Node(other, arrays.id_of(other, near.to[k])), *arrays.roles[near.said[k]]) for k in places]
        if other == "run":
            lost = {arrays.id_of("run", near.to[k]) for k in places if arrays.lost[near.to[k]]}
            edges = [each for each in edges if each.node.id not in lost or not self.is_lost(each.node.id, _LOST[0])]
        return edges

    def asked(self, node: Node, direction: Direction) -> list[Edge]:
        """As `of`, by the SQLite file."""
        row = self._row(node)
        if row is None:
            return []
        other: NodeKind = "run" if node.kind == "bundle" else "bundle"
        sql = _SQL[LISTS[direction][node.kind]]
        found: set[tuple[str, str, str]] = set()
        edges: list[tuple[str, str, str, Edge]] = []
        for n, identity, role, how, hidden, status in self._ask(sql, (row, self._store) if "?2" in sql else (row,)):
            run = node.id if node.kind == "run" else identity
            if self.is_lost(run, status) or (hidden and not self.kept.system):
                continue
            key = (identity, role or "", how)
            if key not in found:
                found.add(key)
                self._rows[other, identity] = n
                edges.append((*key, Edge(Node(other, identity), role, how)))
        edges.sort(key=lambda each: each[:3])
        return [edge for *_, edge in edges]

    def _row(self, node: Node) -> int | None:
        known = self._rows.get((node.kind, node.id))
        if known is None:
            found = self._file.execute(f"SELECT n FROM {node.kind}s WHERE id = ?", (node.id,)).fetchone()  # noqa: S608
            known = found[0] if found else None
        return known


class Next:
    """Adjacency in one direction. What was read once is kept."""

    def __init__(self, edges: Edges, direction: Direction) -> None:
        self._edges = edges
        self._direction: Direction = direction
        self._read: dict[Node, Sequence[Edge]] = {}

    def get(self, node: Node, default: tuple[()], /) -> Sequence[Edge]:
        """As `Adjacency.get`."""
        if node not in self._read:
            self._read[node] = self._edges.of(node, self._direction)
        return self._read[node] or default

    def ahead(self, nodes: Sequence[Node]) -> None:
        """Each is read when its turn comes: that costs no more."""
