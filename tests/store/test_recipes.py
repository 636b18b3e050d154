"""Recipes: lists of chunks in levels."""

import io

from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.store.chunks import cut
from datamon.store.hashing import PLAIN
from datamon.store.recipes import RecipeRow, RecipeWriter, recipe_rows
from datamon.store.testing.contents import random_bytes


def made_rows(count: int) -> list[RecipeRow]:
    """Rows that look like those of a file of so many chunks."""
    return [RecipeRow(PLAIN.chunk(number.to_bytes(4, "big")), 16_384 + number) for number in range(count)]


def there_and_back(rows: list[RecipeRow], most_rows: int) -> tuple[bytes, list[RecipeRow], list[int]]:
    """The recipe of `rows`, the rows that are read from it, and the sizes of the lists' chunks."""
    kept: dict[RecipeRow, bytes] = {}

    def keep(content: bytes) -> RecipeRow:
        row = RecipeRow(PLAIN.chunk(content), len(content))
        kept[row] = content
        return row

    writer = RecipeWriter(keep, most_rows)
    for row in rows:
        writer.add(row.chunk, row.length)
    recipe = writer.finish()
    return recipe, list(recipe_rows(recipe, kept.__getitem__)), [len(content) for content in kept.values()]


def test_a_recipe_is_written_as_the_format_says() -> None:
    row = RecipeRow(PLAIN.chunk(b"x"), 0x01020304)
    recipe, _, _ = there_and_back([row, row], 32)
    assert recipe == b"\0" + (PLAIN.chunk(b"x") + b"\4\3\2\1") * 2


def test_thirty_two_rows_are_inline_and_thirty_three_are_a_level() -> None:
    assert there_and_back(made_rows(32), 32)[0][0] == 0
    recipe, rows, sizes = there_and_back(made_rows(33), 32)
    assert recipe[0] == 1
    assert sizes == [33 * 36]
    assert rows == made_rows(33)


def test_a_list_that_is_itself_cut_comes_back_though_its_pieces_end_inside_rows() -> None:
    """A file of 7 GB: its list is 3.6 MB."""
    recipe, rows, sizes = there_and_back(made_rows(100_000), 32)
    assert rows == made_rows(100_000)
    assert recipe[0] == 2
    assert any(size % 36 for size in sizes)


def test_lists_are_kept_while_rows_still_come_and_are_cut_as_one_piece_would_be() -> None:
    rows = made_rows(60_000)
    kept: list[bytes] = []

    def keep(content: bytes) -> RecipeRow:
        kept.append(content)
        return RecipeRow(PLAIN.chunk(content), len(content))

    writer = RecipeWriter(keep)
    for row in rows:
        writer.add(row.chunk, row.length)
    assert sum(map(len, kept)) > 1_000_000
    writer.finish()
    level_0 = b"".join(row.encode() for row in rows)
    expected = list(cut(io.BytesIO(level_0)))
    assert kept[: len(expected)] == expected


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 4_000), most_rows=st.integers(1, 40))
def test_any_list_comes_back(count: int, most_rows: int) -> None:
    recipe, rows, _ = there_and_back(made_rows(count), most_rows)
    assert rows == made_rows(count)
    assert len(recipe) <= 1 + 36 * most_rows


def test_lists_are_read_as_they_are_needed() -> None:
    recipe, _, _ = there_and_back(made_rows(100), 32)
    asked: list[RecipeRow] = []

    def get(row: RecipeRow) -> bytes:
        asked.append(row)
        return random_bytes("row", 36)

    rows = recipe_rows(recipe, get)
    assert asked == []
    next(rows)
    assert len(asked) == 1
