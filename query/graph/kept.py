"""The graph's file as a `Graph`, for what walks node by node."""

import sqlite3
from collections.abc import Iterable, Sequence

from datamon.query.graph.adjacency import LISTS, OTHER, Rules
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
        walker = self._walker
        kind = walker.kinds[node.kind]
        number = kind.number(node.id)
        other = _KINDS[OTHER[node.kind]]
        if walker.arrays is None or not kind.is_right(number):
            told = walker.adjacency.of(node.kind, node.id, self._direction)
            return [Edge(Node(other, end), *said) for end, said in told]
        near = walker.arrays.lists[LISTS[self._direction, node.kind]]
        places = range(near.at[number], near.at[number + 1])
        ends = walker.arrays.ids_of(other, [near.to[place] for place in places])
        edges = [
            Edge(Node(other, end), *walker.said[near.said[place]]) for end, place in zip(ends, places, strict=True)
        ]
        runs = [number] * len(edges) if node.kind == "run" else [near.to[place] for place in places]
        return [edge for edge, run in zip(edges, runs, strict=True) if not self._drops(run)]

    def _drops(self, run: int) -> bool:
        arrays, rules = self._walker.arrays, self._walker.rules
        if arrays is None or not arrays.lost[run] or rules.failed:
            return False
        return self._walker.kinds["run"].identity(run) not in rules.runs
