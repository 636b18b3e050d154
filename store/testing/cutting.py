"""Small segments, so that a tree of a few entries has many."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from datamon.store import segments


@dataclass(frozen=True, slots=True)
class Cutting:
    """Where segments end: not before `fewest` rows, at latest after `most`, and else at one path in 2 to the power `bits`.
    `window` rows at least are turned into bytes at a time."""

    fewest: int
    most: int
    bits: int
    window: int = 1


def cuttings() -> SearchStrategy[Cutting]:
    """Cuts that give segments of one to a few rows."""
    return st.builds(
        lambda fewest, more, bits, window: Cutting(fewest, fewest + more, bits, window),
        st.integers(1, 4),
        st.integers(0, 6),
        st.integers(0, 3),
        st.integers(1, 12),
    )


@contextmanager
def cut_small(cutting: Cutting) -> Iterator[None]:
    """Inside, manifests are cut so, against the format: what is written there is never read by a user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "FEWEST_ROWS", cutting.fewest)
        patch.setattr(segments, "MOST_ROWS", cutting.most)
        patch.setattr(segments, "CUT_BITS", cutting.bits)
        patch.setattr(segments, "_WINDOW_ROWS", cutting.window)
        yield
