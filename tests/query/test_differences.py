"""DIFF, WHY DOES … DIFFER FROM and WHY WAS … NOT REUSED, on small histories."""

import pytest

from datamon.errors import Invalid, NotFound
from datamon.lineage.records import CodeVersion, EnvironmentPart, Param
from datamon.query.answer import Answer
from datamon.query.engine import ask
from datamon.query.index import open_index
from datamon.query.testing.stories import Story
from datamon.query.testing.worlds import Did, Doing, World
from datamon.store.opening import memory_store
from datamon.store.refs import set_label
from datamon.store.testing.clocks import SteppingClock

Row = tuple[object, ...]


class Twice:
    """raw → prepare → features → train → model, done twice: with other raw data, and another param of prepare."""

    def __init__(self) -> None:
        self.world = World(memory_store(clock=SteppingClock()))
        self.index = open_index(self.world.store)
        self.raw = [self.world.upload("raw", {"a": "1", "b": "1"})]
        self.prepare = [self.run("prepare", "raw", "features", 2.0)]
        self.train = [self.run("train", "features", "model", 0.1)]
        self.label("v6", self.train[0])
        self.raw.append(self.world.upload("raw", {"a": "2", "b": "1", "c": "3"}))
        self.prepare.append(self.run("prepare", "raw", "features", 3.0))
        self.train.append(self.run("train", "features", "model", 0.1))
        self.label("v7", self.train[1])

    def run(self, step: str, read: str, write: str, value: float, **more: object) -> Did:
        content = f"{write}{self.world.count}"
        doing = Doing(step, (read,), {write: {"f": content}}, params=(Param("p", value),), **more)  # type: ignore[arg-type]
        return self.world.run(doing)

    def label(self, name: str, did: Did) -> None:
        set_label(self.world.store, self.world.repo("model"), name, did.outputs[0].bundle)

    def ask(self, text: str) -> Answer:
        return ask(self.world.store, text, index=self.index)


@pytest.fixture(scope="module")
def twice() -> Twice:
    return Twice()


def test_diff_of_bundles_has_their_files_in_the_order_of_paths(twice: Twice) -> None:
    rows = twice.ask("DIFF 'raw@main~1', 'raw'").rows
    assert [row[:3] for row in rows] == [("file", "a", "changed"), ("file", "c", "added")]
    assert [(row[3] is None, row[4] is None) for row in rows] == [(False, False), (True, False)]
    back = twice.ask("DIFF 'raw', 'raw@main~1'").rows
    assert [row[:3] for row in back] == [("file", "a", "changed"), ("file", "c", "deleted")]
    assert [row[1] for row in twice.ask("DIFF 'raw@main~1:a', 'raw:a'").rows] == ["a"]


def test_diff_of_what_runs_wrote_has_their_params_code_and_inputs_too(twice: Twice) -> None:
    rows = twice.ask("DIFF 'features@main~1', 'features'").rows
    assert [row[:3] for row in rows] == [
        ("file", "f", "changed"),
        ("param", "p", "changed"),
        ("input", "raw", "changed"),
    ]
    assert rows[1][3:] == ("2.0", "3.0")
    only = twice.ask("DIFF 'features@main~1', 'features' ON params").rows
    assert only == [rows[1]]
    of_runs = twice.ask(f"DIFF run '{twice.prepare[0].run}', run '{twice.prepare[1].run}'").rows
    assert [row[:3] for row in of_runs] == [
        ("file", "features@main:f", "changed"),
        ("param", "p", "changed"),
        ("input", "raw", "changed"),
    ]
    assert twice.ask("SELECT name FROM diff('raw@main~1', 'raw', on := 'files') WHERE change = 'added'").rows == [
        ("c",)
    ]


def test_what_cannot_be_compared_is_said(twice: Twice) -> None:
    assert "they are alike" in twice.ask("DIFF 'raw', 'raw'").notes
    answer = twice.ask("DIFF 'raw@main~1', 'raw' ON params, code")
    assert answer.rows == []
    assert any("no recorded run wrote" in note for note in answer.notes)
    with pytest.raises(Invalid, match="expected another bundle"):
        twice.ask(f"DIFF 'raw', run '{twice.train[0].run}'")
    with pytest.raises(NotFound):
        twice.ask("DIFF 'raw', 'nothing'")


