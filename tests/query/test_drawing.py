"""Graphs as text: whatever things are called, each format says what it should and nothing else."""

import itertools
import json
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Invalid
from datamon.query.drawing.draw import FORMS, draw
from datamon.query.drawing.drawn import MOST_NODES, AnswerGraph, DrawnEdge, DrawnNode, Key, check_size
from datamon.query.drawing.labels import label
from datamon.query.drawing.tree import branches, fitted_branches
from datamon.query.testing.stories import Story

SVG = "{http://www.w3.org/2000/svg}"
NAMES = st.text(max_size=50) | st.sampled_from(
    [
        'a"b',
        "a\nb",
        "<script>alert(1)</script>",
        "]]>",
        "n1 --> n2",
        "\\N",
        "&lt;",
        "`x`",
        "%%{init}%%",
        "\ud800",
        "数据@main",
        ";}",
    ]
)
QUOTED = r'"(?:[^"\\\n]|\\\\|\\")*"'
DOT_LINES = (
    r"digraph lineage \{",
    rf"  (?:graph|node|edge) \[\w+={QUOTED}(?:, \w+={QUOTED})*\];",
    rf"  n\d+ \[\w+={QUOTED}(?:, \w+={QUOTED})*\];",
    rf"  n\d+ -> n\d+(?: \[\w+={QUOTED}(?:, \w+={QUOTED})*\])?;",
    r"\}",
)
MERMAID_WORDS = r'"(?:[\w ._\-/@…]|#\d+;)*"'
MERMAID_LINES = (
    r"flowchart LR",
    rf"  n\d+(?:\[{MERMAID_WORDS}\]|\({MERMAID_WORDS}\))",
    rf"  n\d+ (?:-->(?:\|{MERMAID_WORDS}\|)?|-\.->) n\d+",
    r"  classDef asked stroke-width:3px",
    r"  class n\d+(?:,n\d+)* asked",
)


@st.composite
def graphs(draw: st.DrawFn) -> AnswerGraph:
    """Graphs of up to nine nodes, cycles among them, with names of any kind."""
    count = draw(st.integers(1, 9))
    nodes = tuple(
        DrawnNode(
            draw(st.sampled_from(["bundle", "run", "file"])),
            f"{n}{draw(NAMES)}",
            draw(NAMES | st.none()),
            draw(NAMES),
            None,
            n,
        )
        for n in range(count)
    )
    places = st.integers(0, count - 1)
    edges = tuple(
        DrawnEdge(nodes[a].key, nodes[b].key, role, how, direct)
        for a, b, role, how, direct in draw(
            st.lists(
                st.tuples(
                    places, places, NAMES | st.none(), st.sampled_from([None, "declared", "observed"]), st.booleans()
                ),
                max_size=12,
            )
        )
    )
    return AnswerGraph(nodes, edges, (nodes[0].key,), draw(st.sampled_from(["upstream", "downstream"])))


@given(graphs())
@settings(deadline=None)
def test_dot_is_a_digraph_with_a_line_for_each_node_and_edge(graph: AnswerGraph) -> None:
    lines = draw(graph, "dot").split("\n")[:-1]
    assert all(any(re.fullmatch(line, each) for line in DOT_LINES) for each in lines), lines
    assert sum(bool(re.match(r"  n\d+ \[", each)) for each in lines) == len(graph.nodes)
    assert sum(" -> " in each and bool(re.match(r"  n\d+ ->", each)) for each in lines) == len(graph.edges)


@given(graphs())
@settings(deadline=None)
def test_mermaid_is_a_flowchart_in_which_no_name_means_anything(graph: AnswerGraph) -> None:
    lines = draw(graph, "mermaid").split("\n")[:-1]
    assert all(any(re.fullmatch(line, each) for line in MERMAID_LINES) for each in lines), lines


@given(graphs())
@settings(deadline=None)
def test_svg_is_xml_with_a_shape_a_label_and_a_tooltip_for_each_node(graph: AnswerGraph) -> None:
    text = draw(graph, "svg")
    root = ElementTree.fromstring(text.encode())
    assert root.tag == f"{SVG}svg"
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "g", "rect", "path", "text", "title", "style", "defs", "marker", "polygon"}, tags
    shown = [element.text for element in root.iter(f"{SVG}text")]
    for node in graph.nodes:
        assert label(node) in shown or not label(node).strip()


@given(graphs())
@settings(deadline=None)
def test_json_has_all_that_the_graph_has(graph: AnswerGraph) -> None:
    said = json.loads(draw(graph, "json"))
    assert len(said["nodes"]) == len(graph.nodes)
    assert [each["direct"] for each in said["edges"]] == [edge.direct for edge in graph.edges]
    assert said["asked"] == [{"kind": graph.nodes[0].kind, "id": said["nodes"][0]["id"]}]


@given(graphs())
@settings(deadline=None)
def test_a_tree_has_every_node_and_ends_for_cycles_too(graph: AnswerGraph) -> None:
    lines = draw(graph, "tree").split("\n")[:-1]
    for node in graph.nodes:
        assert any(label(node) in line for line in lines)
    assert len(lines) <= len(graph.nodes) + len(graph.edges)


