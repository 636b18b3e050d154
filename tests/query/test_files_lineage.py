"""Lineage file by file: worked cases, and equality with the definition in words of its own on drawn histories."""

import datetime
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from datamon.errors import DatamonError
from datamon.query import asking
from datamon.query.engine import ask_on
from datamon.query.graph import in_memory as graph
from datamon.query.graph.in_memory import Direction
from datamon.query.index import open_index
from datamon.query.language.references import Target
from datamon.query.place import NOWHERE
from datamon.query.sources.closure import Walk
from datamon.query.sources.file_edges import Step, Thing
from datamon.query.sources.file_walk import Bounds, walk
from datamon.query.sources.files import file_rows
from datamon.query.testing.file_lineage import FileHistory, Held, Node, Used, closure
from datamon.query.testing.stories import Story
from datamon.query.testing.worlds import Doing, World
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.bundle import Bundle
from datamon.store.opening import memory_store
from datamon.store.refs import set_label
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.retention.delete_path import delete_paths
from datamon.store.testing.clocks import SteppingClock


@pytest.fixture
def story() -> Story:
    return Story()


@dataclass
class Clinic:
    """Patients are summed up each, two at a time; the sums make a report. The second sum was watched and opened one patient."""

    story: Story
    first: Bundle

    @classmethod
    def make(cls) -> "Clinic":
        story = Story()
        first = story.world.upload("patients", {"p/1.json": "ann", "p/2.json": "bob", "README": "read me"})
        story.run(Doing("sums", ("patients:p",), {"sums": {"all": "ann+bob"}}))
        seen = {"patients:p": ("1.json", "/")}
        story.run(Doing("one", ("patients:p",), {"one": {"ann": "ann", "notes/x": "x"}}, opened=seen))
        story.run(Doing("report", ("sums",), {"report": {"r": "r"}}))
        return cls(story, first)

    def names(self, text: str) -> list[tuple[object, object, object]]:
        """Name, depth and how of each row."""
        return [(row["name"], row["depth"], row["how"]) for row in self.story.ask(text)]


@pytest.fixture
def clinic() -> Clinic:
    return Clinic.make()


# worked cases


def test_downstream_of_a_file_are_the_files_made_by_whoever_read_it(clinic: Clinic) -> None:
    assert clinic.names("DOWNSTREAM OF file 'patients:p/1.json' AT file") == [
        ("one@main:ann", 1, "declared"),
        ("one@main:notes/x", 1, "declared"),
        ("sums@main:all", 1, "declared"),
        ("report@main:r", 2, "declared"),
    ]


def test_a_run_that_was_watched_read_what_it_opened_and_a_listed_directory_only_names(clinic: Clinic) -> None:
    second = ("sums@main:all", 1, "declared"), ("report@main:r", 2, "declared")
    assert clinic.names("DOWNSTREAM OF file 'patients:p/2.json' AT file") == list(second)
    assert clinic.names("UPSTREAM OF 'one' AT file") == [("patients@main:p/1.json", 1, "observed")]


def test_using_declared_takes_what_was_declared_and_using_observed_only_what_was_seen(clinic: Clinic) -> None:
    declared = clinic.names("UPSTREAM OF 'one' AT file USING declared")
    assert declared == [("patients@main:p/1.json", 1, "declared"), ("patients@main:p/2.json", 1, "declared")]
    assert clinic.names("UPSTREAM OF 'sums' AT file USING observed") == []
    observed = clinic.names("DOWNSTREAM OF file 'patients:p/1.json' AT file USING observed")
    assert observed == [("one@main:ann", 1, "declared"), ("one@main:notes/x", 1, "declared")]


def test_what_a_run_read_in_a_part_that_is_a_file_itself_is_that_file(clinic: Clinic) -> None:
    clinic.story.run(
        Doing("single", ("patients:README",), {"single": {"s": "s"}}, opened={"patients:README": ("README",)})
    )
    assert clinic.names("UPSTREAM OF 'single' AT file") == [("patients@main:README", 1, "observed")]


