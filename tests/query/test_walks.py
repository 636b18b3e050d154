"""VIA, USING, AFFECTED BY, PATHS, and what packages, params and commits lead to, on a story and against networkx."""

import functools
import itertools
import subprocess
from pathlib import Path

import networkx as nx
import pytest

from datamon.errors import DatamonError, Invalid
from datamon.lineage.capture.code import find_code
from datamon.lineage.fingerprint import fingerprint_script
from datamon.lineage.records import CodeVersion
from datamon.query.engine import ask, ask_on
from datamon.query.graph.in_memory import Graph, Node
from datamon.query.index import open_index
from datamon.query.place import Place
from datamon.query.sources.paths import find_paths
from datamon.query.testing.playing import play
from datamon.query.testing.random_histories import random_history
from datamon.query.testing.stories import Story
from datamon.query.testing.worlds import Doing, World
from datamon.store.opening import memory_store
from datamon.store.testing.clocks import SteppingClock

Row = tuple[object, ...]
SEEDS = range(4)


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


@functools.cache
def history(seed: int) -> World:
    world = World(memory_store(clock=SteppingClock()))
    for event in random_history(seed):
        play(world, event)
    return world


class Walks:
    """A store, asked, with what networkx knows of its relation `edges`."""

    def __init__(self, seed: int) -> None:
        self.store = history(seed).store
        self.connection = open_index(self.store).connect()
        self.graph: nx.DiGraph[str] = nx.DiGraph()
        alive = "SELECT id FROM runs WHERE status = 'succeeded'"
        rows = self.ask(f"SELECT id_from, id_to FROM edges WHERE id_from IN ({alive}) OR id_to IN ({alive})")
        self.graph.add_edges_from((str(a), str(b)) for a, b in rows)
        self.bundles = [
            (str(repo), str(one)) for repo, one in self.ask("SELECT repo, id FROM bundles ORDER BY repo, position")
        ]

    def ask(self, text: str) -> list[Row]:
        return list(ask_on(self.connection, self.store, text).rows)

    def of(self, *repos: str) -> list[tuple[str, str]]:
        return [each for each in self.bundles if each[0] in repos]


