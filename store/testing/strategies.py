"""Hypothesis strategies for what a store is given."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from datamon.store.testing.contents import random_bytes

_EDGES = (0, 1, 2, 4_096, 16_384, 65_535, 65_536, 65_537, 131_072, 131_073, 262_143, 262_144, 262_145, 600_000)
_PART = st.text("abcXYZ019._-", min_size=1, max_size=12).filter(lambda part: part not in (".", ".."))


def sizes(most: int = 700_000) -> SearchStrategy[int]:
    """Sizes in bytes, often at and around those where something changes."""
    edges = st.builds(lambda edge, step: max(0, edge + step), st.sampled_from(_EDGES), st.integers(-2, 2))
    return st.one_of(edges, st.integers(0, most)).map(lambda size: min(size, most))


def contents(most: int = 700_000) -> SearchStrategy[bytes]:
    """Files' bytes: random, repeated, or mixed, so that some compress, some share chunks, and some do neither."""
    return st.builds(_content, sizes(most), st.integers(0, 5), st.sampled_from(("random", "text", "zeros", "mixed")))


def keys() -> SearchStrategy[str]:
    """Keys of one to four parts."""
    return st.lists(_PART, min_size=1, max_size=4).map("/".join)


def extensions() -> SearchStrategy[str]:
    """File extensions, the empty one among them."""
    return st.sampled_from(("", ".csv", ".py", ".json", ".parquet"))


def _content(size: int, seed: int, kind: str) -> bytes:
    if kind == "zeros":
        return bytes(size)
    if kind == "random":
        return random_bytes(str(seed), size)
    line = random_bytes(str(seed), 40).hex().encode() + b"\n"
    text = (line * (size // len(line) + 1))[:size]
    half = size // 2
    return text if kind == "text" else random_bytes(str(seed), half) + text[half:]
