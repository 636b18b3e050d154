"""`datamon bundle list files --prefix`: a part of a bundle, by its path."""

from collections.abc import Callable

import pytest

from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]
LIST = ("bundle", "list", "files", "--repo", "orders", "--prefix")


@pytest.fixture
def parts(orders: Shell, inside: Inside) -> Shell:
    """A person whose newest bundle of `orders` has files in several directories."""
    for path in ("raw/2024/jan.csv", "raw/2024/feb.csv", "raw/2024-old.csv", "raw/2025/jan.csv"):
        (orders.cwd / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
        (orders.cwd / "tree" / path).write_text(path)
    ran = inside(orders, "bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "parts")
    assert ran.code == 0, ran
    return orders


def listed(ran: Ran) -> list[str]:
    """The paths of a listing."""
    assert (ran.code, ran.err) == (0, ""), ran
    return [line.split(", ")[0].removeprefix("name:") for line in ran.lines]


def test_a_prefix_lists_what_is_at_that_path_and_below_it(parts: Shell, inside: Inside) -> None:
    assert listed(inside(parts, *LIST, "raw/2024")) == ["raw/2024/feb.csv", "raw/2024/jan.csv"]
    assert listed(inside(parts, *LIST, "./raw/2024/")) == ["raw/2024/feb.csv", "raw/2024/jan.csv"]
    assert listed(inside(parts, *LIST, "raw/2024", "--directories"))[0] == "raw/2024"
    assert listed(inside(parts, *LIST, "a.csv")) == ["a.csv"]


def test_an_empty_prefix_lists_everything(parts: Shell, inside: Inside) -> None:
    assert len(listed(inside(parts, *LIST, ""))) == 6


def test_a_prefix_where_nothing_is_names_the_nearest_path(parts: Shell, inside: Inside) -> None:
    ran = inside(parts, *LIST, "raw/2023")
    assert (ran.code, ran.out) == (4, "")
    assert "did you mean 'raw/202" in ran.err


def test_a_prefix_that_leaves_the_bundle_is_refused(parts: Shell, inside: Inside) -> None:
    ran = inside(parts, *LIST, "../raw")
    assert (ran.code, ran.out) == (2, "")
    assert "../raw" in ran.err
