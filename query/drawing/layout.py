"""Where the nodes of a directed graph stand: layers from left to right, with few crossings.

After Sugiyama, Tagawa, Toda: Methods for Visual Understanding of Hierarchical System Structures (1981): layers by longest ways,
long edges through places of their own, orders by barycentres, heights by the mean of the neighbours.
"""

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import networkx

Key = TypeVar("Key", bound=Hashable)
_SWEEPS = 12
_MOST_PLACES = 8_000
"""So many places are given to long edges at most; the others are drawn straight."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A layer, counted from 0 at the left, and a height in rows, from 0 at the top; two spots of a layer are at least a row
    apart."""

    layer: int
    height: float


@dataclass(frozen=True, slots=True)
class Layout(Generic[Key]):
    """Where each node stands, and which spots each edge passes between its two ends, from left to right."""

    spots: Mapping[Key, Spot]
    bends: Mapping[tuple[Key, Key], tuple[Spot, ...]]


def layered(nodes: Sequence[Key], edges: Iterable[tuple[Key, Key]]) -> Layout[Key]:
    """A layout in which every edge leads to the right, but for those that close a cycle. The same graph gives the same layout."""
    forward = _forward(nodes, [edge for edge in edges if edge[0] != edge[1]])
    layers = _layers(nodes, forward)
    columns, links, places = _with_places(nodes, forward, layers)
    _sort(columns, links)
    heights = _heights(columns, links)
    spots = {key: Spot(layer, heights[key]) for layer, column in enumerate(columns) for key in column}
    bends = {edge: tuple(spots[place] for place in through) for edge, through in places.items()}
    return Layout({node: spots[node] for node in nodes}, bends)


_Place = Hashable
_Columns = list[list[_Place]]
_Links = tuple[Mapping[_Place, list[_Place]], Mapping[_Place, list[_Place]]]


def _forward(nodes: Sequence[Key], edges: Sequence[tuple[Key, Key]]) -> list[tuple[Key, Key]]:
    """The edges without those that close cycles."""
    graph: networkx.DiGraph[Key] = networkx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(edges)
    whole = networkx.condensation(graph)
    number = {node: place for place, node in enumerate(nodes)}
    order: dict[Key, int] = {}
    for part in networkx.topological_sort(whole):
        for node in sorted(whole.nodes[part]["members"], key=number.__getitem__):
            order[node] = len(order)
    return [(a, b) for a, b in dict.fromkeys(edges) if order[a] < order[b]]


def _layers(nodes: Sequence[Key], edges: Sequence[tuple[Key, Key]]) -> dict[Key, int]:
    """The layer of each node: behind everything that leads to it; what nothing leads to, next to what it leads to."""
    graph: networkx.DiGraph[Key] = networkx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(edges)
    layers = {node: n for n, level in enumerate(networkx.topological_generations(graph)) for node in level}
    for node in nodes:
        if not graph.pred[node] and graph.succ[node]:
            layers[node] = min(layers[after] for after in graph.succ[node]) - 1
    return layers


def _with_places(
    nodes: Sequence[Key], edges: Sequence[tuple[Key, Key]], layers: Mapping[Key, int]
) -> tuple[_Columns, _Links, dict[tuple[Key, Key], list[_Place]]]:
    """The columns with a place for every layer that an edge passes, what is next to what in them, and each edge's places."""
    columns: _Columns = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for node in nodes:
        columns[layers[node]].append(node)
    left: dict[_Place, list[_Place]] = defaultdict(list)
    right: dict[_Place, list[_Place]] = defaultdict(list)
    places: dict[tuple[Key, Key], list[_Place]] = {}
    count = 0
    for source, target in edges:
        between = range(layers[source] + 1, layers[target])
        if count + len(between) > _MOST_PLACES:
            continue
        count += len(between)
        through: list[_Place] = [("place", source, target, layer) for layer in between]
        for layer, place in zip(between, through, strict=True):
            columns[layer].append(place)
        places[source, target] = through
        way: list[_Place] = [source, *through, target]
        for a, b in itertools.pairwise(way):
            right[a].append(b)
            left[b].append(a)
    return columns, (left, right), places


def _sort(columns: _Columns, links: _Links) -> None:
    """Each column is in the order of the means of its neighbours' ranks, looked at from the left and the right in turn."""
    ranks = {place: rank for column in columns for rank, place in enumerate(column)}
    for sweep in range(_SWEEPS):
        beside = links[sweep % 2]
        for column in columns if sweep % 2 == 0 else reversed(columns):
            means = {place: _mean([ranks[each] for each in beside.get(place, ())], ranks[place]) for place in column}
            column.sort(key=means.__getitem__)
            ranks.update((place, rank) for rank, place in enumerate(column))


def _heights(columns: _Columns, links: _Links) -> dict[_Place, float]:
    """Heights near the mean of the neighbours', in the order of each column and at least a row apart; the least is 0."""
    heights = {place: float(rank) for column in columns for rank, place in enumerate(column)}
    left, right = links
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            wanted = [
                _mean([heights[each] for each in (*left.get(place, ()), *right.get(place, ()))], heights[place])
                for place in column
            ]
            heights.update(zip(column, _apart(wanted), strict=True))
    least = min(heights.values(), default=0.0)
    return {place: height - least for place, height in heights.items()}


def _apart(wanted: Sequence[float]) -> list[float]:
    """Rising heights at least 1 apart, as near as can be to those wanted, by pooling those that are too near."""
    pools: list[tuple[float, int]] = []  # the sum of (wanted - rank in the pool), how many
    for height in wanted:
        pools.append((height, 1))
        while len(pools) > 1 and _start(pools[-2]) + pools[-2][1] > _start(pools[-1]):
            (total, count), (more, further) = pools[-2:]
            pools[-2:] = [(total + more - further * count, count + further)]
    return [_start(pool) + rank for pool in pools for rank in range(pool[1])]


def _start(pool: tuple[float, int]) -> float:
    return pool[0] / pool[1]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
