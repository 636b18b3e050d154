"""Graphs in Graphviz's language (https://graphviz.org/doc/info/lang.html)."""

from collections.abc import Iterator

from datamon.query.drawing.drawn import AnswerGraph, DrawnEdge, DrawnNode, Key
from datamon.query.drawing.labels import edge_words, label, tooltip


def dot(graph: AnswerGraph) -> str:
    """The graph as a digraph that runs from left to right: boxes for bundles, rounded ones for runs."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: AnswerGraph) -> Iterator[str]:
    names = {node.key: f"n{number}" for number, node in enumerate(graph.nodes)}
    yield "digraph lineage {"
    yield '  graph [rankdir="LR"];'
    yield '  node [shape="box", fontname="Helvetica"];'
    yield '  edge [fontname="Helvetica", fontsize="10"];'
    for node in graph.nodes:
        yield f"  {names[node.key]} [{_node(node, asked=node.key in graph.asked)}];"
    for edge in graph.edges:
        yield f"  {_edge(edge, names)}"
    yield "}"


def _node(node: DrawnNode, *, asked: bool) -> str:
    styles = [*(["rounded"] if node.kind == "run" else []), *(["bold"] if asked else [])]
    style = f", style={quoted(','.join(styles))}" if styles else ""
    return f"label={quoted(label(node))}, tooltip={quoted(tooltip(node))}{style}"


def _edge(edge: DrawnEdge, names: dict[Key, str]) -> str:
    words = edge_words(edge) if edge.direct else ""
    told = [*([f"label={quoted(words)}"] if words else []), *([] if edge.direct else ['style="dashed"'])]
    attributes = f" [{', '.join(told)}]" if told else ""
    return f"{names[edge.source]} -> {names[edge.target]}{attributes};"


def quoted(text: str) -> str:
    r"""`text` as a quoted string that means itself: no escape sequence and no entity in it is one of Graphviz's.

    >>> print(quoted('a "b" \\n &lt;'))
    "a \"b\" \\n &amp;lt;"
    """
    return '"' + text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') + '"'
