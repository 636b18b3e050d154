"""The graph's file as a `Graph`, for what walks node by node."""

import sqlite3
from collections.abc import Iterable, Sequence

from datamon.query.graph.adjacency import OTHER, Rules
from datamon.query.graph.in_memory import UNBOUNDED, Bounds, Direction, Edge, Graph, Kept, Node, NodeKind, Reached
from datamon.query.graph.walking import Walker

_KINDS: dict[str, NodeKind] = {"run": "run", "bundle": "bundle"}


class FileGraph(Graph):
    """The graph that a file keeps, of which a walk reads what it comes by. `kept.using` is `any` and `kept.pinned` holds."""

    def __init__(self, file: sqlite3.Connection, kept: Kept) -> None:
        super().__init__(())
        self.walker = Walker(file, Rules(failed=kept.failed, system=kept.system, runs=frozenset(kept.runs)))
        self._upstream = _Next(self.walker, "upstream")
        self._downstream = _Next(self.walker, "downstream")

    def closure(self, starts: Iterable[Node], direction: Direction, bounds: Bounds = UNBOUNDED) -> list[Reached]:
        """As `Graph.closure`."""
        first = sorted(set(starts))
        if bounds.bends or len({node.kind for node in first}) != 1:
            return super().closure(first, direction, bounds)
        walker = self.walker
        reached: list[Reached] = []
        for level in walker.levels(first[0].kind, [node.id for node in first], direction, bounds.within):
            kind, before = _KINDS[level.kind], _KINDS[OTHER[level.kind]]
            ends = walker.kinds[kind].ids(level.nodes)
            vias = walker.kinds[before].ids([via for _, via, _ in level.found])
            for end, via, (_, _, said) in zip(ends, vias, level.found, strict=True):
                reached.append(Reached(Node(kind, end), level.depth, Node(before, via), *walker.said[said]))
        reached.sort(key=lambda each: (each.depth, each.node))
        return reached


class _Next:
    """Adjacency in one direction. What was read once is kept."""

    def __init__(self, walker: Walker, direction: Direction) -> None:
        self._walker = walker
        self._direction = direction
        self._read: dict[Node, Sequence[Edge]] = {}

    def get(self, node: Node, default: tuple[()], /) -> Sequence[Edge]:
        """As `Adjacency.get`."""
        if node not in self._read:
            self._read[node] = self._edges(node)
        return self._read[node] or default

    def ahead(self, nodes: Sequence[Node]) -> None:
        """Each is read when its turn comes: that costs no more."""

    def _edges(self, node: Node) -> list[Edge]:
        walker, other = self._walker, _KINDS[OTHER[node.kind]]
        near = walker.near(node.kind, walker.kinds[node.kind].number(node.id), self._direction)
        ends = walker.kinds[other].ids([number for number, _ in near])
        return [Edge(Node(other, end), *walker.said[said]) for end, (_, said) in zip(ends, near, strict=True)]
