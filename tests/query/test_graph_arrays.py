"""The graph's arrays: the engine's answers, whatever has come since they were made, and whatever became of their file."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

from datamon.query.graph import file as graph_file
from datamon.query.graph.check import check_graph
from datamon.query.graph.file import GraphFile
from datamon.query.graph.in_memory import Bounds, Direction, Kept, Node
from datamon.query.graph.kept import FileGraph
from datamon.query.graph.walking import open_arrays
from datamon.query.testing.playing import play
from datamon.query.testing.quickly import differing, questions
from datamon.query.testing.random_histories import random_history
from datamon.query.testing.worlds import World
from datamon.store.opening import Store, memory_store
from datamon.store.testing.clocks import SteppingClock


@pytest.fixture(autouse=True)
def _always_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_file, "LEAST_PACKED", 1)
    monkeypatch.setattr(graph_file, "LEAST_TOUCHED", 12)


def _played(seed: int) -> Iterator[Store]:
    """A history, at four moments of it."""
    world = World(memory_store(clock=SteppingClock()))
    events = list(random_history(seed))
    for part in range(4):
        for event in events[part * len(events) // 4 : (part + 1) * len(events) // 4]:
            play(world, event)
        yield world.store


def _state(store: Store, directory: Path) -> tuple[bool, int]:
    with GraphFile(store, directory / store.id / "graph").opened() as file:
        assert file is not None
        ((touched,),) = file.execute("SELECT count(*) FROM touched").fetchall()
        return open_arrays(file) is not None, touched


def test_questions_over_a_growing_history_have_the_engines_answers(tmp_path: Path) -> None:
    packed = fresh = mixed = 0
    for seed in range(2):
        for store in _played(seed):
            wrong, _ = differing(store, tmp_path, questions(store))
            assert not wrong, "\n".join(wrong)
            has_arrays, touched = _state(store, tmp_path)
            packed += has_arrays
            mixed += has_arrays and touched > 0
            fresh += has_arrays and touched == 0
    assert packed and mixed and fresh


def test_every_closure_is_that_of_networkx(tmp_path: Path) -> None:
    compared = 0
    for seed in range(20, 40):
        for store in _played(seed):
            with GraphFile(store, tmp_path / store.id / "graph").opened() as file:
                assert file is not None
                compared += _compared(FileGraph(file, Kept(failed=True)), _nodes(file))
    assert compared > 1_000


def _nodes(file: sqlite3.Connection) -> list[Node]:
    told = file.execute("SELECT 'run', id FROM runs UNION ALL SELECT 'bundle', id FROM bundles")
    return [Node(kind, identity) for kind, identity in told]


def _compared(graph: FileGraph, nodes: list[Node]) -> int:
    """Every node's closures, by the nodes in them and their distance."""
    drawn: nx.DiGraph[Node] = nx.DiGraph()
    drawn.add_nodes_from(nodes)
    ways: tuple[Direction, Direction] = ("upstream", "downstream")
    for node in nodes:
        for way in ways:
            drawn.add_edges_from(
                _arrow(node, Node("run" if node.kind == "bundle" else "bundle", end), way)
                for end, _ in graph.walker.adjacency.of(node.kind, node.id, way)
            )
    for node in nodes:
        for way, walked in zip(ways, (drawn.reverse(copy=False), drawn), strict=True):
            lengths = nx.single_source_shortest_path_length(walked, node)
            expected = {other: (length + 1) // 2 for other, length in lengths.items() if other != node}
            assert {each.node: each.depth for each in graph.closure([node], way)} == expected
    return len(nodes)


def _arrow(node: Node, other: Node, way: Direction) -> tuple[Node, Node]:
    return (other, node) if way == "upstream" else (node, other)


def test_a_closure_with_a_stop_goes_node_by_node_and_agrees(tmp_path: Path) -> None:
    *_, store = _played(3)
    with GraphFile(store, tmp_path / "graph").opened() as file:
        assert file is not None
        graph = FileGraph(file, Kept())
        for start in _nodes(file):
            walked = graph.closure([start], "upstream", Bounds(stop=lambda _: False))
            assert walked == graph.closure([start], "upstream")


@pytest.mark.parametrize("harm", ["gone", "cut", "other"])
def test_arrays_that_cannot_be_read_are_done_without(tmp_path: Path, harm: str) -> None:
    *_, store = _played(5)
    assert _state(store, tmp_path)[0]
    (arrays,) = (tmp_path / store.id / "graph").glob("*.arrays")
    content = arrays.read_bytes()
    arrays.unlink()
    if harm != "gone":
        arrays.write_bytes(content[: len(content) // 2] if harm == "cut" else b"something else" + content)
    assert not _state(store, tmp_path)[0]
    wrong, count = differing(store, tmp_path, questions(store))
    assert count and not wrong, "\n".join(wrong)


def test_no_more_than_one_file_of_arrays_stays(tmp_path: Path) -> None:
    for store in _played(7):
        assert _state(store, tmp_path)[0]
    assert len(list((tmp_path / store.id / "graph").glob("*.arrays"))) == 1


def test_a_check_finds_each_changed_list(tmp_path: Path) -> None:
    *_, store = _played(8)
    assert _state(store, tmp_path)[0]
    assert check_graph(store, tmp_path) == []
    (arrays,) = (tmp_path / store.id / "graph").glob("*.arrays")
    content = arrays.read_bytes()
    for line in content[:4_000].split(b"\n"):
        name, _, where = line.decode("utf-8", "replace").partition("\t")
        if name not in ("reads", "writers", "readers", "writes", "run-ids"):
            continue
        start = int(where.split("\t")[0])
        changed = bytes([content[start] ^ 1])
        arrays.write_bytes(content[:start] + changed + content[start + 1 :])
        found = check_graph(store, tmp_path)
        assert {each.table for each in found} == {"graph.arrays"}, name
    arrays.write_bytes(content[:-8])
    assert [each.code for each in check_graph(store, tmp_path)] == ["index-unreadable"]