def test_what_is_too_large_to_draw_says_how_to_narrow_it() -> None:
    check_size(range(MOST_NODES))
    with pytest.raises(Invalid) as raised:
        check_size(range(MOST_NODES + 1))
    assert raised.value.code == "graph-too-large"
    assert "WITHIN" in raised.value.message


def test_no_box_lies_over_another() -> None:
    keys = [Key("bundle", str(n)) for n in range(6)]
    nodes = tuple(DrawnNode("bundle", key.id, depth=n) for n, key in enumerate(keys))
    edges = (*(DrawnEdge(a, b) for a, b in itertools.pairwise(keys)), DrawnEdge(keys[0], keys[5]))
    root = ElementTree.fromstring(draw(AnswerGraph(nodes, edges), "svg"))
    drawn = [each for each in root.iter(f"{SVG}rect") if each.get("width") != "100%"]  # which is the ground
    boxes = [{name: float(each.get(name, "0")) for name in ("x", "y", "width", "height")} for each in drawn]
    assert len(boxes) == len(nodes)
    for place, one in enumerate(boxes):
        for other in boxes[place + 1 :]:
            apart = (
                one["x"] + one["width"] <= other["x"]
                or other["x"] + other["width"] <= one["x"]
                or one["y"] + one["height"] <= other["y"]
                or other["y"] + other["height"] <= one["y"]
            )
            assert apart


@given(graphs(), st.integers(2, 20))
def test_a_tree_that_is_fitted_begins_in_time_and_leaves_nobody_out(graph: AnswerGraph, room: int) -> None:
    whole, fitted = list(branches(graph)), fitted_branches(graph, room)
    assert [(each.node, each.again) for each in fitted] == [(each.node, each.again) for each in whole]
    assert all(len(each.drawn) <= room for each in fitted)
    if all(len(each.drawn) <= room for each in whole):
        assert fitted == whole


# of answers


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


@pytest.mark.parametrize(
    "text",
    [
        "UPSTREAM OF 'model'",
        "DOWNSTREAM OF 'raw' AT run",
        "UPSTREAM OF 'model' AT bundle WITHIN 2",
        "DOWNSTREAM OF 'raw' STOP AT (kind = 'run')",
        "AFFECTED BY param 'scale'",
        "PATHS FROM 'raw' TO 'model'",
        "PLAN FOR 'model'",
        "WHAT USED 'raw'",
        "WHAT PRODUCED 'model'",
    ],
)
def test_a_graph_has_the_nodes_of_the_rows_and_what_was_asked_about(story: Story, text: str) -> None:
    rows = story.ask(text)
    graph = story.ask(f"GRAPH {text}").graph
    assert graph is not None
    nodes = {node.id for node in graph.nodes}
    column = "run" if "PLAN" in text or "PRODUCED" in text else "id"
    assert {row[column] for row in rows if row[column] is not None} <= nodes
    assert {edge.source for edge in graph.edges} | {edge.target for edge in graph.edges} <= {n.key for n in graph.nodes}
    assert len(set(graph.edges)) == len(graph.edges)
    for form in FORMS:
        assert draw(graph, form)


def test_the_edges_among_the_nodes_are_those_of_the_relation(story: Story) -> None:
    graph = story.ask("GRAPH UPSTREAM OF 'model'").graph
    assert graph is not None
    ids = {node.id for node in graph.nodes}
    edges = story.ask("SELECT id_from, id_to FROM edges").rows
    assert {(e.source.id, e.target.id) for e in graph.edges} == {(a, b) for a, b in edges if a in ids and b in ids}


@pytest.mark.parametrize("kind", ["run", "bundle"])
def test_where_rows_are_of_one_kind_ways_over_one_of_the_other_are_dashed_edges(story: Story, kind: str) -> None:
    graph = story.ask(f"GRAPH UPSTREAM OF 'model' AT {kind}").graph
    assert graph is not None
    ids = {node.id for node in graph.nodes}
    edges = [(str(a), str(b)) for a, b in story.ask("SELECT id_from, id_to FROM edges").rows]
    over = {(a, d) for a, b in edges for c, d in edges if b == c and b not in ids}
    near = {(a, b) for a, b in edges if a in ids and b in ids}
    assert near or kind == "bundle"
    assert {(e.source.id, e.target.id) for e in graph.edges if e.direct} == near
    assert {(e.source.id, e.target.id) for e in graph.edges if not e.direct} == {
        (a, b) for a, b in over if a in ids and b in ids
    }


@pytest.mark.parametrize(
    "text", ["GRAPH STALE", "GRAPH SELECT 1", "GRAPH DIFF 'raw', 'raw'", "GRAPH WHAT CONTAINS hash 'ab'"]
)
def test_what_has_no_edges_is_no_graph(story: Story, text: str) -> None:
    with pytest.raises(Invalid, match="one that has edges"):
        story.ask(text)
