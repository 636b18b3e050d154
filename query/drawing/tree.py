"""Graphs as a text tree, for a terminal."""

from collections import defaultdict
from collections.abc import Iterator

from datamon.query.drawing.drawn import AnswerGraph, Key
from datamon.query.drawing.labels import label, visible


def tree(graph: AnswerGraph) -> Iterator[str]:
    """The lines of the graph as a tree below what was asked about. A node stands with what is below it once; where it comes again
    it is marked `…`."""
    below = _below(graph)
    words = {node.key: _words(node.kind, label(node), node.id) for node in graph.nodes}
    told: set[Key] = set()
    for root in _roots(graph, below):
        if root not in told:
            yield from _branches(root, below, words, told)


def _words(kind: str, name: str, identity: str) -> str:
    return f"{name}  {visible(kind)} {visible(identity)}" if identity != name else f"{name}  {visible(kind)}"


def _below(graph: AnswerGraph) -> dict[Key, list[Key]]:
    below: dict[Key, list[Key]] = defaultdict(list)
    for source, target in graph.pairs():
        if graph.direction == "upstream":
            below[target].append(source)
        else:
            below[source].append(target)
    order = {node.key: number for number, node in enumerate(graph.nodes)}
    for several in below.values():
        several.sort(key=order.__getitem__)
    return below


def _roots(graph: AnswerGraph, below: dict[Key, list[Key]]) -> Iterator[Key]:
    """What was asked about, then what nothing leads to, then what only a cycle leads to."""
    yield from graph.asked
    children = {child for several in below.values() for child in several}
    yield from (node.key for node in graph.nodes if node.key not in children)
    yield from (node.key for node in graph.nodes)


def _branches(root: Key, below: dict[Key, list[Key]], words: dict[Key, str], told: set[Key]) -> Iterator[str]:
    waiting = [(root, "", "")]
    while waiting:
        key, drawn, margin = waiting.pop()
        again = key in told and bool(below.get(key))
        yield f"{drawn}{words[key]}{'  …' if again else ''}"
        if key in told:
            continue
        told.add(key)
        children = below.get(key, [])
        for number, child in reversed(list(enumerate(children, 1))):
            last = number == len(children)
            waiting.append((child, margin + ("└── " if last else "├── "), margin + ("    " if last else "│   ")))
