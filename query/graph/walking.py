"""Closures over the graph's file, by numbers: the same nodes, depths, ways and order as `Graph.closure` gives."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from datamon.query.graph.adjacency import LISTS, Edges, Next
from datamon.query.graph.arrays import Arrays
from datamon.query.graph.in_memory import UNBOUNDED, Bounds, Direction, Graph, Kept, Node, NodeKind, Reached


class Level:
    """Nodes that lie equally many edges from where a walk began, by number, in the order of their ids; for each the number of the
    node before it, and of what the edge between them says."""

    __slots__ = ("depth", "kind", "nodes", "said", "via")

    def __init__(self, kind: NodeKind, depth: int, found: Sequence[tuple[int, int, int]]) -> None:
        self.kind: NodeKind = kind
        self.depth = depth
        self.nodes = [node for node, _, _ in found]
        self.via = [via for _, via, _ in found]
        self.said = [said for _, _, said in found]


class FileGraph(Graph):
    """The graph that a file keeps, of which a walk reads what it comes by."""

    def __init__(self, file: sqlite3.Connection, kept: Kept) -> None:
        super().__init__(())
        self.edges = Edges(file, kept, open_arrays(file))
        self._upstream = Next(self.edges, "upstream")
        self._downstream = Next(self.edges, "downstream")
        self._roles = list(self.edges.arrays.roles) if self.edges.arrays else []
        self._codes = {said: code for code, said in enumerate(self._roles)}

    def closure(self, starts: Iterable[Node], direction: Direction, bounds: Bounds = UNBOUNDED) -> list[Reached]:
        """As `Graph.closure`."""
        first = sorted(set(starts))
        if bounds.bends or len({node.kind for node in first}) > 1:
            return super().closure(first, direction, bounds)
        reached: list[Reached] = []
        for level in self.levels(first, direction, bounds.within):
            other: NodeKind = "run" if level.kind == "bundle" else "bundle"
            before = self.edges.kinds[other].identities(level.via)
            nodes = self.edges.kinds[level.kind].identities(level.nodes)
            for identity, via, said in zip(nodes, before, level.said, strict=True):
                reached.append(Reached(Node(level.kind, identity), level.depth, Node(other, via), *self._roles[said]))
        reached.sort(key=lambda each: (each.depth, each.node))
        return reached

    def levels(self, starts: Sequence[Node], direction: Direction, within: int | None = None) -> list[Level]:
        """What a closure reaches from nodes of one kind, level by level."""
        if not starts:
            return []
        kind = starts[0].kind
        seen = self._seen()
        level = [self.edges.kinds[kind].number(node.id) for node in starts]
        blocked = seen[kind]
        level = [
            number for number in level if number >= len(blocked) or not blocked[number]
        ]  # a lost run leads nowhere
        for number in level:
            _mark(blocked, number)
        levels: list[Level] = []
        while level:
            depth = len(levels) // 2 + 1
            if within is not None and depth > within:
                break
            other: NodeKind = "run" if kind == "bundle" else "bundle"
            found = self._next(kind, level, direction, seen[other])
            if self.edges.kinds[other].total == self.edges.kinds[other].count:
                found.sort()
            else:
                found.sort(key=lambda each: self.edges.kinds[other].identity(each[0]))
            levels.append(Level(other, depth, found))
            level, kind = levels[-1].nodes, other
        return levels

    def _seen(self) -> dict[NodeKind, bytearray]:
        """Which nodes a walk does not go to: runs that are lost, to begin with."""
        edges, runs = self.edges, self.edges.kinds["run"]
        lost = bytearray(runs.count) if edges.arrays is None or edges.kept.failed else bytearray(edges.arrays.lost)
        for number in runs.touched:
            lost[number] = 0
        for forced in edges.kept.runs:
            number = runs.number(forced)
            if number < len(lost):
                lost[number] = 0
        return {"run": lost, "bundle": bytearray(edges.kinds["bundle"].count)}

    def _next(
        self, kind: NodeKind, level: list[int], direction: Direction, seen: bytearray
    ) -> list[tuple[int, int, int]]:
        edges, kinds = self.edges, self.edges.kinds[kind]
        found: list[tuple[int, int, int]] = []
        if edges.arrays is None:
            for number in level:
                self._asked(kind, number, direction, seen, found)
            return found
        near = edges.arrays.lists[LISTS[direction][kind]]
        at, to, said = near.at, near.to, near.said
        count, touched = kinds.count, kinds.touched
        for number in level:
            if number >= count or number in touched:
                self._asked(kind, number, direction, seen, found)
                continue
            for place in range(at[number], at[number + 1]):
                end = to[place]
                if not seen[end]:
                    seen[end] = 1
                    found.append((end, number, said[place]))
        return found

    def _asked(
        self, kind: NodeKind, number: int, direction: Direction, seen: bytearray, found: list[tuple[int, int, int]]
    ) -> None:
        for edge in self.edges.asked(Node(kind, self.edges.kinds[kind].identity(number)), direction):
            end = self.edges.kinds[edge.node.kind].number(edge.node.id)
            if _mark(seen, end):
                found.append((end, number, self._code((edge.role, edge.how))))

    def _code(self, said: tuple[str | None, str]) -> int:
        if said not in self._codes:
            self._codes[said] = len(self._roles)
            self._roles.append(said)
        return self._codes[said]


def _mark(seen: bytearray, number: int) -> bool:
    """Whether the node was not seen before; now it is."""
    if number >= len(seen):
        seen.extend(bytes(number + 1 - len(seen)))
    if seen[number]:
        return False
    seen[number] = 1
    return True


def open_arrays(file: sqlite3.Connection) -> Arrays | None:
    """The arrays that the file names; None when it names none, or they cannot be read: SQLite knows everything."""
    named = file.execute("SELECT value FROM state WHERE name = 'arrays'").fetchall()
    if named:
        ((_, _, path),) = file.execute("PRAGMA database_list").fetchall()
        with suppress(OSError, ValueError, KeyError):
            return Arrays(Path(path).parent / named[0][0])
    return None
