"""`datamon lineage`: trees of any depth and width, fitted to the terminal; what they say is what the store knows."""

import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.cli.fitting import Part, Screen, fitted
from datamon.cli.lineage_told import tell, tree_lines
from datamon.cli.rows import moment
from datamon.cli.tables import display_width
from datamon.cli.testing import Ran, Shell
from datamon.cli.testing_terminal import terminal
from datamon.lineage.records import Param
from datamon.query.answer import Answer
from datamon.query.engine import ask
from datamon.query.index.opening import open_index
from datamon.query.testing.stories import Story
from datamon.query.testing.worlds import Doing, World
from datamon.store.opening import memory_store
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.testing.clocks import START_NS, SteppingClock

Inside = Callable[..., Ran]
Golden = Callable[[str, str], None]
LATER = moment(START_NS) + timedelta(days=3)
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
WIDTHS = (60, 100, 200)


def seen(world: World, source: str, screen: Screen, *, stale: bool = False) -> list[str]:
    """The lines of a tree, with the ends of ids numbered in as many columns."""
    index = open_index(world.store)

    def asked(text: str) -> Answer:
        return ask(world.store, text, index=index)

    graph = asked(f"GRAPH {source}").graph
    assert graph is not None
    lines = list(tree_lines(graph, tell(asked, graph, LATER, stale=stale), screen))
    known: dict[str, str] = {}
    return [re.sub(r"…\w{8}", lambda m: known.setdefault(m[0], f"…id{len(known) + 1:06}"), line) for line in lines]


def in_widths(world: World, source: str, *, stale: bool = False) -> str:
    """The tree in each of the widths, none of its lines wider."""
    texts = []
    for width in WIDTHS:
        lines = seen(world, source, Screen(width), stale=stale)
        assert max(map(display_width, lines)) <= width
        texts.append("\n".join([f"{width} columns", *lines, ""]))
    return "\n".join(texts)


@pytest.fixture(scope="module")
def story() -> Story:
    """A short history."""
    return Story()


@pytest.fixture(scope="module")
def world() -> World:
    """A model that is trained 25 times from itself and the newest of two data sets of thirty files."""
    made = World(memory_store(clock=SteppingClock()))
    for number in range(12):
        made.upload(f"survey-of-region-{number:02}-as-delivered", {"a": str(number)})
    regions = tuple(f"survey-of-region-{number:02}-as-delivered" for number in range(12))
    made.run(Doing("join", regions, {"survey": {"all": "1"}}, params=(Param("least", 10), Param("method", "outer"))))
    made.run(Doing("train", ("survey",), {"model": {"m": "0"}}))
    for number in range(1, 25):
        made.run(Doing("train", ("model",), {"model": {"m": str(number)}}, params=(Param("epoch", number),)))
    made.run(Doing("report", ("model", "survey"), {"report": {"r": "1"}}, "failed"))
    return made


def test_a_short_tree_says_what_is_stale_and_why_where_that_is_asked(story: Story, golden: Golden) -> None:
    golden("lineage_stale", in_widths(story.world, "UPSTREAM OF 'model'", stale=True))
    assert "stale" not in in_widths(story.world, "UPSTREAM OF 'model'")


def test_a_tree_downstream_shows_runs_that_failed(story: Story, golden: Golden) -> None:
    golden("lineage_down", in_widths(story.world, "DOWNSTREAM OF 'features' INCLUDING failed"))


def test_a_deep_and_wide_tree_is_fitted_to_the_terminal(world: World, golden: Golden) -> None:
    golden("lineage_deep", in_widths(world, "UPSTREAM OF 'model'"))


def test_what_was_deleted_is_marked_so() -> None:
    made = World(memory_store(clock=SteppingClock()))
    raw = made.upload("raw", {"a": "1"})
    made.run(Doing("clean", ("raw",), {"clean": {"a": "2"}}))
    made.upload("raw", {"a": "3"})
    delete_bundles(made.store, made.repo("raw"), DeleteRequest((raw.id,), reason="private"))
    lines = seen(made, "UPSTREAM OF 'clean' INCLUDING deleted", Screen())
    assert lines[-1] == "    └── raw  ✗ deleted  …id000003  2 days ago  an upload"


def test_colours_change_nothing_but_colours(story: Story) -> None:
    plain = seen(story.world, "UPSTREAM OF 'model'", Screen(100), stale=True)
    colourful = seen(story.world, "UPSTREAM OF 'model'", Screen(100, colours=True), stale=True)
    assert all("\x1b[" in line for line in colourful)
    assert [ESCAPES.sub("", line) for line in colourful] == plain


