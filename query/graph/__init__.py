"""Lineage as a graph: walks over what runs read and wrote, in memory and in a file of adjacency that needs no engine."""

from datamon.query.graph.in_memory import (
    LINEAGE,
    READS,
    UNBOUNDED,
    Bounds,
    Direction,
    Edge,
    EdgeRow,
    Graph,
    Kept,
    Node,
    NodeKind,
    Reached,
    graph_by_level,
    read_graph,
)

__all__ = [
    "LINEAGE",
    "READS",
    "UNBOUNDED",
    "Bounds",
    "Direction",
    "Edge",
    "EdgeRow",
    "Graph",
    "Kept",
    "Node",
    "NodeKind",
    "Reached",
    "graph_by_level",
    "read_graph",
]
