"""`datamon run show`: everything that is recorded, as a tree in which nothing is left out, however narrow the terminal."""

import re
from collections.abc import Callable
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from datamon.cli.cells import printable
from datamon.cli.fact_tree import Fact, fact_lines
from datamon.cli.fitting import Part, Screen
from datamon.cli.rows import moment
from datamon.cli.run_facts import Beside, run_facts
from datamon.cli.tables import display_width
from datamon.cli.testing import PROGRAM, Ran, Shell
from datamon.cli.testing_terminal import terminal
from datamon.lineage.finding import find_run, runs_within
from datamon.lineage.records import CodeVersion, Param
from datamon.lineage.run_parts import Metric
from datamon.query.testing.worlds import Doing, World
from datamon.store.opening import memory_store
from datamon.store.testing.clocks import START_NS, SteppingClock

Inside = Callable[..., Ran]
Golden = Callable[[str, str], None]
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
DRAWN = re.compile(r"[│├└─\s]")
TEXTS = st.text(st.characters(exclude_characters="│├└─", codec="utf-8"), max_size=40)
PARTS = st.lists(st.builds(Part, TEXTS, st.sampled_from(["plain", "dim"])), max_size=3).map(tuple)
FACTS = st.recursive(
    st.builds(Fact, TEXTS, PARTS),
    lambda below: st.builds(Fact, TEXTS, PARTS, st.lists(below, max_size=4).map(tuple)),
    max_leaves=12,
)


def test_a_run_is_shown_whole_at_any_width(golden: Golden) -> None:
    world = World(memory_store(clock=SteppingClock()))
    world.upload("measurements", {"a.csv": "1"})
    doing = Doing(
        "fit",
        ("measurements",),
        {"model": {"m": "1"}, "report@try": {"r": "1"}},
        pipeline="churn",
        params=(Param("scale", 2.0), Param("columns", ["age", "income", "region"], "file", "params.yaml", "columns")),
        metrics=(Metric("accuracy", 0.91), Metric("log_loss", 0.32)),
        code=CodeVersion(
            "git@example.org:team/churn.git", "c" * 40, dirty="d" * 64, fingerprint="f" * 64, method="script"
        ),
    )
    run = find_run(world.store, world.run(doing).run)
    facts = run_facts(run, Beside(), moment(START_NS) + timedelta(days=3))
    texts = []
    for width in (60, 100, 200):
        lines = list(fact_lines(facts, Screen(width)))
        assert max(map(display_width, lines)) <= width
        texts.append("\n".join([f"{width} columns", *lines, ""]))
    golden("run_show", "\n".join(texts))


@given(FACTS, st.integers(30, 120))
def test_no_width_and_no_colour_loses_anything(fact: Fact, width: int) -> None:
    whole = list(fact_lines(fact, Screen()))
    narrow = list(fact_lines(fact, Screen(width)))
    assert DRAWN.sub("", "".join(narrow)) == DRAWN.sub("", "".join(whole)) == DRAWN.sub("", "".join(told(fact)))
    coloured = [ESCAPES.sub("", line) for line in fact_lines(fact, Screen(width, colours=True))]
    assert [line.rstrip() for line in coloured] == [line.rstrip() for line in narrow]


def told(fact: Fact) -> list[str]:
    """All that a fact says, in order."""
    own = [printable(fact.name), *(printable(part.text) for part in fact.parts)]
    return own + [text for each in fact.below for text in told(each)]


def test_runs_within_a_run_stand_below_those_that_they_are_part_of(shell: Shell, inside: Inside) -> None:
    world = World(memory_store(clock=SteppingClock()))
    alone = find_run(world.store, world.run(Doing("alone")).run)
    assert runs_within(world.store, alone) == []
    record = "$DATAMON run record --step"
    inner = f"{record} inmost -- false; true"
    program = f"{record} inner -- sh -c '{inner}'; {record} beside -- true"
    with_program = shell.having(DATAMON=" ".join(PROGRAM))
    ran = with_program("run", "record", "--step", "outer", "--", "sh", "-c", program)
    assert ran.code == 0, ran
    (outer,) = (line.split()[0] for line in inside(shell, "run", "list", "--step", "outer").lines)
    lines = inside(shell, "run", "show", outer).good()
    found = [re.sub(r"\w{27}", "<id>", line) for line in lines if "default/" in line][1:]
    assert found == [
        "    ├── default/inner   ✓  <id>",
        "    │   └── default/inmost  ✗ failed  <id>  exit code 1",
        "    └── default/beside  ✓  <id>",
    ]


def test_what_is_no_id_of_a_run_is_an_error_at_once(orders: Shell, inside: Inside) -> None:
    assert orders("run", "record", "--", "true").code == 0
    assert [inside(orders, "run", "show", text).code for text in ("", "a", "\n", "nothing")] == [2, 2, 2, 4]


def test_on_a_terminal_a_run_is_coloured_and_folded(orders: Shell) -> None:
    ran = orders("run", "record", "--", "echo", "a long command line " * 4)
    run = ran.err.split()[2]
    with terminal(orders, "run", "show", run, columns=60) as screen:
        assert screen.end() == 0
        assert screen.coloured
        assert max(map(display_width, screen.drawn.splitlines())) <= 60
