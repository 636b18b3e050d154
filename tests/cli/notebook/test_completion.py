"""What Tab gives in a cell, asked of a real kernel."""

from collections.abc import Iterator

import pytest

from datamon.cli.testing import Shell
from datamon.cli.testing_notebook import Completing, completing


@pytest.fixture
def kernel(desk: Shell) -> Iterator[Completing]:
    """A kernel of the person, with datamon loaded."""
    with completing(desk.cwd, "%load_ext datamon", "datamon_is_here = 1") as asked:
        yield asked


@pytest.mark.parametrize(
    ("typed", "offered", "rest"),
    [
        ("%datamon que", "query", "que"),
        ("%datamon query WHAT IS ST", "STALE", "ST"),
        ("%datamon query SELECT sta| FROM runs", "status", "sta"),
        ("%datamon query UPSTREAM OF 'ord", "'orders@init'", "'ord"),
        ("found = %datamon query FROM bun", "bundles", "bun"),
        ("%%datamon query\nSELECT step\nFROM ru", "runs", "ru"),
        ("%%datamon_run --in", "--input", "--in"),
        ("%%datamon_run --step s --input orders@i", "orders@init=", "orders@i"),
        ("%%datamon_run --output fe", "features=", "fe"),
    ],
)
def test_tab_in_a_cell_offers_what_can_come_next(kernel: Completing, typed: str, offered: str, rest: str) -> None:
    at = typed.find("|") if "|" in typed else len(typed)
    code = typed.replace("|", "")

    found = kernel(code, at)

    assert offered in found["matches"], found
    assert code[found["cursor_start"] : at] == rest


def test_other_cells_are_completed_as_ever(kernel: Completing) -> None:
    assert "datamon_is_here" in kernel("datamon_is_h", 12)["matches"]
