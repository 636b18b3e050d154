"""The hashes of the first datamon, against vectors that its own program made."""

import pytest

from datamon.store.legacy.keys import LeafRule, leaf_key, root_key

LEAF = 2 * 2**20
RULE = LeafRule.of(LEAF, 2)


def tree_key(content: bytes) -> str:
    leaves = [content[at : at + LEAF] for at in range(0, len(content), LEAF)]
    return root_key(b"".join(leaf_key(leaf, number, RULE) for number, leaf in enumerate(leaves)), RULE).hex()


@pytest.mark.parametrize(
    ("size_bytes", "begin", "end"),
    [
        (0, "a0c4be8a8f5e", "a5b5"),
        (5, "260dde46d259", "8d88"),
        (LEAF, "4eb669f85d22", "caf4"),
        (LEAF + 1, "419720501124", "15f6"),
    ],
)
def test_keys_are_those_of_the_first_datamon(size_bytes: int, begin: str, end: str) -> None:
    key = tree_key((bytes((i * 7) & 255 for i in range(256)) * (size_bytes // 256 + 1))[:size_bytes])

    assert (key[:12], key[-4:]) == (begin, end)


def test_one_leaf_at_two_places_has_two_keys() -> None:
    assert leaf_key(b"x" * LEAF, 0, RULE) != leaf_key(b"x" * LEAF, 1, RULE)


def test_a_bundle_of_version_0_has_leaves_that_end_32_kib_early() -> None:
    rule = LeafRule.of(LEAF, 0)

    assert (rule.count(LEAF), rule.length(LEAF, 0), rule.length(LEAF, 1)) == (2, LEAF - 32_768, 32_768)
