"""UPSTREAM OF and DOWNSTREAM OF as rows: the graph gives the nodes, the index their names."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from datamon.query.graph.in_memory import (
    LINEAGE,
    Bounds,
    Direction,
    EdgeRow,
    Graph,
    Kept,
    Node,
    Reached,
    graph_by_level,
    read_graph,
)
from datamon.query.language.references import Target
from datamon.query.language.statement import Level
from datamon.query.sources import columns_of
from datamon.query.sources.through import reached_through

if TYPE_CHECKING:
    import duckdb  # only the types: quick answers do without the engine

Row = tuple[object, ...]

COLUMNS = columns_of.CLOSURE
CANDIDATE_COLUMNS = COLUMNS[:5]
"""What a STOP AT predicate may speak of: what a node is, not how it was reached."""
ROW_CAP = columns_of.CLOSURE_CAP

Unrecorded = dict[Node, tuple[str, str]]
"""Runs that nobody recorded, each with the bundle before it and the one behind it."""
Rule = Callable[[list[Row]], frozenset[str]]
"""From candidate rows to the ids of those for which a predicate holds."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A closure whose every value is known.

    It begins at `starts`, which are no rows; with `themselves` they are runs that something else (a package, say) leads to, so
    that they are rows, one run away. Of a `target` with a path only who read the part counts, downstream. `stops` and `via` are
    None without STOP AT and VIA. `kept` says which edges there are; `inferred` are pairs of bundles, from and to, between which
    there is one more each, as of a run that nobody recorded, which is no row.
    """

    direction: Direction
    starts: tuple[Node, ...]
    at: Level = "any"
    within: int | None = None
    deleted: bool = False
    kept: Kept = LINEAGE
    target: Target | None = None
    themselves: bool = False
    stops: Rule | None = None
    via: Rule | None = None
    inferred: tuple[tuple[str, str], ...] = ()
    cap: int = ROW_CAP


@dataclass(frozen=True, slots=True)
class Walked:
    """What a closure gave. `truncated`: `cap` cut rows off, and the last one says so too. `passed` are the deleted bundles on the
    way, nearest first, rows or not."""

    rows: list[Row]
    truncated: bool
    passed: tuple[str, ...]


def closure_rows(connection: "duckdb.DuckDBPyConnection", walk: Walk) -> Walked:
    """The rows of a closure, nearest first.

    Depth counts runs: the run that wrote a bundle has depth 1, and so has what that run read; the runs that wrote those have 2,
    and so on; downstream likewise. Seen from a run, what it read and the runs that wrote that have depth 1. The reference itself
    is no row. Bundles that were deleted are walked through but are rows only INCLUDING deleted; runs that failed or were
    abandoned are there only INCLUDING failed. A bundle that stands in for a deleted one is walked from as both are: who read the
    one that was deleted is downstream of it.

    Of a part of a bundle, DOWNSTREAM begins with the runs that read the part, or something it lies in or that lies in it; of a
    run whose reads were observed, only what it opened counts.
    """
    kept = replace(walk.kept, runs=(*walk.kept.runs, *(node.id for node in walk.starts if node.kind == "run")))
    unrecorded = {Node("run", f"{source} {target}"): (source, target) for source, target in walk.inferred}
    by_level = walk.via is None and not unrecorded
    graph = graph_by_level(connection, kept) if by_level else read_graph(connection, kept, _inferred_edges(unrecorded))
    starts = [*walk.starts, *(each for node in walk.starts for each in stood_in_for(connection, node))]
    bounds = Bounds(within=walk.within, cut=_other_readers(connection, walk, graph))
    reached = graph.closure(starts, walk.direction, bounds)
    if walk.themselves:
        reached = _one_further(reached, walk)
    names = Names(connection, [each.node for each in reached])
    candidates = [names.row(each.node) for each in reached if each.node not in unrecorded]
    if walk.stops is not None:
        stopped = walk.stops(candidates)
        bounds = replace(bounds, stop=lambda node: node.id in stopped)
    if walk.via is not None:
        through = walk.via(candidates)
        reached = reached_through(graph, starts, walk.direction, bounds, through)
    elif walk.stops is not None:
        ahead = [node for node in starts if not (walk.themselves and bounds.stop(node))]
        begun = frozenset(starts)  # those that are not followed are no rows for being met again
        reached = graph.closure(ahead, walk.direction, replace(bounds, only=lambda node: node not in begun))
    if walk.themselves and (walk.stops or walk.via):
        reached = [
            each
            for each in _one_further(reached, walk)
            if walk.via is None or each.node not in walk.starts or each.node.id in through
        ]
    if unrecorded:
        reached = _without(unrecorded, reached, walk.direction)
    return rows_in_order(reached, walk, names)


def rows_in_order(reached: list[Reached], walk: Walk, names: "NodeNames") -> Walked:
    """The rows of what was reached, nearest first, of one depth by what they are called."""
    begins_with = "bundle" if walk.themselves or not walk.starts else walk.starts[0].kind
    shown = [each for each in reached if _is_shown(each, walk, names)]
    shown.sort(key=lambda each: (each.depth, each.node.kind == begins_with, names.row(each.node)[2] or ""))
    rows = [_row(each, names, truncated=False) for each in shown[: walk.cap]]
    if len(shown) > walk.cap:
        rows[-1] = _row(shown[walk.cap - 1], names, truncated=True)
    passed = tuple(each.node.id for each in reached if each.node.id in names.deleted)
    return Walked(rows, len(shown) > walk.cap, passed)


def _inferred_edges(unrecorded: Unrecorded) -> list[EdgeRow]:
    edges: list[EdgeRow] = []
    for run, (source, target) in unrecorded.items():
        edges += [
            ("bundle", source, "run", run.id, None, "inferred"),
            ("run", run.id, "bundle", target, None, "inferred"),
        ]
    return edges


def _without(unrecorded: Unrecorded, reached: list[Reached], direction: Direction) -> list[Reached]:
    """What was reached, without the runs that nobody recorded: what lies behind one comes from the bundle before it."""
    near = 1 if direction == "upstream" else 0
    return [
        replace(each, via=Node("bundle", unrecorded[each.via][near])) if each.via in unrecorded else each
        for each in reached
        if each.node not in unrecorded
    ]


def _one_further(reached: list[Reached], walk: Walk) -> list[Reached]:
    """The starts, one run away, and what was reached from them, of which runs are one run further than seen from a run."""
    first = [Reached(node, 1, None, None, "declared") for node in walk.starts]
    further = [replace(each, depth=each.depth + 1) if each.node.kind == "run" else each for each in reached]
    return [each for each in [*first, *further] if walk.within is None or each.depth <= walk.within]


def stood_in_for(connection: "duckdb.DuckDBPyConnection", start: Node) -> list[Node]:
    """The deleted bundles that a bundle stands in for: one, and what that one stood in for."""
    rows = connection.execute(
        """WITH RECURSIVE before(id) AS (
            SELECT bundle FROM kept.deletions WHERE replaced_by = $1
            UNION SELECT d.bundle FROM kept.deletions d JOIN before b ON d.replaced_by = b.id)
        SELECT id FROM before ORDER BY id""",
        [start.id],
    ).fetchall()
    return [Node("bundle", identity) for (identity,) in rows]


def _is_shown(reached: Reached, walk: Walk, names: "NodeNames") -> bool:
    if walk.at != "any" and reached.node.kind != walk.at:
        return False
    return walk.deleted or reached.node.id not in names.deleted


def _row(reached: Reached, names: "NodeNames", *, truncated: bool) -> Row:
    return (*names.row(reached.node), reached.depth, reached.how, reached.via.id if reached.via else None, truncated)


def _other_readers(connection: "duckdb.DuckDBPyConnection", walk: Walk, graph: Graph) -> frozenset[tuple[Node, Node]]:
    """The edges from a bundle to the runs that read nothing of the target's part of it; none when the whole bundle is meant."""
    if walk.target is None or not walk.target.path or walk.direction == "upstream":
        return frozenset()
    start = Node("bundle", walk.target.id)
    rows = connection.execute(
        """SELECT i.run FROM kept.inputs i WHERE i.bundle = $bundle AND if(i.observed,
            EXISTS (SELECT 1 FROM (
                SELECT ltrim(i.path || '/' || a.path, '/') AS path FROM kept.accesses a
                WHERE a.run = i.run AND a.role = i.role AND a.kind = 'read') r
                WHERE r.path = $path OR starts_with($path, rtrim(r.path, '/') || '/') OR starts_with(r.path, $path || '/')),
            i.path = '' OR i.path = $path OR starts_with($path, i.path || '/') OR starts_with(i.path, $path || '/'))""",
        {"bundle": walk.target.id, "path": walk.target.path},
    ).fetchall()
    readers = {run for (run,) in rows}
    ends = [edge.node for edge in graph.next_to(start, walk.direction)]
    return frozenset((start, end) for end in ends if end.id not in readers)