PARTS = st.builds(
    Part,
    st.text(max_size=30),
    st.sampled_from(["plain", "red"]),
    st.integers(0, 3),
    st.none() | st.integers(3, 10),
)


@given(st.text("│├└─ ", max_size=12), st.lists(PARTS, max_size=5), st.integers(20, 90))
def test_a_fitted_line_keeps_what_may_not_go_and_is_wider_only_for_that(
    lead: str, parts: list[Part], width: int
) -> None:
    line = fitted(lead, parts, Screen(width))
    whole = fitted(lead, parts, Screen())
    assert "\n" not in line
    assert line == whole or display_width(whole) > width
    kept = [part for part in parts if part.text and not part.rank]
    if not any(part.text for part in parts) or (len(kept) <= 1 and len(lead) + 12 <= width):
        assert display_width(line) <= width


def test_a_reference_may_be_a_repo_a_ref_or_the_end_of_an_id(orders: Shell, inside: Inside) -> None:
    inside(orders, "repo", "create", "--repo", "out").good()
    ran = orders("run", "record", "--input", "orders=in", "--output", "out=out", "--", "cp", "in/a.csv", "out/")
    assert ran.code == 0, ran
    (run,) = map(json.loads, inside(orders, "run", "list", "--format", "jsonl").good())
    (bundle,) = json.loads(inside(orders, "bundle", "log", "--repo", "out", "--format", "json").out)
    of_bundle = inside(orders, "lineage", "out").lines
    assert [re.sub(r"[^\w/@]+", " ", line).split()[0] for line in of_bundle] == [
        "out@main",
        "default/cp",
        "orders@init",
    ]
    for reference in ("out@main", f"out@{bundle['id']}", bundle["id"], bundle["id"][-6:], f"…{bundle['id'][-8:]}"):
        told = inside(orders, "lineage", reference).lines
        assert [line.split("  ")[:2] for line in told] == [line.split("  ")[:2] for line in of_bundle], reference
    for reference in (run["id"], run["id"][-5:], f"…{run['id'][-8:]}"):
        assert [line[:4] for line in inside(orders, "lineage", reference).lines] == ["defa", "└── "], reference
    down = inside(orders, "lineage", "orders@init", "--down").lines
    assert down[0].startswith("orders@")
    assert [line[:4] for line in down] == [down[0][:4], "└── ", "    "]
    assert len(inside(orders, "lineage", "out", "--within", "1").lines) == 3
    wrong = inside(orders, "lineage", "ordres")
    assert (wrong.code, wrong.sentence) == (4, "there is no repo 'ordres'; did you mean 'orders'?")
    assert inside(orders, "lineage", "nothing-of-this-name").code == 4
    assert "no bundle or run has the id" in inside(orders, "lineage", run["id"][::-1]).sentence
    assert inside(orders, "lineage", "o'rders").code != 0


def test_documents_get_drawings_and_programs_get_rows(orders: Shell, inside: Inside) -> None:
    assert inside(orders, "lineage", "orders", "--format", "mermaid").lines[0] == "flowchart LR"
    assert json.loads(inside(orders, "lineage", "orders", "--format", "json").out)["direction"] == "upstream"
    assert inside(orders, "lineage", "orders", "--format", "csv").lines[0].startswith("kind,id,name,")
    assert inside(orders, "lineage", "orders", "--to", "o.svg").code == 0
    assert (orders.cwd / "o.svg").read_text().startswith("<svg")


def test_on_a_terminal_a_tree_is_coloured_and_fitted_and_nowhere_else(orders: Shell) -> None:
    with terminal(orders, "lineage", "orders", columns=60) as screen:
        assert screen.end() == 0
        assert "orders@init" in screen.drawn
        assert screen.coloured
    with terminal(orders, "lineage", "orders", columns=60, NO_COLOR="1") as screen:
        assert screen.end() == 0
        assert not screen.coloured
    assert "\x1b" not in orders("lineage", "orders").out


def test_a_less_that_nobody_has_set_up_is_told_to_show_colours(orders: Shell) -> None:
    pager = "sh -c 'cat; echo less is given $LESS'"
    with terminal(orders, "lineage", "orders", lines=2, PAGER=pager) as screen:
        assert screen.until("less is given SRFX")
        assert screen.coloured
    with terminal(orders, "lineage", "orders", lines=2, PAGER=pager, LESS="-i") as screen:
        assert screen.until("less is given -i")