def test_why_two_differ_is_told_run_by_run_to_where_the_ways_part(twice: Twice) -> None:
    rows = twice.ask("WHY DOES 'model@v7' DIFFER FROM 'model@v6'").rows
    assert [(row[0], row[1], row[2], row[5]) for row in rows] == [
        (1, "input", "features", ""),
        (2, "param", "p", "features"),
        (2, "input", "raw", "features"),
    ]
    assert rows[1][3:5] == ("2.0", "3.0"), "old is what the second has"
    back = twice.ask("WHY DOES 'model@v6' DIFFER FROM 'model@v7'").rows
    assert back[1][3:5] == ("3.0", "2.0")


def test_why_two_differ_says_in_words_what_it_cannot_tell(twice: Twice) -> None:
    assert "they hold the same content" in twice.ask("WHY DOES 'model' DIFFER FROM 'model@v7'").notes
    brought = twice.ask("WHY DOES 'raw' DIFFER FROM 'raw@main~1'")
    assert brought.rows == []
    assert any("DIFF tells" in note for note in brought.notes)
    world = World(memory_store(clock=SteppingClock()))
    for text in ("1", "2"):
        world.run(Doing("dice", (), {"out": {"f": text}}))
    told = ask(world.store, "WHY DOES 'out' DIFFER FROM 'out@main~1'")
    assert told.rows == []
    assert any("not determined by it" in note for note in told.notes)


def test_a_diamond_is_walked_once_and_a_deep_way_to_its_end() -> None:
    world = World(memory_store(clock=SteppingClock()))
    for turn in ("1", "2"):
        world.upload("raw", {"f": turn})
        for step in range(12):
            read = tuple(f"{side}{step - 1}" for side in "ab") if step else ("raw",)
            for side in "ab":
                world.run(Doing(f"{side}{step}", read, {f"{side}{step}": {"f": f"{side}{turn}"}}))
    answer = ask(world.store, "WHY DOES 'a11' DIFFER FROM 'a11@main~1'")
    assert max(int(str(row[0])) for row in answer.rows) == 12
    assert len(answer.rows) == 2 + 10 * 4 + 2, "each pair once"
    assert [row[2] for row in answer.rows if row[0] == 12] == ["raw", "raw"]


def test_why_a_run_was_not_reused_is_what_differs_from_the_run_most_like_it() -> None:
    world = World(memory_store(clock=SteppingClock()))
    world.upload("raw", {"f": "1"})
    code = CodeVersion(fingerprint="f1", method="script")
    first = world.run(Doing("s", ("raw",), {"out": {"f": "1"}}, params=(Param("p", 1),), code=code))
    world.run(Doing("s", ("raw",), {"out": {"f": "2"}}, params=(Param("p", 2), Param("q", 2)), code=code))
    world.upload("raw", {"f": "2"})
    policy = (EnvironmentPart("python", "3.11"),)
    last = world.run(Doing("s", ("raw",), {"out": {"f": "3"}}, params=(Param("p", 1),), code=code, policy=policy))
    answer = ask(world.store, f"WHY WAS run '{last.run}' NOT REUSED")
    assert [row[:3] for row in answer.rows] == [("input", "raw", "changed"), ("env", "python", "added")]
    assert f"the earlier run most like it is {first.run}" in answer.notes
    of_first = ask(world.store, f"WHY WAS run '{first.run}' NOT REUSED")
    assert of_first.rows == []
    assert any("no earlier run of default/s" in note for note in of_first.notes)


def test_a_run_that_did_the_same_as_another_could_have_been_reused() -> None:
    world = World(memory_store(clock=SteppingClock()))
    world.upload("raw", {"f": "1"})
    runs = [world.run(Doing("s", ("raw",), {"out": {"f": str(n)}})) for n in range(2)]
    answer = ask(world.store, f"WHY WAS run '{runs[1].run}' NOT REUSED")
    assert answer.rows == []
    assert any(f"run {runs[0].run} did the same before" in note for note in answer.notes)
    alone = world.run(Doing("t", ("raw",), {}))
    told = ask(world.store, f"WHY WAS run '{alone.run}' NOT REUSED")
    assert any("no declared output" in note for note in told.notes)


def test_questions_by_a_story_stand_in_selects(story_rows: list[Row]) -> None:
    assert story_rows == [("input",)]


@pytest.fixture
def story_rows() -> list[Row]:
    story = Story()
    story.run(Doing("prepare", ("raw",), {"features": {"f": "2"}}, params=(Param("scale", 2.0),)))
    text = "SELECT DISTINCT kind FROM (WHY DOES 'features' DIFFER FROM 'features@main~1') d"
    return list(story.ask(text).rows)