def test_who_read_an_older_or_newer_bundle_that_holds_the_very_same_file_is_downstream_of_it(clinic: Clinic) -> None:
    story = clinic.story
    story.world.upload("patients", {"p/1.json": "ann", "p/2.json": "changed"})
    story.run(Doing("later", ("patients",), {"later": {"l": "l"}}))
    assert ("sums@main:all", 1, "declared") in clinic.names("DOWNSTREAM OF file 'patients:p/1.json' AT file")
    assert ("later@main:l", 1, "declared") in clinic.names("DOWNSTREAM OF 'patients@main~1:p/1.json' AT file")
    changed = clinic.names("DOWNSTREAM OF file 'patients:p/2.json' AT file")
    assert changed == [("later@main:l", 1, "declared")]


def test_a_run_did_not_write_what_it_carried_over_from_its_input(clinic: Clinic) -> None:
    clinic.story.run(
        Doing("fix", ("patients",), {"patients": {"p/1.json": "ann", "p/2.json": "fixed", "README": "read me"}})
    )
    assert clinic.names("UPSTREAM OF 'patients:p/1.json' AT file") == []
    fixed = clinic.names("UPSTREAM OF 'patients:p/2.json' AT file")
    assert {name for name, _, _ in fixed} == {
        "patients@main:README",
        "patients@main:p/1.json",
        f"patients@{clinic.first.id}:p/2.json",
    }


def test_an_id_has_the_first_bundle_that_holds_the_file_and_a_name_the_ref_that_does(clinic: Clinic) -> None:
    story = clinic.story
    story.world.upload("patients", {"p/1.json": "ann"}, label="v2")
    (row,) = story.ask("UPSTREAM OF 'one' AT file")
    assert (row["id"], row["name"], row["ref"]) == (
        f"patients@{clinic.first.id}:p/1.json",
        "patients@v2:p/1.json",
        "v2",
    )
    assert (row["kind"], row["repo"]) == ("file", "patients")


def test_what_used_a_file_are_the_runs_that_opened_it(clinic: Clinic) -> None:
    def users(path: str) -> list[object]:
        return [row["name"] for row in clinic.story.ask(f"WHAT USED file 'patients:{path}'")]

    assert users("p/1.json") == ["default/one", "default/sums"]
    assert users("p/2.json") == ["default/sums"]
    assert users("README") == []
    assert users("p") == ["default/one", "default/sums"]


def test_a_file_that_changes_affects_what_was_made_through_branches_and_labels(clinic: Clinic) -> None:
    story = clinic.story
    story.run(Doing("pinned", (f"patients@{clinic.first.id}",), {"pinned": {"p": "p"}}))
    rows = [(row["name"], row["cause"]) for row in story.ask("AFFECTED BY file 'patients:p/2.json' AT file")]
    assert rows == [("sums@main:all", "input"), ("report@main:r", "upstream")]
    assert ("pinned@main:p", 1, "declared") in clinic.names("DOWNSTREAM OF file 'patients:p/2.json' AT file")


def test_within_stop_at_and_via_bound_a_walk_by_files(clinic: Clinic) -> None:
    below = "DOWNSTREAM OF file 'patients:p/2.json' AT file"
    assert clinic.names(f"{below} WITHIN 1") == [("sums@main:all", 1, "declared")]
    assert clinic.names(f"{below} STOP AT (repo = 'sums')") == [("sums@main:all", 1, "declared")]
    assert clinic.names(f"{below} VIA (kind = 'file' AND repo = 'report')") == [("report@main:r", 2, "declared")]
    assert clinic.names("SELECT * FROM downstream('patients:p/2.json', at := 'file', within := 1)") == [
        ("sums@main:all", 1, "declared")
    ]


