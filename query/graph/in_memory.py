"""Lineage as a graph: bundles and runs are its nodes, a run's reads and writes its edges; closures both ways."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    import duckdb

Direction = Literal["upstream", "downstream"]
NodeKind = Literal["run", "bundle"]

EdgeRow = tuple[NodeKind, str, NodeKind, str, str | None, str]
"""A row of the relation `edges`."""


class Node(NamedTuple):
    """A version of something: a run, or a bundle."""

    kind: NodeKind
    id: str


@dataclass(frozen=True, slots=True)
class Edge:
    """A run's read or write, seen from one of its ends: `node` is the other."""

    node: Node
    role: str | None
    how: str


@dataclass(frozen=True, slots=True)
class Reached:
    """A node of a closure. `depth` is the length of the shortest way to it, counted in runs: a bundle's producer and what that
    run read have depth 1, the producers of those 2. Seen from a run, its inputs and their producers have depth 1.
    `via` is the node before it on such a way (None: the ways begin there), and `role` and `how` are of the edge between them."""

    node: Node
    depth: int
    via: Node | None
    role: str | None
    how: str


def _no_stop(_: Node) -> bool:
    return False


def _every(_: Node) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a closure ends: at `within` runs (None: nowhere); behind a node for which `stop` holds, which is itself reached;
    before a node for which `only` does not hold, which is not. The edges in `cut`, as (from, to) on the way, are not walked."""

    within: int | None = None
    stop: Callable[[Node], bool] = _no_stop
    only: Callable[[Node], bool] = _every
    cut: frozenset[tuple[Node, Node]] = frozenset()

    @property
    def bends(self) -> bool:
        """Whether it says more than how far a closure goes."""
        return self.stop is not _no_stop or self.only is not _every or bool(self.cut)


UNBOUNDED = Bounds()


class Adjacency(Protocol):
    """What lies next to a node in one direction, sorted by the other end, then role and how."""

    def get(self, node: Node, default: tuple[()], /) -> Sequence[Edge]:
        """The edges that leave the node; `default` when there are none."""

    def ahead(self, nodes: Sequence[Node]) -> None:
        """These nodes are asked for next."""


class _Held(dict[Node, list[Edge]]):
    """Adjacency that is in memory as a whole."""

    def ahead(self, nodes: Sequence[Node]) -> None:
        """There is nothing to fetch."""


class Graph:
    """Adjacency in both directions."""

    def __init__(self, edges: Iterable[EdgeRow]) -> None:
        """From rows as those of the relation `edges`; the same row twice is one edge."""
        upstream, downstream = _Held(), _Held()
        for kind_from, id_from, kind_to, id_to, role, how in sorted(set(edges), key=_order):
            source, target = Node(kind_from, id_from), Node(kind_to, id_to)
            upstream.setdefault(target, []).append(Edge(source, role, how))
            downstream.setdefault(source, []).append(Edge(target, role, how))
        self._upstream: Adjacency = upstream
        self._downstream: Adjacency = downstream

    @classmethod
    def over(cls, upstream: Adjacency, downstream: Adjacency) -> "Graph":
        """The graph that lies there."""
        graph = cls(())
        graph._upstream, graph._downstream = upstream, downstream
        return graph

    def next_to(self, node: Node, direction: Direction) -> Sequence[Edge]:
        """The edges that leave `node` in this direction, sorted by the other end; none for a node that is not in the graph."""
        return self._adjacency(direction).get(node, ())

    def ahead(self, nodes: Sequence[Node], direction: Direction) -> None:
        """What lies next to these nodes is asked for next: a graph that is not in memory fetches it together."""
        self._adjacency(direction).ahead(nodes)

    def closure(self, starts: Iterable[Node], direction: Direction, bounds: Bounds = UNBOUNDED) -> list[Reached]:
        """Everything that can be reached from `starts` in this direction, without them, nearest first, then by kind and id.

        Every node comes once, so a cycle ends by itself. Equal ways of one length are decided by the smaller id.
        """
        adjacency = self._adjacency(direction)
        level = sorted(set(starts))
        seen = set(level)
        reached: list[Reached] = []
        hops = 0
        while level:
            hops += 1
            depth = (hops + 1) // 2
            if bounds.within is not None and depth > bounds.within:
                break
            level = [each.node for each in self._next_level(level, adjacency, depth, (seen, reached), bounds)]
            level = [node for node in level if not bounds.stop(node)]
        return sorted(reached, key=lambda each: (each.depth, each.node))

    def _next_level(
        self,
        level: list[Node],
        adjacency: Adjacency,
        depth: int,
        so_far: tuple[set[Node], list[Reached]],
        bounds: Bounds,
    ) -> list[Reached]:
        seen, reached = so_far
        found: list[Reached] = []
        adjacency.ahead(level)
        for node in level:
            for edge in adjacency.get(node, ()):
                if edge.node not in seen and bounds.only(edge.node) and (node, edge.node) not in bounds.cut:
                    seen.add(edge.node)
                    found.append(Reached(edge.node, depth, node, edge.role, edge.how))
        reached += found
        return sorted(found, key=lambda each: each.node)

    def _adjacency(self, direction: Direction) -> Adjacency:
        return self._upstream if direction == "upstream" else self._downstream


def _order(edge: EdgeRow) -> tuple[str, ...]:
    return tuple(part or "" for part in edge)


@dataclass(frozen=True, slots=True)
class Kept:
    """Which edges a graph has. Runs that failed or were abandoned are in it only with `failed`, or when `runs` names them; what
    touches the hidden repo only with `system`. `using` says which reads count; without `pinned` only those that went through a
    branch or a label."""

    failed: bool = False
    system: bool = False
    runs: Collection[str] = ()
    using: Literal["any", "declared", "observed"] = "any"
    pinned: bool = True


LINEAGE = Kept()
"""What counts unless something else is said."""
READS = {
    "any": "TRUE",
    "declared": "i.how <> 'observed'",
    "observed": """(i.how = 'observed' OR (i.observed AND EXISTS (
        SELECT 1 FROM kept.accesses a WHERE a.run = i.run AND a.role = i.role AND a.kind = 'read')))""",
}


def read_graph(connection: "duckdb.DuckDBPyConnection", kept: Kept = Kept(), more: Iterable[EdgeRow] = ()) -> Graph:
    """The graph of the runs that an index knows, with `more` edges; all of it in memory."""
    rows = connection.execute(_edges_sql(kept), [kept.failed, list(kept.runs)]).fetchall()
    return Graph([*rows, *more])


def graph_among(connection: "duckdb.DuckDBPyConnection", kept: Kept, ids: Collection[str]) -> Graph:
    """The part of the graph whose edges have both ends among these."""
    among = "SELECT unnest(?::VARCHAR[])"
    sql = f"{_edges_sql(kept)} AND e.id_from IN ({among}) AND e.id_to IN ({among})"
    rows = connection.execute(sql, [kept.failed, list(kept.runs), list(ids), list(ids)]).fetchall()
    return Graph(rows)


def graph_by_level(connection: "duckdb.DuckDBPyConnection", kept: Kept = Kept()) -> Graph:
    """The graph of the runs that an index knows, of which a walk reads what it comes by: for what goes from level to level."""
    table = "walked_edges"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {_edges_sql(kept)}", [kept.failed, list(kept.runs)])
    return Graph.over(_FromTable(connection, table, "upstream"), _FromTable(connection, table, "downstream"))


def _edges_sql(kept: Kept) -> str:
    schema = "with_system" if kept.system else "main"
    unpinned = "" if kept.pinned else "AND i.ref_kind IN ('branch', 'label')"
    some = kept.using != "any" or not kept.pinned
    counts = f"""AND (e.kind_from = 'run' OR (e.id_to, e.id_from, e.role) IN (
        SELECT (i.run, i.bundle, i.role) FROM kept.inputs i WHERE {READS[kept.using]} {unpinned}))"""  # noqa: S608
    return f"""SELECT e.kind_from, e.id_from, e.kind_to, e.id_to, e.role, e.how
        FROM {schema}.edges e LEFT JOIN {schema}.runs r ON r.id = if(e.kind_from = 'run', e.id_from, e.id_to)
        WHERE (? OR coalesce(r.status, 'succeeded') NOT IN ('failed', 'abandoned') OR r.id IN (SELECT unnest(?::VARCHAR[])))
        {counts if some else ""}"""  # noqa: S608


class _FromTable:
    """Adjacency in one direction, read from a table of edges a level at a time."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", table: str, direction: Direction) -> None:
        end = "to" if direction == "upstream" else "from"
        self._sql = f"FROM {table} e WHERE e.kind_{end} = ? AND e.id_{end} IN (SELECT unnest(?::VARCHAR[]))"
        self._connection = connection
        self._upstream = direction == "upstream"
        self._known: dict[Node, list[Edge]] = {}

    def get(self, node: Node, default: tuple[()], /) -> Sequence[Edge]:
        """As `Adjacency.get`."""
        self.ahead([node])
        return self._known[node] or default

    def ahead(self, nodes: Sequence[Node]) -> None:
        """Their edges are read together, as far as they are not known."""
        wanted: dict[str, list[str]] = defaultdict(list)
        for node in nodes:
            if node not in self._known:
                self._known[node] = []
                wanted[node.kind].append(node.id)
        for kind, ids in wanted.items():
            rows: list[EdgeRow] = self._connection.execute(self._sql, [kind, ids]).fetchall()
            for kind_from, id_from, kind_to, id_to, role, how in sorted(set(rows), key=_order):
                source, target = Node(kind_from, id_from), Node(kind_to, id_to)
                near, far = (target, source) if self._upstream else (source, target)
                self._known[near].append(Edge(far, role, how))
