"""Graphs as SVG, to be looked at by itself or inside a page, on light and dark ground."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

from datamon.query.drawing.drawn import AnswerGraph, DrawnEdge, DrawnNode, Key
from datamon.query.drawing.labels import edge_words, label, tooltip
from datamon.query.drawing.layout import Layout, Spot, layered

_CHARACTER = 7.3
"""The width of a letter of the labels."""
_LEAST, _PADDING, _HEIGHT, _ROW, _GAP, _MARGIN = 90.0, 12.0, 30.0, 46.0, 56.0, 20.0
_STYLE = """
  .datamon-lineage { --ground: #ffffff; --ink: #1f2933; --line: #7b8794; --bundle: #e3effb; --bundle-line: #3b7dbd;
    --run: #fdf1dc; --run-line: #c27c0e; --other: #eceff1; }
  @media (prefers-color-scheme: dark) {
    .datamon-lineage { --ground: #14181d; --ink: #e6eaee; --line: #8593a1; --bundle: #17324d; --bundle-line: #63a4e0;
      --run: #43310f; --run-line: #e0a040; --other: #2a3138; }
  }
  .datamon-lineage .ground { fill: var(--ground); }
  .datamon-lineage text { fill: var(--ink); font: 13px ui-monospace, Menlo, Consolas, monospace; dominant-baseline: central;
    text-anchor: middle; }
  .datamon-lineage .edge { fill: none; stroke: var(--line); stroke-width: 1.3; }
  .datamon-lineage .through { stroke-dasharray: 5 4; }
  .datamon-lineage .tip { fill: var(--line); }
  .datamon-lineage .node rect { fill: var(--other); stroke: var(--line); stroke-width: 1.2; }
  .datamon-lineage .bundle rect { fill: var(--bundle); stroke: var(--bundle-line); }
  .datamon-lineage .run rect { fill: var(--run); stroke: var(--run-line); }
  .datamon-lineage .asked rect { stroke-width: 3; }
"""
"""Everything is of this class, so that a page that shows the drawing inside itself keeps its own looks."""


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Lengths in pixels: where each layer's middle lies, how wide its boxes are, and the whole."""

    layout: Layout[Key]
    middles: list[float]
    widths: list[float]
    width: float
    height: float

    def x(self, spot: Spot) -> float:
        return self.middles[spot.layer]

    def y(self, spot: Spot) -> float:
        return _MARGIN + spot.height * _ROW + _HEIGHT / 2


def svg(graph: AnswerGraph) -> str:
    """The graph as one SVG document, from left to right: boxes for bundles, rounded ones for runs, with the whole names and ids
    as tooltips. What was asked about has a thick line; an edge through what is not shown is dashed."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: AnswerGraph) -> Iterator[str]:
    sheet = _sheet(graph)
    size = f'width="{sheet.width:.0f}" height="{sheet.height:.0f}" viewBox="0 0 {sheet.width:.0f} {sheet.height:.0f}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" class="datamon-lineage" {size} role="img" aria-label="lineage">'
    yield f"<style>{_STYLE}</style>"
    yield (
        '<defs><marker id="datamon-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="tip" d="M0,0 L8,4 L0,8 z"/></marker></defs>'
    )
    yield '<rect class="ground" width="100%" height="100%"/>'
    yield from _edges(graph, sheet)
    for node in graph.nodes:
        yield _node(node, sheet, asked=node.key in graph.asked)
    yield "</svg>"


def _sheet(graph: AnswerGraph) -> _Sheet:
    layout = layered([node.key for node in graph.nodes], graph.pairs())
    deepest = max((spot.layer for spot in layout.spots.values()), default=-1)
    widths = [_LEAST] * (deepest + 1)
    for node in graph.nodes:
        layer = layout.spots[node.key].layer
        widths[layer] = max(widths[layer], len(label(node)) * _CHARACTER + 2 * _PADDING)
    middles, x = [], _MARGIN
    for width in widths:
        middles.append(x + width / 2)
        x += width + _GAP
    bends = [spot for several in layout.bends.values() for spot in several]
    rows = max((spot.height for spot in (*layout.spots.values(), *bends)), default=0.0)
    width = max(x - _GAP, _MARGIN) + _MARGIN
    return _Sheet(layout, middles, widths, width, 2 * _MARGIN + rows * _ROW + _HEIGHT)


def _node(node: DrawnNode, sheet: _Sheet, *, asked: bool) -> str:
    spot = sheet.layout.spots[node.key]
    wide = sheet.widths[spot.layer]
    x, y = sheet.x(spot), sheet.y(spot)
    kinds = " ".join(["node", *([node.kind] if node.kind in ("bundle", "run") else []), *(["asked"] if asked else [])])
    corner = _HEIGHT / 2 if node.kind == "run" else 3.0
    box = (
        f'x="{x - wide / 2:.1f}" y="{y - _HEIGHT / 2:.1f}" width="{wide:.1f}" height="{_HEIGHT:.0f}" rx="{corner:.0f}"'
    )
    words = f'<text x="{x:.1f}" y="{y:.1f}">{escape(label(node))}</text>'
    return f'<g class="{kinds}"><title>{escape(tooltip(node))}</title><rect {box}/>{words}</g>'


def _edges(graph: AnswerGraph, sheet: _Sheet) -> Iterator[str]:
    """One line for each two ends, whatever number of edges there is between them."""
    several: dict[tuple[Key, Key], list[DrawnEdge]] = {}
    for edge in graph.edges:
        several.setdefault((edge.source, edge.target), []).append(edge)
    nodes = {node.key: node for node in graph.nodes}
    for ends, edges in several.items():
        kinds = "edge" if any(edge.direct for edge in edges) else "edge through"
        title = escape(_told(nodes, ends, edges))
        yield f'<path class="{kinds}" d="{_way(ends, sheet)}" marker-end="url(#datamon-tip)"><title>{title}</title></path>'


def _told(nodes: Mapping[Key, DrawnNode], ends: tuple[Key, Key], edges: list[DrawnEdge]) -> str:
    words = "; ".join(dict.fromkeys(word for edge in edges if (word := edge_words(edge))))
    source, target = (label(nodes[end]) for end in ends)
    return f"{source} → {target}" + (f": {words}" if words else "")


def _way(ends: tuple[Key, Key], sheet: _Sheet) -> str:
    """From the right side of one box to the left side of the other, level where it passes a layer."""
    first, last = (sheet.layout.spots[end] for end in ends)
    x, y = sheet.x(first) + sheet.widths[first.layer] / 2, sheet.y(first)
    way = [f"M{x:.1f},{y:.1f}"]
    for spot in sheet.layout.bends.get(ends, ()):
        wide = sheet.widths[spot.layer] / 2
        near, far, height = sheet.x(spot) - wide, sheet.x(spot) + wide, sheet.y(spot)
        way += [_curve(x, y, near, height), f"L{far:.1f},{height:.1f}"]
        x, y = far, height
    way.append(_curve(x, y, sheet.x(last) - sheet.widths[last.layer] / 2, sheet.y(last)))
    return " ".join(way)


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    bow = max(abs(to_x - x) / 2, _GAP / 2)
    return f"C{x + bow:.1f},{y:.1f} {to_x - bow:.1f},{to_y:.1f} {to_x:.1f},{to_y:.1f}"
