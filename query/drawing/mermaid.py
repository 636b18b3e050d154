"""Graphs as Mermaid flowcharts (https://mermaid.js.org/syntax/flowchart.html), which many viewers of Markdown draw."""

from collections.abc import Iterator

from datamon.query.drawing.drawn import AnswerGraph, DrawnEdge, DrawnNode, Key
from datamon.query.drawing.labels import edge_words, label

_PLAIN = frozenset(" ._-/@…")


def mermaid(graph: AnswerGraph) -> str:
    """The graph as a flowchart that runs from left to right: boxes for bundles, rounded ones for runs."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: AnswerGraph) -> Iterator[str]:
    names = {node.key: f"n{number}" for number, node in enumerate(graph.nodes)}
    yield "flowchart LR"
    for node in graph.nodes:
        yield f"  {names[node.key]}{_shape(node)}"
    for edge in graph.edges:
        yield f"  {_edge(edge, names)}"
    if graph.asked:
        yield "  classDef asked stroke-width:3px"
        yield f"  class {','.join(names[key] for key in graph.asked)} asked"


def _shape(node: DrawnNode) -> str:
    opening, closing = ('("', '")') if node.kind == "run" else ('["', '"]')
    return f"{opening}{spelled(label(node))}{closing}"


def _edge(edge: DrawnEdge, names: dict[Key, str]) -> str:
    if not edge.direct:
        return f"{names[edge.source]} -.-> {names[edge.target]}"
    words = edge_words(edge)
    said = f'|"{spelled(words)}"|' if words else ""
    return f"{names[edge.source]} -->{said} {names[edge.target]}"


def spelled(text: str) -> str:
    """`text` with everything that could mean something to Mermaid, Markdown or HTML as an entity code.

    >>> spelled('a"b" <i>')
    'a#34;b#34; #60;i#62;'
    """
    return "".join(c if c.isalnum() or c in _PLAIN else f"#{ord(c)};" for c in text)
