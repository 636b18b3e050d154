"""Graphs as JSON."""

import json

from datamon.query.drawing.drawn import AnswerGraph


def document(graph: AnswerGraph) -> str:
    """The graph as one JSON document: `asked`, `direction`, `nodes`, and `edges` with the column names of the relation
    `edges`."""
    nodes = [
        {"kind": n.kind, "id": n.id, "name": n.name, "repo": n.repo, "ref": n.ref, "depth": n.depth}
        for n in graph.nodes
    ]
    edges = [
        {
            "kind_from": e.source.kind,
            "id_from": e.source.id,
            "kind_to": e.target.kind,
            "id_to": e.target.id,
            "role": e.role,
            "how": e.how,
            "direct": e.direct,
        }
        for e in graph.edges
    ]
    asked = [{"kind": key.kind, "id": key.id} for key in graph.asked]
    whole = {"asked": asked, "direction": graph.direction, "nodes": nodes, "edges": edges}
    text = json.dumps(whole, ensure_ascii=False, indent=2)
    return text.encode("utf-8", "backslashreplace").decode() + "\n"  # half of a pair is no character of a document
