"""What lies next to a node, read from the graph's file node by node: a walk costs what it reaches."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence

from datamon.query.graph.in_memory import Edge, Graph, Kept, Node, NodeKind

_LOST = ("failed", "abandoned")
_WHERE_NOT_TOLD = "NOT EXISTS (SELECT 1 FROM outputs o WHERE o.run = b.run AND o.bundle = b.n)"
_Row = tuple[int, str, str | None, str, int, str | None]
"""The other end's number and id, role, how, whether it is of the hidden repo, and the status of the run."""

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


def graph_in(file: sqlite3.Connection, kept: Kept) -> Graph:
    """The graph that the file keeps, of which nothing is read yet. `kept.using` is `any` and `kept.pinned` holds."""
    numbers = _Numbers(file)
    return Graph.over(_Next(file, kept, numbers, _WRITTEN_BY, _READS), _Next(file, kept, numbers, _READ_BY, _WRITES))


class _Numbers:
    """Nodes by their ids, as the file numbers them."""

    def __init__(self, file: sqlite3.Connection) -> None:
        self._file = file
        self.known: dict[Node, int | None] = {}
        ((self.store,),) = file.execute("SELECT value FROM state WHERE name = 'store'").fetchall()

    def of(self, node: Node) -> int | None:
        """The node's number; None when the file does not know it."""
        if node not in self.known:
            found = self._file.execute(f"SELECT n FROM {node.kind}s WHERE id = ?", (node.id,)).fetchone()  # noqa: S608
            self.known[node] = found[0] if found else None
        return self.known[node]


class _Next:
    """Adjacency in one direction. What was read once is kept."""

    def __init__(self, file: sqlite3.Connection, kept: Kept, numbers: _Numbers, of_bundle: str, of_run: str) -> None:
        self._ask: Callable[..., Iterable[_Row]] = file.execute
        self._kept = kept
        self._forced = frozenset(kept.runs)
        self._numbers = numbers
        self._sql = {"bundle": of_bundle, "run": of_run}
        self._read: dict[Node, Sequence[Edge]] = {}

    def get(self, node: Node, default: tuple[()], /) -> Sequence[Edge]:
        """As `Adjacency.get`."""
        if node not in self._read:
            self._read[node] = self._edges(node)
        return self._read[node] or default

    def ahead(self, nodes: Sequence[Node]) -> None:
        """Each is read when its turn comes: that costs no more."""

    def _edges(self, node: Node) -> Sequence[Edge]:
        number = self._numbers.of(node)
        if number is None:
            return ()
        other: NodeKind = "run" if node.kind == "bundle" else "bundle"
        sql = self._sql[node.kind]
        rows = self._ask(sql, (number, self._numbers.store) if "?2" in sql else (number,))
        found: set[tuple[str, str, str]] = set()
        edges: list[tuple[str, str, str, Edge]] = []
        for n, identity, role, how, hidden, status in rows:
            end = Node(other, identity)
            run = node.id if node.kind == "run" else identity
            lost = status in _LOST and not self._kept.failed and run not in self._forced
            if lost or (hidden and not self._kept.system):
                continue
            key = (identity, role or "", how)
            if key not in found:
                found.add(key)
                self._numbers.known[end] = n
                edges.append((*key, Edge(end, role, how)))
        edges.sort(key=lambda each: each[:3])
        return [edge for *_, edge in edges]
