"""Graphs as a text tree, for a terminal."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from datamon.query.drawing.drawn import AnswerGraph, DrawnNode, Key
from datamon.query.drawing.labels import label, visible


@dataclass(frozen=True, slots=True)
class Branch:
    """A node in its place in a tree: what is drawn in front of it, and whether what is below it was told further up."""

    drawn: str
    node: DrawnNode
    again: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """What a tree is drawn with. Where there is an `arrow`, an only child stands behind it, no deeper than its parent."""

    child: str = "├── "
    last: str = "└── "
    beside: str = "│   "
    below: str = "    "
    arrow: str | None = None


WIDE = Shape()
NARROW = Shape("├ ", "└ ", "│ ", "  ")
ARROWS = {"upstream": "← ", "downstream": "→ "}
CUT = "⋯"
"""Stands where the beginning of what is drawn in front of a node is left out."""


def tree(graph: AnswerGraph) -> Iterator[str]:
    """The lines of the graph as a tree below what was asked about. A node stands with what is below it once; where it comes again
    it is marked `…`."""
    for branch in branches(graph):
        node, name = branch.node, label(branch.node)
        words = f"{visible(node.kind)} {visible(node.id)}" if node.id != name else visible(node.kind)
        yield f"{branch.drawn}{name}  {words}{'  …' if branch.again else ''}"


def branches(graph: AnswerGraph, shape: Shape = WIDE) -> Iterator[Branch]:
    """The same, for whoever says other things of a node."""
    below = _below(graph)
    nodes = {node.key: node for node in graph.nodes}
    told: set[Key] = set()
    for root in _roots(graph, below):
        if root not in told:
            yield from _branches(root, below, nodes, told, shape)


def fitted_branches(graph: AnswerGraph, room: int) -> list[Branch]:
    """The same, drawn in the first shape in which nothing starts behind column `room`; where none is so narrow, the deepest
    are drawn with their nearest ancestors only."""
    drawn: list[Branch] = []
    for shape in (WIDE, NARROW, replace(NARROW, arrow=ARROWS[graph.direction])):
        drawn = list(branches(graph, shape))
        if max((len(branch.drawn) for branch in drawn), default=0) <= room:
            return drawn
    return [_cut(branch, room) for branch in drawn]


def _cut(branch: Branch, room: int) -> Branch:
    if len(branch.drawn) <= room:
        return branch
    return Branch(CUT + branch.drawn[1 - room :], branch.node, branch.again)


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


def _branches(
    root: Key, below: dict[Key, list[Key]], nodes: dict[Key, DrawnNode], told: set[Key], shape: Shape
) -> Iterator[Branch]:
    waiting = [(root, "", "")]
    while waiting:
        key, drawn, margin = waiting.pop()
        yield Branch(drawn, nodes[key], key in told and bool(below.get(key)))
        if key in told:
            continue
        told.add(key)
        children = below.get(key, [])
        if shape.arrow is not None and len(children) == 1:
            waiting.append((children[0], margin + shape.arrow, margin))
            continue
        for number, child in reversed(list(enumerate(children, 1))):
            last = number == len(children)
            inner = margin + (shape.below if last else shape.beside)
            waiting.append((child, margin + (shape.last if last else shape.child), inner))