def test_runs_that_something_leads_to_are_one_run_away_and_so_is_what_they_wrote(clinic: Clinic) -> None:
    assert clinic.names("DOWNSTREAM OF step 'sums' AT file") == [
        ("sums@main:all", 1, "declared"),
        ("report@main:r", 2, "declared"),
    ]
    clinic.story.run(Doing("failing", ("patients",), {"sums": {"x": "x"}}, "failed"))
    assert clinic.names("DOWNSTREAM OF 'patients:README' AT file INCLUDING failed") == []
    assert clinic.story.ask("WHAT USED file 'patients:README' INCLUDING failed").rows[0][2] == "default/failing"


def test_the_past_is_asked_file_by_file_as_it_was_then() -> None:
    world = World(memory_store(clock=SteppingClock()), timely=True)
    world.upload("raw", {"f": "1"})
    world.run(Doing("sum", ("raw",), {"sums": {"s": "1"}}))
    moment = world.store.clock() // 1000
    world.run(Doing("report", ("sums",), {"report": {"r": "1"}}))
    asked = "SELECT name FROM DOWNSTREAM OF file 'raw:f' AT file AS OF $moment"
    then = datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(microseconds=moment)
    with open_index(world.store).connect() as connection:
        before = ask_on(connection, world.store, asked, params={"moment": then})
        after = ask_on(connection, world.store, asked, params={"moment": "2999-01-01"})
    assert before.rows == [("sums@main:s",)]
    assert after.rows == [("sums@main:s",), ("report@main:r",)]


# what was deleted


def test_everything_made_from_a_file_is_found_after_it_was_deleted_in_every_bundle(clinic: Clinic) -> None:
    story = clinic.story
    story.world.upload("patients", {"p/1.json": "ann older", "README": "read me"})
    story.run(Doing("newer", ("patients",), {"newer": {"n": "n"}}))
    delete_paths(story.world.store, story.world.repo("patients"), ["p/1.json"], reason="she asked")
    answer = story.ask("FROM DOWNSTREAM OF file 'patients:p/1.json' AT file INCLUDING deleted")
    assert [row["name"] for row in answer] == [
        "newer@main:n",
        "one@main:ann",
        "one@main:notes/x",
        "sums@main:all",
        "report@main:r",
    ]
    assert any("(she asked)" in note and "1 more deleted" in note for note in answer.notes)
    with pytest.raises(DatamonError, match=r"p/1\.json"):
        story.ask("FROM DOWNSTREAM OF file 'patients:p/1.json' AT file")


def without_manifest(backend: Backend, bundle: Bundle) -> None:
    """As after a collection."""
    backend.delete(layout.manifest(bundle.manifest))


def test_a_file_is_followed_also_when_what_the_deleted_bundles_held_is_gone(clinic: Clinic) -> None:
    store = clinic.story.world.store
    delete_paths(store, clinic.story.world.repo("patients"), ["p/2.json"], reason="he asked")
    without_manifest(store.metadata, clinic.first)
    answer = clinic.story.ask("FROM DOWNSTREAM OF file 'patients:p/2.json' AT file INCLUDING deleted")
    assert [row["name"] for row in answer] == ["sums@main:all", "report@main:r"]  # the watched run opened another
    assert any("is not known" in note for note in answer.notes)
    rows = clinic.names("UPSTREAM OF 'sums' AT file INCLUDING deleted")
    assert (f"patients@{clinic.first.id}:p", 1, "declared") in rows
    assert ("patients@main:p/1.json", 1, "declared") in rows, "what stands in for it is known"


def test_a_walk_goes_on_through_a_deleted_bundle_of_which_nothing_is_left(clinic: Clinic) -> None:
    store, repo = clinic.story.world.store, clinic.story.world.repo("sums")
    (sums,) = store.logs.repo(repo.id).bundles.values()
    delete_bundles(store, repo, DeleteRequest((sums.id,), force=True))
    hidden = clinic.names("DOWNSTREAM OF 'patients:p/2.json' AT file")
    assert hidden == [("report@main:r", 2, "declared")]
    without_manifest(store.metadata, sums)
    assert clinic.names("DOWNSTREAM OF 'patients:p/2.json' AT file") == hidden
    shown = clinic.names("DOWNSTREAM OF 'patients:p/2.json' AT file INCLUDING deleted")
    assert shown == [(f"sums@{sums.id}", 1, "declared"), *hidden]
    assert ("patients@main:p/2.json", 2, "declared") in clinic.names("UPSTREAM OF 'report' AT file")


