"""Which entries can form a tree: the quick checks say what their definitions say."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.errors import Invalid
from datamon.store.columns import TreeColumns
from datamon.store.entries import TreeEntry, check_directories, check_paths
from datamon.store.rows import check_row_paths, entry_batch
from datamon.store.testing.trees import entries_of, entry, trees

NASTY = st.text("a./\0-", max_size=6)


def is_safe(path: str) -> bool:
    """Whether a path stays in its tree, by definition."""
    return "\0" not in path and not {"", ".", ".."} & set(path.split("/"))


def is_refused(paths: list[str]) -> bool:
    """Whether `check_paths` refuses them, naming one of them."""
    try:
        check_paths(paths)
    except Invalid as error:
        assert error.code == "unsafe-path"
        assert error.facts["path"] in paths
        return True
    return False


@given(st.lists(NASTY, max_size=6).map(sorted) | st.lists(NASTY, max_size=6))
def test_paths_are_refused_when_one_leaves_the_tree_or_does_not_come_after_the_one_before(paths: list[str]) -> None:
    fine = all(map(is_safe, paths)) and all(before < path for before, path in pairwise(paths))
    assert is_refused(paths) == (not fine)


@given(st.lists(NASTY, min_size=1, max_size=6).map(sorted) | st.lists(NASTY, min_size=1, max_size=6))
def test_paths_in_a_column_are_refused_as_those_in_a_list(paths: list[str]) -> None:
    batch = entry_batch(TreeColumns.of([entry(path) for path in paths]), 0, len(paths))
    if is_refused(paths):
        with pytest.raises(Invalid):
            check_row_paths(batch)
    else:
        check_row_paths(batch)


@given(trees(), st.data())
def test_a_tree_without_one_of_its_directories_is_no_tree(tree: list[TreeEntry], choice: st.DataObject) -> None:
    paths, kinds = [each.path for each in tree], [each.kind for each in tree]
    check_directories(paths, kinds)
    above = sorted({path.rpartition("/")[0] for path in paths} - {""})
    if above:
        lost = choice.draw(st.sampled_from(above))
        kept = [each for each in tree if each.path != lost]
        with pytest.raises(Invalid, match="no directory of this tree"):
            check_directories([each.path for each in kept], [each.kind for each in kept])


@given(trees())
def test_columns_come_into_the_order_of_their_paths_row_by_row(tree: list[TreeEntry]) -> None:
    ordered = sorted(tree, key=lambda each: each.path)
    assert TreeColumns.of(tree).as_tree() == TreeColumns.of(ordered)
    columns = TreeColumns.of(ordered)
    assert columns.as_tree() is columns


def test_columns_with_a_path_twice_are_no_tree() -> None:
    twice = [*entries_of(["a/b"]), replace(entry("a/b"), size_bytes=7)]
    with pytest.raises(Invalid, match="there twice"):
        TreeColumns.of(twice).as_tree()
