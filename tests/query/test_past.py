"""AS OF: what is answered about a moment is what was answered then."""

import datetime

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from datamon.errors import DatamonError, Invalid
from datamon.query.engine import ask, ask_on
from datamon.query.index.opening import Index, open_index
from datamon.query.testing.events import Told
from datamon.query.testing.playing import play
from datamon.query.testing.random_histories import random_history
from datamon.query.testing.worlds import Doing, World
from datamon.store.opening import memory_store
from datamon.store.refs import delete_label, set_label
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.testing.clocks import SteppingClock

QUESTIONS = (
    "WHAT IS STALE",
    "FROM STALE INCLUDING frozen",
    "UPSTREAM OF 'report'",
    "UPSTREAM OF 'model@prod' INCLUDING failed",
    "DOWNSTREAM OF 'raw' AT bundle",
    "AFFECTED BY 'raw'",
    "AFFECTED BY param 'p=1'",
    "WHAT PRODUCED 'feat'",
    "WHAT USED 'raw'",
    "PATHS FROM 'raw' TO 'report'",
    "PLAN FOR 'report'",
    "UPSTREAM OF step 's3'",
)


def utc(time_ns: int) -> str:
    return datetime.datetime.fromtimestamp(time_ns / 1e9, datetime.UTC).isoformat()


def answered(world: World, index: Index, text: str) -> object:
    """The rows of an answer in their order, or what went wrong."""
    try:
        return ask(world.store, text, index=index).rows
    except DatamonError as error:
        return type(error), error.code


def check_as_of(seed: int, questions: list[str]) -> None:
    """Asks while a history happens, and once more about each of those moments when all is over."""
    world = World(memory_store(clock=SteppingClock()), timely=True)
    index = open_index(world.store)
    then: list[tuple[str, str, object]] = []
    for number, event in enumerate(random_history(seed)):
        play(world, event)
        if number % 9 == seed % 9:
            moment = utc(world.store.clock())
            then += [(question, moment, answered(world, index, question)) for question in questions]
    assume(any(isinstance(rows, list) and rows for _, _, rows in then))
    for question, moment, rows in then:
        assert answered(world, index, f"{question} AS OF '{moment}'") == rows, f"{question} at {moment}"


SOME = st.lists(st.sampled_from(QUESTIONS[1:]), min_size=2, max_size=2, unique=True).map(
    lambda some: [QUESTIONS[0], *some]
)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000), questions=SOME)
def test_as_of_a_moment_is_what_was_answered_then(seed: int, questions: list[str]) -> None:
    check_as_of(seed, questions)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_as_of_a_moment_every_question_is_what_was_answered_then(seed: int) -> None:
    check_as_of(seed, list(QUESTIONS))


def test_a_reference_means_what_it_meant_then() -> None:
    world = World(memory_store(clock=SteppingClock()), timely=True)
    first = world.upload("raw", {"f": "1"})
    set_label(world.store, world.repo("raw"), "v", first.id)
    world.run(Doing("s", ("raw@v",), {"out": {"o": "1"}}))
    before = utc(world.store.clock())
    second = world.upload("raw", {"f": "2"})
    set_label(world.store, world.repo("raw"), "v", second.id)
    answer = ask(world.store, f"DOWNSTREAM OF 'raw@v' AT run AS OF '{before}'")
    assert [row[2] for row in answer.rows] == ["default/s"]
    assert f"is bundle {first.id}" in answer.notes[0]
    assert ask(world.store, "DOWNSTREAM OF 'raw@v' AT run").rows == []


def test_what_was_deleted_since_was_there_then() -> None:
    world = World(memory_store(clock=SteppingClock()), timely=True)
    bundle = world.upload("raw", {"f": "1"})
    did = world.run(Doing("s", ("raw",), {"out": {"o": "1"}}))
    set_label(world.store, world.repo("out"), "kept", did.outputs[0].bundle)
    before = utc(world.store.clock())
    world.upload("raw", {"f": "2"})
    delete_label(world.store, world.repo("out"), "kept")
    delete_bundles(world.store, world.repo("raw"), DeleteRequest((bundle.id,), "a reason", force=True))
    rows = ask(world.store, f"UPSTREAM OF 'out@kept' AT bundle AS OF '{before}'").rows
    assert [row[1] for row in rows] == [bundle.id]
    assert ask(world.store, f"WHAT IS STALE AS OF '{before}'").rows == []
    assert {row[2] for row in ask(world.store, "WHAT IS STALE").rows} == {"input"}


def test_a_run_that_was_recorded_late_is_there_by_its_own_times_alone() -> None:
    world = World(memory_store(clock=SteppingClock()), timely=True)
    bundle = world.upload("raw", {"f": "1"})
    began = world.store.clock()
    before = utc(world.store.clock() + 5 * 10**9)
    read = world.read("raw")
    late = Told(77, "s", inputs=(read,), at_ns=began)
    for event in late.events():
        world.store.journal.append({**event, "time": began + 10**15})
    statement = f"DOWNSTREAM OF 'raw@{bundle.id}' AT run"
    assert ask(world.store, f"{statement} AS OF '{before}'").rows == []
    assert len(ask(world.store, f"{statement} AS OF '{before}' BY started").rows) == 1
    assert len(ask(world.store, statement).rows) == 1


def test_a_run_that_had_not_ended_then_was_running() -> None:
    world = World(memory_store(clock=SteppingClock()), timely=True)
    world.upload("raw", {"f": "1"})
    began = world.store.clock()
    told = Told(7, "s", inputs=(world.read("raw"),), at_ns=began, closed_ns=began + 10**12, status="failed")
    for event in told.events():
        world.store.journal.append(event)
    assert len(ask(world.store, f"WHAT USED 'raw' AS OF '{utc(began + 10**9)}'").rows) == 1
    assert ask(world.store, "WHAT USED 'raw'").rows == [], "it failed since"


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "", "2026-03-31T99:00", "31.03.2026", "9999-99-99"])
def test_what_is_no_time_is_pointed_at(text: str) -> None:
    with pytest.raises(Invalid) as raised:
        ask(memory_store(), f"WHAT IS STALE AS OF '{text}'")
    assert (raised.value.line, raised.value.column) == (1, 21)
    assert "expected a time such as '2026-03-31'" in raised.value.message


def test_a_bare_date_is_its_end_and_a_time_without_a_zone_is_utc() -> None:
    world = World(memory_store(clock=SteppingClock(1_774_915_200_000_000_000)), timely=True)  # 2026-03-31, midnight UTC
    bundle = world.upload("raw", {"f": "1"})
    world.run(Doing("s", ("raw",), {"out": {"o": "1"}}))
    with open_index(world.store).connect() as connection:

        def runs(moment: object) -> int:
            text = f"DOWNSTREAM OF 'raw@{bundle.id}' AT run AS OF $t"
            return len(ask_on(connection, world.store, text, params={"t": moment}).rows)

        assert runs("2026-03-31") == runs(datetime.date(2026, 3, 31)) == 1
        assert runs("2026-03-31 23:59") == runs("2026-03-31T23:59Z") == runs(datetime.datetime(2026, 3, 31, 23)) == 1  # noqa: DTZ001
        assert runs("2026-03-31T23:59:00-12:00") == 1
        with pytest.raises(Exception, match="raw"):
            runs("2026-03-30")