def test_a_manifest_that_is_gone_of_a_bundle_that_was_not_deleted_is_damage(clinic: Clinic) -> None:
    without_manifest(clinic.story.world.store.metadata, clinic.first)
    with pytest.raises(DatamonError) as raised:
        clinic.story.ask("UPSTREAM OF 'sums' AT file")
    assert raised.value.code == "missing-bytes"


# limits


def test_a_row_cap_says_so_on_the_last_row(clinic: Clinic) -> None:
    store = clinic.story.world.store
    target = Target("bundle", clinic.first.id, "", "patients", "p/1.json")
    asked = Walk("downstream", (graph.Node("bundle", clinic.first.id),), at="file", target=target, cap=2)
    with clinic.story.index.connect() as connection:
        walked = file_rows(asking.Asking(store, "", {}, NOWHERE), asking.World(store, connection, NOWHERE), asked)
    assert [row[-1] for row in walked.rows] == [False, True]
    assert walked.truncated


def test_a_walk_that_is_too_long_gives_the_nearest_and_says_that_there_is_more() -> None:
    class Chain:
        """Runs without end."""

        def steps(self, things: Collection[Thing], direction: Direction, known: Collection[Thing]) -> Iterator[Step]:
            for thing in things:
                yield Step(thing, f"{int(str(thing)) + 1}", "declared")

    reached, whole = walk(Chain(), ["0"], "downstream", Bounds(most=10))
    assert [each.thing for each in reached] == [str(n) for n in range(1, len(reached) + 1)]
    assert not whole
    assert walk(Chain(), ["0"], "downstream", Bounds(within=3))[1]


# equality with the definition

REPOS = ("a", "b", "c")
PATHS = ("f", "g", "d/h")
FILES = st.dictionaries(st.sampled_from(PATHS), st.sampled_from("xyz"), min_size=1)
READS = st.tuples(
    st.sampled_from(REPOS),
    st.integers(0, 3),
    st.sampled_from(["", "", "f", "d"]),
    st.none() | st.sets(st.sampled_from(PATHS)),
)
EVENTS = st.tuples(st.lists(READS, max_size=3), st.dictionaries(st.sampled_from(REPOS), FILES, min_size=1, max_size=2))


Reading = tuple[str, int, str, set[str] | None]
"""A repo, how many bundles back, the part, and which paths were seen to be opened."""
Event = tuple[list[Reading], dict[str, dict[str, str]]]


@dataclass
class Told:
    """A drawn history, recorded in a store and told to the definition."""

    world: World
    history: FileHistory
    heads: dict[str, list[str]]

    def happen(self, reads: list[Reading], writes: dict[str, dict[str, str]]) -> None:
        """One run; with nothing to read an upload."""
        inputs: dict[str, Used] = {}
        for repo, back, part, opened in reads:
            if repo in self.heads:
                bundle = self.heads[repo][-1 - back % len(self.heads[repo])]
                below = [p for p in self.history.bundles[bundle].files if not part or f"{p}/".startswith(f"{part}/")]
                if below:
                    known = None if opened is None else frozenset(opened & set(below))
                    inputs[f"{repo}@{bundle}" + (f":{part}" if part else "")] = Used(bundle, part, known)
        if not inputs:
            for repo, files in writes.items():
                self._saw(repo, self.world.upload(repo, files).id, files)
            return
        opened_by = {
            text: (*sorted(_relative(path, used.part) for path in used.opened), "/")
            for text, used in inputs.items()
            if used.opened is not None
        }
        roles = Doing("step", tuple(inputs), writes, opened=opened_by)
        did = self.world.run(roles)
        for output in did.outputs:
            self._saw(output.repo_name, output.bundle, writes[output.repo_name])
        self.history.runs[did.run] = (tuple(inputs.values()), tuple(output.bundle for output in did.outputs))

    def _saw(self, repo: str, bundle: str, files: dict[str, str]) -> None:
        self.history.bundles[bundle] = Held(repo, files)
        self.heads.setdefault(repo, []).append(bundle)

    def node(self, identity: str) -> Node:
        """The node that a row's id names."""
        repo, _, rest = identity.partition("@")
        bundle, _, path = rest.partition(":")
        return ("file", repo, path, self.history.bundles[bundle].files[path])


