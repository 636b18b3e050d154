"""Closures over bundles and runs."""

from collections.abc import Iterable

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.query.graph.in_memory import Bounds, Direction, Graph, Node, NodeKind, Reached

Row = tuple[NodeKind, str, NodeKind, str, str | None, str]


def reads(bundle: str, run: str) -> Row:
    """A run's read."""
    return ("bundle", bundle, "run", run, "in", "declared")


def writes(run: str, bundle: str) -> Row:
    """A run's write."""
    return ("run", run, "bundle", bundle, "out", "declared")


def bundle(name: str) -> Node:
    """A bundle's node."""
    return Node("bundle", name)


def run(name: str) -> Node:
    """A run's node."""
    return Node("run", name)


def depths(reached: Iterable[Reached]) -> dict[str, int]:
    """How deep each node lies."""
    return {each.node.id: each.depth for each in reached}


CHAIN = Graph(
    [reads("raw", "prepare"), writes("prepare", "features"), reads("features", "train"), writes("train", "model")]
)


def test_depth_counts_runs_from_a_bundle() -> None:
    assert depths(CHAIN.closure([bundle("model")], "upstream")) == {"train": 1, "features": 1, "prepare": 2, "raw": 2}
    assert depths(CHAIN.closure([bundle("raw")], "downstream")) == {"prepare": 1, "features": 1, "train": 2, "model": 2}


def test_depth_counts_runs_from_a_run() -> None:
    assert depths(CHAIN.closure([run("train")], "upstream")) == {"features": 1, "prepare": 1, "raw": 2}


def test_rows_come_nearest_first_and_say_how_they_were_reached() -> None:
    reached = CHAIN.closure([bundle("model")], "upstream")
    assert [each.node.id for each in reached] == ["features", "train", "raw", "prepare"]
    assert (reached[0].via, reached[0].role, reached[0].how) == (run("train"), "in", "declared")


def test_within_one_run_is_what_a_bundle_was_made_of_directly() -> None:
    assert depths(CHAIN.closure([bundle("model")], "upstream", Bounds(within=1))) == {"train": 1, "features": 1}


def test_a_boundary_is_reached_and_not_passed() -> None:
    bounds = Bounds(stop=lambda node: node == bundle("features"))
    assert depths(CHAIN.closure([bundle("model")], "upstream", bounds)) == {"train": 1, "features": 1}


def test_what_is_not_among_the_allowed_nodes_is_not_reached() -> None:
    bounds = Bounds(only=lambda node: node != run("prepare"))
    assert depths(CHAIN.closure([bundle("model")], "upstream", bounds)) == {"train": 1, "features": 1}


def test_of_two_ways_the_shorter_gives_the_depth() -> None:
    graph = Graph([*_rows(CHAIN), reads("raw", "train")])
    assert depths(graph.closure([bundle("model")], "upstream"))["raw"] == 1


def _rows(graph: Graph) -> list[Row]:
    assert graph is CHAIN
    return [
        reads("raw", "prepare"),
        writes("prepare", "features"),
        reads("features", "train"),
        writes("train", "model"),
    ]


def test_a_cycle_ends_by_itself_and_the_start_is_no_row() -> None:
    graph = Graph([reads("a", "r"), writes("r", "b"), reads("b", "s"), writes("s", "a")])
    assert depths(graph.closure([bundle("a")], "upstream")) == {"s": 1, "b": 1, "r": 2}


def test_a_node_that_nothing_touches_has_an_empty_closure() -> None:
    assert CHAIN.closure([bundle("elsewhere")], "upstream") == []


EDGES = st.lists(
    st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 6)).map(
        lambda drawn: reads(f"b{drawn[1]}", f"r{drawn[2]}") if drawn[0] else writes(f"r{drawn[2]}", f"b{drawn[1]}")
    ),
    max_size=25,
)


@given(edges=EDGES, start=st.integers(0, 6), direction=st.sampled_from(["upstream", "downstream"]))
def test_closures_and_depths_are_those_of_networkx(edges: list[Row], start: int, direction: Direction) -> None:
    oracle: networkx.DiGraph[Node] = networkx.DiGraph()
    oracle.add_node(bundle(f"b{start}"))
    for kind_from, id_from, kind_to, id_to, _, _ in edges:
        oracle.add_edge(Node(kind_from, id_from), Node(kind_to, id_to))
    walked = oracle.reverse() if direction == "upstream" else oracle
    hops = networkx.single_source_shortest_path_length(walked, bundle(f"b{start}"))
    expected = {node: (length + 1) // 2 for node, length in hops.items() if length}
    reached = Graph(edges).closure([bundle(f"b{start}")], direction)
    assert {each.node: each.depth for each in reached} == expected


@given(edges=EDGES, start=st.integers(0, 6), order=st.randoms(use_true_random=False))
def test_the_order_of_the_edges_changes_nothing(edges: list[Row], start: int, order: object) -> None:
    shuffled = sorted(edges, key=lambda _: order.random())  # type: ignore[attr-defined]
    node = bundle(f"b{start}")
    assert Graph(edges).closure([node], "upstream") == Graph(shuffled).closure([node], "upstream")


@pytest.mark.parametrize("within", [0, 1, 2, 3])
def test_a_bounded_closure_is_the_unbounded_one_cut_off(within: int) -> None:
    whole = CHAIN.closure([bundle("model")], "upstream")
    cut = CHAIN.closure([bundle("model")], "upstream", Bounds(within=within))
    assert cut == [each for each in whole if each.depth <= within]
