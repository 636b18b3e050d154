"""UPSTREAM OF and DOWNSTREAM OF as rows: the graph gives the nodes, the index their names."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from datamon.query.graph import Bounds, Direction, Graph, Node, Reached, read_graph
from datamon.query.language.references import Target
from datamon.query.language.statement import Including, Level

Row = tuple[object, ...]

COLUMNS = (
    ("kind", "VARCHAR"),
    ("id", "VARCHAR"),
    ("name", "VARCHAR"),
    ("repo", "VARCHAR"),
    ("ref", "VARCHAR"),
    ("depth", "BIGINT"),
    ("how", "VARCHAR"),
    ("via_id", "VARCHAR"),
    ("truncated", "BOOLEAN"),
)
CANDIDATE_COLUMNS = COLUMNS[:5]
"""What a STOP AT predicate may speak of: what a node is, not how it was reached."""
ROW_CAP = 1_000_000

StopRule = Callable[[list[Row]], frozenset[str]]
"""From candidate rows to the ids of those behind which nothing is wanted."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A closure whose every value is known. `stops` is None without STOP AT."""

    direction: Direction
    target: Target
    at: Level
    within: int | None
    including: frozenset[Including]
    stops: StopRule | None = None
    cap: int = ROW_CAP


@dataclass(frozen=True, slots=True)
class Walked:
    """What a closure gave. `truncated`: `cap` cut rows off, and the last one says so too. `deleted` are the bundles on the way
    that were deleted, nearest first, rows or not."""

    rows: list[Row]
    truncated: bool
    deleted: tuple[str, ...]


def closure_rows(connection: duckdb.DuckDBPyConnection, walk: Walk) -> Walked:
    """The rows of a closure, nearest first.

    Depth counts runs: the run that wrote a bundle has depth 1, and so has what that run read; the runs that wrote those have 2,
    and so on; downstream likewise. Seen from a run, what it read and the runs that wrote that have depth 1. The reference itself
    is no row. Bundles that were deleted are walked through but are rows only INCLUDING deleted; runs that failed or were
    abandoned are there only INCLUDING failed. A bundle that stands in for a deleted one is walked from as both are: who read the
    one that was deleted is downstream of it.

    Of a part of a bundle, DOWNSTREAM begins with the runs that read the part, or something it lies in or that lies in it.
    """
    start = Node(walk.target.kind, walk.target.id)
    kept = [start.id] if start.kind == "run" else []
    graph = read_graph(connection, failed="failed" in walk.including, system="system" in walk.including, runs=kept)
    cut = _other_readers(connection, walk, graph, start)
    starts = [start, *_stood_in_for(connection, start)]
    reached = graph.closure(starts, walk.direction, Bounds(within=walk.within, cut=cut))
    names = _Names(connection, [each.node for each in reached])
    if walk.stops is not None:
        stopped = walk.stops([names.row(each.node) for each in reached])
        bounds = Bounds(within=walk.within, stop=lambda node: node.id in stopped, cut=cut)
        reached = graph.closure(starts, walk.direction, bounds)
    shown = [each for each in reached if _is_shown(each, walk, names)]
    shown.sort(
        key=lambda each: (each.depth, each.node.kind == start.kind, names.row(each.node)[2] or "")
    )  # the order of the way
    rows = [_row(each, names, truncated=False) for each in shown[: walk.cap]]
    if len(shown) > walk.cap:
        rows[-1] = _row(shown[walk.cap - 1], names, truncated=True)
    deleted = tuple(each.node.id for each in reached if each.node.id in names.deleted)
    return Walked(rows, len(shown) > walk.cap, deleted)


def _stood_in_for(connection: duckdb.DuckDBPyConnection, start: Node) -> list[Node]:
    """The deleted bundles that a bundle stands in for: one, and what that one stood in for."""
    rows = connection.execute(
        """WITH RECURSIVE before(id) AS (
            SELECT bundle FROM kept.deletions WHERE replaced_by = $1
            UNION SELECT d.bundle FROM kept.deletions d JOIN before b ON d.replaced_by = b.id)
        SELECT id FROM before ORDER BY id""",
        [start.id],
    ).fetchall()
    return [Node("bundle", identity) for (identity,) in rows]


def _is_shown(reached: Reached, walk: Walk, names: "_Names") -> bool:
    if walk.at != "any" and reached.node.kind != walk.at:
        return False
    return "deleted" in walk.including or reached.node.id not in names.deleted


def _row(reached: Reached, names: "_Names", *, truncated: bool) -> Row:
    return (*names.row(reached.node), reached.depth, reached.how, reached.via.id, truncated)


def _other_readers(
    connection: duckdb.DuckDBPyConnection, walk: Walk, graph: Graph, start: Node
) -> frozenset[tuple[Node, Node]]:
    """The edges from a bundle to the runs that read nothing of the target's part of it; none when the whole bundle is meant."""
    if not walk.target.path or walk.direction == "upstream":
        return frozenset()
    rows = connection.execute(
        """SELECT run FROM with_system.inputs WHERE bundle = $bundle
        AND (path = '' OR path = $path OR starts_with($path, path || '/') OR starts_with(path, $path || '/'))""",
        {"bundle": walk.target.id, "path": walk.target.path},
    ).fetchall()
    readers = {run for (run,) in rows}
    ends = [edge.node for edge in graph.next_to(start, walk.direction)]
    return frozenset((start, end) for end in ends if end.id not in readers)


class _Names:
    """What the index calls nodes: `repo@ref` where a ref points at a bundle, else `repo@id`; `pipeline/step` for a run."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, nodes: Sequence[Node]) -> None:
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


def _ask(connection: duckdb.DuckDBPyConnection, select: str, column: str, ids: Iterable[str]) -> list[Any]:
    wanted = list(ids)
    if not wanted:
        return []
    return connection.execute(f"{select} WHERE {column} IN (SELECT unnest(?::VARCHAR[]))", [wanted]).fetchall()