def _relative(path: str, part: str) -> str:
    return path.rpartition("/")[2] if path == part else path.removeprefix(f"{part}/") if part else path


def told(events: list[Event], *, unique: bool = False) -> Told:
    made = Told(World(memory_store(clock=SteppingClock())), FileHistory(), {})
    for number, (reads, writes) in enumerate(events):
        if unique:
            writes = {r: {p: f"{content}{number}{r}{p}" for p, content in files.items()} for r, files in writes.items()}
        made.happen(reads, writes)
    return made


SOME = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SOME
@given(
    st.lists(EVENTS, min_size=2, max_size=7),
    st.sampled_from(["upstream", "downstream"]),
    st.sampled_from(["any", "declared", "observed"]),
)
@example([([], {"a": {"f": "x", "g": "y"}}), ([("a", 0, "", None)], {"a": {"f": "x", "g": "z"}})], "upstream", "any")
@example(
    [([], {"a": {"f": "x", "d/h": "y"}}), ([("a", 0, "d", {"d/h", "f"})], {"b": {"f": "z"}})], "downstream", "observed"
)
def test_every_answer_is_the_definitions(
    events: list[Event],
    direction: Direction,
    using: str,
) -> None:
    made = told(events)
    edges = list(made.history.edges(using))
    in_repo_b = lambda node: node[0] == "file" and node[1] == "b"  # noqa: E731
    with open_index(made.world.store).connect() as connection:
        for bundle, (repo, files) in made.history.bundles.items():
            starts: list[Node] = [("file", repo, path, content) for path, content in files.items()]
            for said, expected in (
                ("", closure(edges, starts, direction)),
                ("STOP AT (repo = 'b')", closure(edges, starts, direction, stop=in_repo_b)),
                ("VIA (repo = 'b')", closure(edges, starts, direction, via=in_repo_b)),
            ):
                answer = ask_on(
                    connection, made.world.store, f"{direction} OF '{repo}@{bundle}' AT file USING {using} {said}"
                )
                got = {made.node(str(row["id"])): row["depth"] for row in answer}
                assert len(got) == len(answer), "each file is one row"
                assert got == {node: depth for node, depth in expected.items() if node[0] == "file"}, said


@SOME
@given(st.lists(EVENTS, min_size=2, max_size=7))
def test_without_equal_contents_every_files_bundle_is_in_the_closure_of_bundles(
    events: list[Event],
) -> None:
    made = told(events, unique=True)
    with open_index(made.world.store).connect() as connection:
        for direction in ("UPSTREAM", "DOWNSTREAM"):
            for bundle, (repo, _) in made.history.bundles.items():
                files = ask_on(connection, made.world.store, f"{direction} OF '{repo}@{bundle}' AT file")
                bundles = ask_on(connection, made.world.store, f"{direction} OF '{repo}@{bundle}' AT bundle")
                known = {row["id"]: row["depth"] for row in bundles}
                for row in files:
                    assert row["depth"] >= known[str(row["id"]).partition("@")[2].partition(":")[0]]


def test_a_label_names_a_file_before_a_branch_does(clinic: Clinic) -> None:
    set_label(clinic.story.world.store, clinic.story.world.repo("patients"), "kept", clinic.first.id)
    (row,) = clinic.story.ask("UPSTREAM OF 'one' AT file")
    assert row["name"] == "patients@kept:p/1.json"