class NodeNames(Protocol):
    """What nodes are called, and which were deleted."""

    deleted: frozenset[str]

    def row(self, node: Node) -> Row:
        """kind, id, name, repo, ref; of several refs the first label, else the first branch."""


class Names:
    """What the index calls nodes: `repo@ref` where a ref points at a bundle, else `repo@id`; `pipeline/step` for a run."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", nodes: Sequence[Node]) -> None:
        bundles = [node.id for node in nodes if node.kind == "bundle"]
        runs = [node.id for node in nodes if node.kind == "run"]
        self._steps = dict(_ask(connection, "SELECT id, pipeline || '/' || step FROM with_system.runs", "id", runs))
        known = _ask(connection, "SELECT id, repo, deleted FROM with_system.bundles", "id", bundles)
        self._repos = {identity: repo for identity, repo, _ in known}
        self.deleted = frozenset(identity for identity, _, deleted in known if deleted)
        labels = _ask(connection, "SELECT bundle, name FROM with_system.labels", "bundle", bundles)
        branches = _ask(connection, "SELECT bundle, name FROM with_system.branches", "bundle", bundles)
        self._refs = dict(sorted(branches, reverse=True)) | dict(sorted(labels, reverse=True))

    def row(self, node: Node) -> Row:
        """kind, id, name, repo, ref; of several refs the first label, else the first branch."""
        if node.kind == "run":
            return ("run", node.id, self._steps.get(node.id), None, None)
        repo, ref = self._repos.get(node.id), self._refs.get(node.id)
        return ("bundle", node.id, f"{repo}@{ref or node.id}" if repo else None, repo, ref)


def _ask(connection: "duckdb.DuckDBPyConnection", select: str, column: str, ids: Iterable[str]) -> list[Any]:
    wanted = list(ids)
    if not wanted:
        return []
    return connection.execute(f"{select} WHERE {column} IN (SELECT unnest(?::VARCHAR[]))", [wanted]).fetchall()