def depths(graph: "nx.DiGraph[str]", start: str) -> dict[str, int]:
    if start not in graph:
        return {}
    hops = nx.single_source_shortest_path_length(graph, start)
    return {node: (n + 1) // 2 for node, n in hops.items() if node != start}


@pytest.mark.parametrize("seed", SEEDS)
def test_via_keeps_what_is_reached_through_a_node_that_fulfils_it(seed: int) -> None:
    walks = Walks(seed)
    feats = {one for repo, one in walks.bundles if repo == "feat"}
    for direction, graph in (("UPSTREAM", walks.graph.reverse()), ("DOWNSTREAM", walks.graph)):
        for repo, start in walks.of("raw", "report"):
            rows = walks.ask(f"{direction} OF '{repo}@{start}' VIA (repo = 'feat')")
            hops = nx.single_source_shortest_path_length(graph, start) if start in graph else {}
            expected: dict[str, int] = {}
            for via in (feats & hops.keys()) - {start}:
                for node, more in nx.single_source_shortest_path_length(graph, via).items():
                    length = hops[via] + more
                    expected[node] = min(expected.get(node, length), length)
            expected.pop(start, None)
            assert {str(row[1]): row[5] for row in rows} == {node: (n + 1) // 2 for node, n in expected.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_affected_is_downstream_through_branches_and_labels(seed: int) -> None:
    walks = Walks(seed)
    pinned = walks.ask("SELECT bundle, run FROM inputs WHERE ref_kind NOT IN ('branch', 'label')")
    moving = walks.ask("SELECT bundle, run FROM inputs WHERE ref_kind IN ('branch', 'label')")
    unpinned = walks.graph.copy()
    unpinned.remove_edges_from([(str(a), str(b)) for a, b in set(pinned) - set(moving)])
    seen = 0
    for repo, start in walks.of("raw", "feat"):
        rows = walks.ask(f"AFFECTED BY '{repo}@{start}'")
        assert {str(row[1]): row[5] for row in rows} == depths(unpinned, start)
        assert all(row[9] == ("input" if row[5] == 1 else "upstream") for row in rows)
        seen += len(rows)
    assert seen > 10


@pytest.mark.parametrize("seed", SEEDS)
def test_the_paths_are_those_of_networkx_shortest_first(seed: int) -> None:
    walks = Walks(seed)
    found = 0
    for (repo, start), (other, end) in itertools.product(walks.of("raw")[:3], walks.of("report", "model")):
        rows = walks.ask(f"PATHS FROM '{repo}@{start}' TO '{other}@{end}'")
        ways = [tuple(str(row[3]) for row in way) for _, way in itertools.groupby(rows, key=lambda row: row[0])]
        reachable = start in walks.graph and end in walks.graph and start != end
        expected = {tuple(way) for way in nx.all_simple_paths(walks.graph, start, end)} if reachable else set()
        assert len(ways) == len(set(ways)) == len(expected)
        assert set(ways) == expected
        assert [len(way) for way in ways] == sorted(map(len, ways))
        assert all(
            row[1] == hop for _, way in itertools.groupby(rows, key=lambda row: row[0]) for hop, row in enumerate(way)
        )
        within = walks.ask(f"PATHS FROM '{repo}@{start}' TO '{other}@{end}' WITHIN 2")
        assert len({row[0] for row in within}) == sum(len(way) <= 5 for way in expected)
        found += len(ways)
    assert found


def test_paths_via_have_the_node_between_their_ends(story: Story) -> None:
    every = story.ask("PATHS FROM 'raw@main~1' TO 'model@prod'")
    assert len({row[0] for row in every.rows}) == 2
    via = story.ask("PATHS FROM 'raw@main~1' TO 'model@prod' VIA (repo = 'features')")
    assert [row[4] for row in via.rows][2] == "features@main"
    assert len({row[0] for row in via.rows}) == 1
    assert story.ask("PATHS FROM 'raw@main~1' TO 'model@prod' VIA (repo = 'model')").rows == []


def test_where_no_path_leads_the_notes_say_what_else_there_is(story: Story) -> None:
    assert "did not go into it; raw@" in story.ask("PATHS FROM 'raw' TO 'model@prod'").notes[-1]
    assert "the other way round" in story.ask("PATHS FROM 'model' TO 'raw@main~1'").notes[-1]
    assert "the same thing" in story.ask("PATHS FROM 'raw' TO 'raw@main'").notes[-1]


def test_more_paths_than_are_shown_are_told_of() -> None:
    edges = []
    for n in range(12):  # 2 to the 12 ways
        for side in "ab":
            edges.append(("bundle", f"b{n}", "run", f"r{n}{side}", None, "declared"))
            edges.append(("run", f"r{n}{side}", "bundle", f"b{n + 1}", None, "declared"))
    graph = Graph(edges)  # type: ignore[arg-type]
    found = find_paths(graph, Node("bundle", "b0"), Node("bundle", "b12"), most=100)
    assert len(found.ways) == 100
    assert not found.all
    everything = find_paths(graph, Node("bundle", "b0"), Node("bundle", "b12"), most=5_000)
    assert len(everything.ways) == 2**12
    assert everything.all


def test_a_cycle_of_imported_runs_does_not_hang() -> None:
    edges = [
        ("bundle", "a", "run", "r", None, "imported"),
        ("run", "r", "bundle", "b", None, "imported"),
        ("bundle", "b", "run", "s", None, "imported"),
        ("run", "s", "bundle", "a", None, "imported"),
        ("run", "s", "bundle", "c", None, "imported"),
    ]
    found = find_paths(Graph(edges), Node("bundle", "a"), Node("bundle", "c"))  # type: ignore[arg-type]
    assert [[node.id for node, _ in way] for way in found.ways] == [["a", "r", "b", "s", "c"]]


def test_a_param_leads_to_its_runs_and_what_they_made(story: Story) -> None:
    rows = story.ask("DOWNSTREAM OF param 'scale=2.0'").rows
    assert [(row[2], row[5], row[7] is None) for row in rows] == [
        ("default/prepare", 1, True),
        ("features@main", 1, False),
        ("churn/train", 2, False),
        ("model@prod", 2, False),
    ]
    assert story.ask("DOWNSTREAM OF param 'scale'").rows == rows
    assert [row[2] for row in story.ask("WHAT USED param 'scale'").rows] == ["default/prepare"]
    assert story.ask("DOWNSTREAM OF param 'scale' WITHIN 1").rows == rows[:2]
    nothing = story.ask("DOWNSTREAM OF param 'scal'")
    assert nothing.rows == []
    assert "did you mean scale?" in nothing.notes[0]
    assert [row[9] for row in story.ask("AFFECTED BY param 'scale'").rows] == ["param", "param", "upstream", "upstream"]


def test_a_step_is_affected_by_its_own_code(story: Story) -> None:
    rows = story.ask("AFFECTED BY step 'default/prepare'").rows
    assert [(row[2], row[9]) for row in rows[:2]] == [("default/prepare", "code"), ("features@main", "code")]
    assert {row[9] for row in rows[2:]} == {"upstream"}
    with pytest.raises(Invalid, match="a run cannot change"):
        story.ask(f"AFFECTED BY run '{story.train.run}'")


def test_stop_at_holds_for_the_runs_that_a_param_leads_to(story: Story) -> None:
    rows = story.ask("DOWNSTREAM OF param 'scale' STOP AT (name = 'default/prepare')").rows
    assert [row[2] for row in rows] == ["default/prepare"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scripts in git; the second commit changes what one of them does, and a comment of the other."""
    top = tmp_path_factory.mktemp("code")

    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(top), "-c", "user.name=a", "-c", "user.email=a@b.c", *words], check=True)

    git("init", "-q")
    (top / "one.py").write_text("print(1)\n")
    (top / "two.py").write_text("print(2)\n")
    git("add", ".")
    git("commit", "-qm", "first")
    (top / "one.py").write_text("print(11)\n")
    (top / "two.py").write_text("# two\nprint(2)\n")
    git("commit", "-qam", "second")
    return top


def test_code_between_two_revisions_affects_the_steps_whose_code_it_changes(repository: Path) -> None:
    first, second = revisions(repository)
    world = World(memory_store(clock=SteppingClock()))
    world.upload("raw", {"f": "1"})
    for name in ("one", "two"):
        code = find_code(repository).version(fingerprint_script(repository / f"{name}.py", repository))
        world.run(Doing(name, ("raw",), {name: {"f": name}}, code=code))
    place = Place(repository)
    rows = ask(world.store, f"AFFECTED BY code 'git:{first}..{second}'", place=place).rows
    assert [(row[2], row[9]) for row in rows] == [("default/one", "code"), ("one@main", "code")]
    assert ask(world.store, "AFFECTED BY code 'git:HEAD..HEAD'", place=place).rows == []
    with pytest.raises(DatamonError, match="git knows no revision 'nowhere'"):
        ask(world.store, "AFFECTED BY code 'git:nowhere'", place=place)
    with pytest.raises(DatamonError, match="no git repository here"):
        ask(world.store, "AFFECTED BY code 'git:HEAD'", place=Place())
    with pytest.raises(DatamonError, match="git:REV"):
        ask(world.store, "AFFECTED BY code 'HEAD'", place=place)


def test_a_commit_leads_to_the_runs_that_were_recorded_at_it(repository: Path) -> None:
    first, second = revisions(repository)
    world = World(memory_store(clock=SteppingClock()))
    world.upload("raw", {"f": "1"})
    world.run(Doing("one", ("raw",), {"one": {"f": "1"}}, code=CodeVersion(commit=first, method="none")))
    world.run(Doing("two", ("one",), {"two": {"f": "2"}}, code=CodeVersion(commit=second, method="none")))
    place = Place(repository)

    def names(reference: str) -> list[object]:
        return [row[2] for row in ask(world.store, f"DOWNSTREAM OF code '{reference}'", place=place).rows]

    assert names(f"git:{first[:8]}") == names("git:HEAD~1") == ["default/one", "one@main", "default/two", "two@main"]
    assert names("git:HEAD") == names("git:HEAD~1..HEAD") == ["default/two", "two@main"]


def revisions(repository: Path) -> list[str]:
    done = subprocess.run(
        ["git", "-C", str(repository), "rev-list", "--reverse", "HEAD"], check=True, capture_output=True, text=True
    )
    return done.stdout.split()


def test_using_says_which_reads_count(story: Story) -> None:
    assert story.ask("UPSTREAM OF 'model' USING declared").rows == story.ask("UPSTREAM OF 'model'").rows
    assert [row[0] for row in story.ask("UPSTREAM OF 'model' USING observed").rows] == ["run"]
    assert story.ask("AFFECTED BY 'raw@main~1' USING observed").rows == []


def test_params_of_a_statement_stand_in_predicates_and_moments(story: Story) -> None:
    rows = story.ask("UPSTREAM OF $ref VIA (repo = $repo)", ref="model", repo="features").rows
    assert [row[3] for row in rows if row[3]] == ["features", "raw"]
