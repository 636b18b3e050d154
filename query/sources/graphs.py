"""GRAPH: the nodes of a source's rows, and all edges of the lineage among them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from datamon.errors import Invalid
from datamon.query.asking import Asking, Rows, World
from datamon.query.drawing.drawn import AnswerGraph, DrawnEdge, DrawnNode, Key, check_size
from datamon.query.graph.in_memory import Graph, Kept, Node, graph_among, graph_by_level
from datamon.query.language.column_names import is_by_column
from datamon.query.language.faults import fault, pointing
from datamon.query.language.statement import Affected, Closure, Paths, Placed, Planned, Produced, Ref
from datamon.query.sources.closure import Names
from datamon.query.sources.closures import change_of, kept
from datamon.query.sources.starts import Starts, starts_of
from datamon.query.values import text_of

_IN_LINEAGE = ("bundle", "run")


def graph_of(asking: Asking, connection: duckdb.DuckDBPyConnection, placed: Placed, found: Rows) -> AnswerGraph:
    """The graph of the rows that a source gave, with what was asked about. Raises Invalid (`graph-too-large`) that points at the
    source."""
    source = placed.source
    world = asking.world(connection, source)
    rows = [dict(zip((name for name, _ in found.columns), row, strict=True)) for row in found.rows]
    try:
        match source:
            case Closure() | Affected():
                return _of_closure(asking, world, source, rows)
            case Paths():
                return _of_paths(asking, world, source, rows)
            case Planned():
                return _of_plan(rows)
            case Produced():
                return _of_producers(asking, world, source, rows)
            case _:
                raise AssertionError(f"the grammar lets no GRAPH of {type(source).__name__} through")
    except Invalid as error:
        raise pointing(error, asking.text, placed.span) if error.code == "graph-too-large" else error from error


_Fields = dict[str, Any]


def _of_closure(asking: Asking, world: World, source: Closure | Affected, rows: Sequence[_Fields]) -> AnswerGraph:
    ref = source.change if isinstance(source, Affected) else source.ref
    if is_by_column(ref, source.options):
        raise fault(asking.text, ref.span, "columns are not drawn; leave out GRAPH")
    starts = change_of(asking, world, ref)[0] if isinstance(source, Affected) else starts_of(asking, world, ref)
    asked = [_asked_of(asking, ref)] if starts.themselves else _nodes(world, starts.nodes)
    shown = {node.key: node for node in [*asked, *(_node(row) for row in rows)]}
    check_size(shown)
    counted = replace(kept(source.options), pinned=not isinstance(source, Affected), runs=_runs(shown))
    through = _through(world, counted, shown.keys(), source.options.at)
    edges = [*_edges(through), *_via(rows, shown), *_leads(asked, rows, starts)]
    direction = "downstream" if isinstance(source, Affected) else source.direction
    return AnswerGraph(tuple(shown.values()), _once(edges), tuple(node.key for node in asked), direction)


def _of_paths(asking: Asking, world: World, source: Paths, rows: Sequence[_Fields]) -> AnswerGraph:
    ends = [node for ref in (source.start, source.end) for node in starts_of(asking, world, ref).nodes]
    asked = _nodes(world, ends)
    on_way = [DrawnNode(row["kind"], row["id"], row["name"], depth=row["hop"]) for row in rows]
    shown = {node.key: node for node in [*reversed(on_way), *asked]}
    check_size(shown)
    through = _through(world, replace(kept(source.options), runs=_runs(shown)), shown.keys())
    nodes = sorted(shown.values(), key=lambda node: (node.depth, node.key != asked[0].key))
    return AnswerGraph(tuple(nodes), _once(_edges(through)), tuple(n.key for n in asked))


def _of_plan(rows: Sequence[_Fields]) -> AnswerGraph:
    """Which step waits for which."""
    check_size(rows)
    keys = {row["position"]: Key("run", row["run"]) for row in rows}
    depths: dict[int, int] = {}
    for row in rows:
        depths[row["position"]] = max((depths[before] + 1 for before in row["after"]), default=0)
    nodes = [
        DrawnNode("run", row["run"], f"{row['pipeline']}/{row['step']}", depth=depths[row["position"]]) for row in rows
    ]
    edges = [DrawnEdge(keys[before], keys[row["position"]]) for row in rows for before in row["after"]]
    return AnswerGraph(tuple(nodes), tuple(edges))


def _of_producers(asking: Asking, world: World, source: Produced, rows: Sequence[_Fields]) -> AnswerGraph:
    target = asking.target(source.ref)
    wrote = [Node("bundle", row["bundle"]) for row in rows if row["bundle"]]
    bundles = _nodes(world, dict.fromkeys([Node("bundle", target.id), *wrote]))
    runs = {row["run"]: f"{row['pipeline']}/{row['step']}" for row in rows}
    nodes = [*bundles, *(DrawnNode("run", run, name, depth=1) for run, name in runs.items())]
    check_size(nodes)
    edges = [
        DrawnEdge(Key("run", row["run"]), Key("bundle", row["bundle"]), row["role"], "declared")
        for row in rows
        if row["bundle"]
    ]
    return AnswerGraph(tuple(nodes), _once(edges), tuple(node.key for node in bundles), "upstream")


def _node(row: _Fields) -> DrawnNode:
    return DrawnNode(row["kind"], row["id"], row["name"], row["repo"], row["ref"], row["depth"])


def _nodes(world: World, nodes: Iterable[Node]) -> list[DrawnNode]:
    several = list(nodes)
    names = Names(world.connection, several)
    return [DrawnNode(*names.row(node)) for node in several]  # type: ignore[arg-type]  # a row is of any columns


def _runs(shown: Iterable[Key]) -> tuple[str, ...]:
    return tuple(key.id for key in shown if key.kind == "run")


def _asked_of(asking: Asking, ref: Ref) -> DrawnNode:
    """What runs have in common, as a node: `env numpy==1.26.0`."""
    typed = text_of(asking.text, ref.value, asking.params)
    return DrawnNode(ref.form, typed, f"{ref.form} {typed}")


def _leads(asked: Sequence[DrawnNode], rows: Sequence[_Fields], starts: Starts) -> Iterator[DrawnEdge]:
    """The edges from what runs have in common to those runs."""
    if starts.themselves:
        ids = {node.id for node in starts.nodes}
        yield from (DrawnEdge(asked[0].key, Key("run", row["id"])) for row in rows if row["id"] in ids)


def _via(rows: Sequence[_Fields], shown: Collection[Key]) -> Iterator[DrawnEdge]:
    """The edges to what the graph of runs and bundles does not have: files, columns."""
    by_id = {key.id: key for key in shown}
    for row in rows:
        if row["kind"] not in _IN_LINEAGE and row["via_id"] in by_id:
            yield DrawnEdge(by_id[row["via_id"]], Key(row["kind"], row["id"]), how=row["how"])


def _once(edges: Iterable[DrawnEdge]) -> tuple[DrawnEdge, ...]:
    return tuple(dict.fromkeys(edges))


@dataclass(frozen=True, slots=True)
class _Through:
    """Edges among the `shown` nodes of a graph. Where rows are of one kind, a way over nodes of the other is an edge, too."""

    graph: Graph
    shown: Collection[Key]
    at: str = "any"

    def hides(self, node: Node) -> bool:
        """Whether a way may lead through this node, which is not shown."""
        return self.at != "any" and node.kind != self.at and Key(*node) not in self.shown


def _through(world: World, counted: Kept, shown: Collection[Key], at: str = "any") -> _Through:
    """The edges that may be drawn: where no node is left out, those that have both ends among the shown; else what a way from a
    shown one comes by. A graph of a million edges is not read for a drawing of twenty."""
    if at == "any":
        return _Through(graph_among(world.connection, counted, [key.id for key in shown]), shown)
    return _Through(graph_by_level(world.connection, counted), shown, at)


def _edges(through: _Through) -> Iterator[DrawnEdge]:
    nodes = [Node(key.kind, key.id) for key in through.shown if key.kind in _IN_LINEAGE]  # type: ignore[arg-type]
    graph = through.graph
    graph.ahead(nodes, "downstream")
    hidden = (edge.node for node in nodes for edge in graph.next_to(node, "downstream") if through.hides(edge.node))
    graph.ahead(list(dict.fromkeys(hidden)), "downstream")
    for node in nodes:
        yield from _edges_from(node, through)


def _edges_from(start: Node, through: _Through) -> Iterator[DrawnEdge]:
    waiting, seen = [start], {start}
    while waiting:
        node = waiting.pop()
        for edge in through.graph.next_to(node, "downstream"):
            if Key(*edge.node) in through.shown:
                ends = Key(*start), Key(*edge.node)
                yield DrawnEdge(*ends, edge.role, edge.how) if node == start else DrawnEdge(*ends, direct=False)
            elif through.hides(edge.node) and edge.node not in seen:
                seen.add(edge.node)
                waiting.append(edge.node)
