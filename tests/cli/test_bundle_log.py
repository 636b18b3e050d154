"""`datamon bundle log`: what follows what, drawn so that every line leads from a bundle to what it follows."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.cli.bundle_log import log_lines
from datamon.cli.fitting import Screen
from datamon.cli.history_lanes import FIRST, LATER, Step, lanes
from datamon.cli.rows import moment
from datamon.cli.tables import display_width
from datamon.cli.testing import Ran, Shell
from datamon.store.bundle import Bundle, Ref, Repo
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.history import history
from datamon.store.ids import BundleId
from datamon.store.manifest import write_manifest
from datamon.store.opening import Store, memory_store
from datamon.store.repos import create_repo
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.testing.clocks import START_NS, SteppingClock

Inside = Callable[..., Ran]
Golden = Callable[[str, str], None]
NOW = moment(START_NS) + timedelta(days=3)


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Up to twelve steps, each before its parents, of which it has up to three."""
    count = draw(st.integers(1, 12))
    steps = []
    for number in range(count):
        later = [str(n) for n in range(number + 1, count)]
        parents = draw(st.lists(st.sampled_from(later), max_size=3, unique=True)) if later else []
        steps.append(Step(str(number), tuple(parents)))
    return steps


def led_to(rows: list[tuple[str | None, str]], row: int) -> set[str]:
    """The steps to which the lines lead that begin at the step of a row, as an eye follows them."""
    found: set[str] = set()
    column = next(n for n, mark in enumerate(rows[row][1]) if mark in (FIRST, LATER))
    waiting = [(row + 1, column)]
    while waiting:
        at, column = waiting.pop()
        identity, drawn = rows[at]
        mark = drawn[column]
        if mark in (FIRST, LATER):
            assert identity is not None
            found.add(identity)
        elif mark in "│┼":
            waiting.append((at + 1, column))
        elif mark == "├":
            waiting.append((at + 1, column))
            waiting.extend((at + 1, corner) for corner in _ends(drawn, column, "┬╮"))
        else:
            assert mark in "┴╯", drawn
            waiting.append((at + 1, drawn.rindex("├", 0, column)))
    return found


def _ends(drawn: str, column: int, marks: str) -> Iterator[int]:
    for number in range(column + 1, len(drawn)):
        if drawn[number] in marks:
            yield number
        elif drawn[number] not in "─┼┬":
            return


@given(histories())
def test_lines_lead_from_each_step_to_what_it_follows_and_nowhere_else(steps: list[Step]) -> None:
    rows = list(lanes(steps))
    drawn = [identity for identity, _ in rows if identity is not None]
    assert drawn == [step.id for step in steps]
    parents = {step.id: set(step.parents) for step in steps}
    for number, (identity, text) in enumerate(rows):
        if identity is not None:
            assert (FIRST in text) is not bool(parents[identity])
            assert (led_to(rows, number) if parents[identity] else set()) == parents[identity]


@pytest.fixture
def repo() -> tuple[Store, Repo]:
    """A store with an empty repo."""
    store = memory_store(clock=SteppingClock())
    return store, create_repo(store, "orders", "d")


def committed(made: tuple[Store, Repo], message: str, *parents: Bundle, branch: str | None = None) -> Bundle:
    store, repo = made
    follows = tuple(parent.id for parent in parents)
    manifest = write_manifest(store.metadata, [])
    return commit_bundle(store, repo, CommitRequest(manifest, message, None, branch, parents=follows))


def drawn(made: tuple[Store, Repo], width: int | None = None) -> list[str]:
    store, repo = made
    state = store.logs.repo(repo.id)
    past = history(state)
    refs: dict[BundleId, list[Ref]] = {}
    for ref in state.refs.values():
        refs.setdefault(ref.bundle, []).append(ref)
    lines = list(log_lines(past, refs, NOW, Screen(width)))
    for number, each in enumerate(reversed(past), 1):
        lines = [line.replace(f"…{each.bundle.id[-8:]}", f"…id{number:06}") for line in lines]
    return lines


def test_branches_part_and_meet_and_are_fitted_to_the_terminal(repo: tuple[Store, Repo], golden: Golden) -> None:
    first = committed(repo, "as delivered")
    second = committed(repo, "without the rows that nobody could explain, see the minutes of June", first)
    other = committed(repo, "with prices in cents", first, branch="cents")
    third = committed(repo, "one more month", second)
    committed(repo, "both", third, other, branch="main")
    committed(repo, "something else", branch="else")
    texts = []
    for width in (60, 100, 200):
        lines = drawn(repo, width)
        assert max(map(display_width, lines)) <= width
        texts.append("\n".join([f"{width} columns", *lines, ""]))
    golden("bundle_log", "\n".join(texts))


def test_what_was_deleted_is_left_out_and_counted(repo: tuple[Store, Repo]) -> None:
    store, orders = repo
    first = committed(repo, "first")
    second = committed(repo, "second", first)
    third = committed(repo, "third", second)
    committed(repo, "fourth", third, branch="main")
    delete_bundles(store, orders, DeleteRequest((second.id, third.id)))
    assert drawn(repo) == [
        "● …id000002  (main)  fourth  after 2 deleted  2 days ago  " + store.author.name,
        "○ …id000001  first  2 days ago  " + store.author.name,
    ]
    delete_bundles(store, orders, DeleteRequest((first.id,)))
    assert drawn(repo)[0].startswith("○ …id000001  (main)  fourth  after 3 deleted")


def test_the_log_of_a_branch_is_what_that_follows(orders: Shell, inside: Inside) -> None:
    upload = ("bundle", "upload", "--repo", "orders", "--path", "tree")
    assert inside(orders, *upload, "--branch", "try", "--message", "tried").code == 0
    (orders.cwd / "tree" / "c.csv").write_text("1\n")
    assert inside(orders, *upload, "--message", "more").code == 0

    def messages(*words: str) -> list[str]:
        rows = json.loads(inside(orders, "bundle", "log", "--repo", "orders", *words, "--format", "json").out)
        return [row["message"] for row in rows]

    assert messages() == ["more", "tried", "first"]
    assert messages("--limit", "2") == ["more", "tried"]
    assert "tried" not in messages("--branch", "main")
    assert messages("--label", "init") == ["first"]
    assert len(inside(orders, "bundle", "log", "--repo", "orders", "--limit", "1").lines) == 1
    (row,) = json.loads(inside(orders, "bundle", "log", "--repo", "orders", "--label", "init", "--format", "json").out)
    assert "init" in row["refs"]
    assert inside(orders, "bundle", "log", "--repo", "no").code == 4
