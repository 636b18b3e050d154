"""PATHS FROM … TO: the ways from one thing to another, in the direction of the data, shortest first."""

import heapq
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from datamon.query.asking import Asking, Row, Rows, World
from datamon.query.graph.in_memory import Edge, Graph, Node, read_graph
from datamon.query.language.statement import Paths
from datamon.query.quick.ways import MOST_WAYS
from datamon.query.sources import columns_of
from datamon.query.sources.closure import Names
from datamon.query.sources.closures import kept, rule
from datamon.query.sources.starts import starts_of
from datamon.query.values import runs_of

COLUMNS = columns_of.PATHS
MOST_PATHS = MOST_WAYS
"""How many ways are given at most."""
MOST_PARTIAL = 1_000_000
"""How many beginnings of ways are looked at."""

Way = tuple[tuple[Node, str | None], ...]
"""Nodes from the start to the end, each with how the edge to it is known; None for the start."""


@dataclass(frozen=True, slots=True)
class Found:
    """Ways, shortest first. `all` unless there are more."""

    ways: tuple[Way, ...]
    all: bool


def rows_of_paths(asking: Asking, world: World, name: str, source: Paths) -> Rows:
    """A row for each node of each way, the start as hop 0. Raises errors that point at their place."""
    [start], [end] = (starts_of(asking, world, ref).nodes for ref in (source.start, source.end))
    options = source.options
    graph = read_graph(world.connection, kept(options))
    within = runs_of(asking.text, options.within, asking.params) if options.within else None
    via = rule(asking, world, f"{name}_via", options.via)
    through = None if via is None else _through(world, graph, start, end, via)
    found = find_paths(graph, start, end, within=within, through=through)
    _tell(asking, world, graph, (start, end), found)
    names = Names(world.connection, list(dict.fromkeys(node for way in found.ways for node, _ in way)))
    rows: list[Row] = [
        (number, hop, *names.row(node)[:3], how)
        for number, way in enumerate(found.ways, 1)
        for hop, (node, how) in enumerate(way)
    ]
    return Rows(COLUMNS, rows, not found.all)


def find_paths(
    graph: Graph,
    start: Node,
    end: Node,
    *,
    within: int | None = None,
    through: Collection[Node] | None = None,
    most: int = MOST_PATHS,
) -> Found:
    """The simple ways from `start` down to `end`, shortest first, equal ones in the order of their nodes; with at most `within`
    runs on them, the ends included; only those with a node of `through` between the ends, where that is given.

    Best first, by the length so far and the exact rest (Hart, Nilsson, Raphael 1968), so that of a graph without cycles no
    beginning is looked at that does not lead to the end.
    """
    rest = _lengths(lambda node: graph.next_to(node, "upstream"), end)
    if start not in rest or start == end:
        return Found((), all=True)
    waiting: list[tuple[int, tuple[Node, ...], Way]] = [(rest[start], (start,), ((start, None),))]
    ways: list[Way] = []
    for _ in range(MOST_PARTIAL):
        if not waiting or len(ways) > most:
            break
        _, nodes, way = heapq.heappop(waiting)
        if within is not None and sum(node.kind == "run" for node in nodes) > within:
            continue
        if nodes[-1] == end:
            if through is None or any(node in through for node in nodes[1:-1]):
                ways.append(way)
            continue
        for edge in _edges(graph, nodes[-1]):
            if edge.node in rest and edge.node not in nodes:
                longer = (len(nodes) + rest[edge.node], (*nodes, edge.node), (*way, (edge.node, edge.how)))
                heapq.heappush(waiting, longer)
    return Found(tuple(ways[:most]), all=not waiting and len(ways) <= most)


def _edges(graph: Graph, node: Node) -> Iterator[Edge]:
    """The edges to each next node once: two roles between the same two are one step of a way."""
    seen: set[Node] = set()
    for edge in graph.next_to(node, "downstream"):
        if edge.node not in seen:
            seen.add(edge.node)
            yield edge


def _lengths(before: Callable[[Node], Sequence[Edge]], end: Node) -> dict[Node, int]:
    """How many edges each node above `end` is from it."""
    lengths = {end: 0}
    level = [end]
    while level:
        found: list[Node] = []
        for node in level:
            for edge in before(node):
                if edge.node not in lengths:
                    lengths[edge.node] = lengths[node] + 1
                    found.append(edge.node)
        level = found
    return lengths


def _through(
    world: World, graph: Graph, start: Node, end: Node, via: Callable[[list[Row]], frozenset[str]]
) -> frozenset[Node]:
    below = {each.node for each in graph.closure([start], "downstream")}
    between = [each.node for each in graph.closure([end], "upstream") if each.node in below]
    names = Names(world.connection, between)
    wanted = via([names.row(node) for node in between])
    return frozenset(node for node in between if node.id in wanted)


def _tell(asking: Asking, world: World, graph: Graph, ends: tuple[Node, Node], found: Found) -> None:
    start, end = ends
    if not found.all:
        asking.note(f"only the first {len(found.ways):,} ways are shown; WITHIN or VIA narrow it")
    if found.ways or not found.all:
        return
    above = graph.closure([end], "upstream")
    names = Names(world.connection, [start, end, *(each.node for each in above)])
    called = names.row(start)[2]
    if start == end:
        asking.note("both references mean the same thing")
    elif any(each.node == end for each in graph.closure([start], "upstream")):
        asking.note("no way leads there in the direction of the data; one leads the other way round")
    elif others := sorted(each.node.id for each in above if _same_repo(names, each.node, start)):
        repo = names.row(start)[3]
        asking.note(f"{called} did not go into it; {repo}@{others[-1]} did{' and others' if len(others) > 1 else ''}")


def _same_repo(names: Names, node: Node, start: Node) -> bool:
    return start.kind == node.kind == "bundle" and names.row(node)[3] == names.row(start)[3]
