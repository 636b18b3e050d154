"""PATHS FROM … TO between two bundles: as `sources.paths` finds them, over the graph's file."""

from __future__ import annotations

from datamon.query.graph.adjacency import OTHER

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamon.query.graph.walking import Walker

MOST_WAYS = 1_000
"""How many ways are given at most."""

Node = tuple[str, int]
"""Kind and number."""
Way = tuple[tuple[str, str, str | None], ...]
"""Kind and id of each node from the start to the end, and how the edge to it is known; None for the start."""


class Ways:
    """The simple ways from one bundle down to another, shortest first, equal ones in the order of their nodes. `count` is how
    many there are, of more than `MOST_WAYS` one more than that; None when that cannot be told from here: none leads there, or one
    leads in a circle."""

    def __init__(self, walker: Walker, start: str, end: str) -> None:
        self._walker = walker
        bundles = walker.kinds["bundle"]
        self._start: Node = ("bundle", bundles.number(start))
        self._end: Node = ("bundle", bundles.number(end))
        self._rest: dict[str, dict[int, int]] = {"bundle": {self._end[1]: 0}, "run": {}}
        for hops, level in enumerate(walker.levels("bundle", [end], "upstream"), 1):
            self._rest[level.kind].update(dict.fromkeys(level.nodes, hops))
        self._below: dict[Node, list[tuple[Node, str]]] = {}
        self.above = [number for number in self._rest["bundle"] if number != self._end[1]]
        self.count = self._counted() if self._start[1] in self._rest["bundle"] and start != end else 0

    def _next(self, node: Node) -> list[tuple[Node, str]]:
        """The nodes below from which a way leads to the end, each once, and how the edge there is known."""
        if node not in self._below:
            other = OTHER[node[0]]
            leads = self._rest[other]
            found: dict[Node, str] = {}
            for number, said in self._walker.near(*node, "downstream"):
                if number in leads:
                    found.setdefault((other, number), self._walker.said[said][1])
            self._below[node] = list(found.items())
        return self._below[node]

    def _counted(self) -> int | None:
        counts: dict[Node, int] = {self._end: 1}
        under_way: set[Node] = set()
        waiting = [self._start]
        while waiting:
            node = waiting[-1]
            if node in counts:
                waiting.pop()
                continue
            ahead = [below for below, _ in self._next(node)]
            if node in under_way:
                counts[node] = sum(counts[each] for each in ahead)
                if counts[node] > MOST_WAYS:
                    return MOST_WAYS + 1  # nothing below leads in a circle, and a way leads here
                under_way.discard(node)
                waiting.pop()
                continue
            under_way.add(node)
            for each in ahead:
                if each in under_way:
                    return None
                if each not in counts:
                    waiting.append(each)
        return counts[self._start]

    def __iter__(self) -> Iterator[Way]:
        """Best first, by the length so far and the exact rest (Hart, Nilsson, Raphael 1968)."""
        from heapq import heappop, heappush  # nothing else asked of the graph needs it

        first = self._called(self._start)
        waiting: list[tuple[int, tuple[str, ...], tuple[str | None, ...], Node]] = [
            (self._rest["bundle"][self._start[1]], (first,), (None,), self._start)
        ]
        while waiting:
            _, ids, hows, node = heappop(waiting)
            if node == self._end:
                kinds = ("bundle", "run") * len(ids)
                yield tuple(zip(kinds, ids, hows))  # noqa: B905 (kinds go on)
                continue
            for below, how in self._next(node):
                called = self._called(below)
                if called not in ids:
                    length = len(ids) + self._rest[below[0]][below[1]]
                    heappush(waiting, (length, (*ids, called), (*hows, how), below))

    def _called(self, node: Node) -> str:
        return self._walker.kinds[node[0]].identity(node[1])
