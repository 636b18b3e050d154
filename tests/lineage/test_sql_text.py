"""What of a SQL text counts."""

import pytest

from datamon.lineage.sql_text import normal_sql


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a,b FROM t", "-- first\nSELECT a, b\n  FROM t --last"),
        ("SELECT 1", "/* one\n two */ SELECT /**/ 1"),
        ("SELECT 'a''b'", "SELECT  'a''b'  -- it's"),
    ],
)
def test_comments_and_layout_do_not_count(one: str, other: str) -> None:
    assert normal_sql(one) == normal_sql(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT '-- a'", "SELECT '-- b'"),
        ("SELECT 'a  b'", "SELECT 'a b'"),
        ('SELECT "/* a */"', 'SELECT "/* b */"'),
        ("SELECT $$ -- a $$", "SELECT $$ -- b $$"),
        ("SELECT a -b", "SELECT a_b"),
        ("SELECT 1.5", "SELECT 1 .5"),
        ("SELECT x'ab'", "SELECT x 'ab'"),
    ],
)
def test_what_stands_in_texts_and_between_words_counts(one: str, other: str) -> None:
    assert normal_sql(one) != normal_sql(other)


@pytest.mark.parametrize(
    "text", [r"SELECT '\' -- '", "SELECT 1 # a", "SELECT /*+ hint */ 1", "SELECT 5--3", "/* /* */ 1", "SELECT 'a"]
)
def test_where_dialects_differ_every_byte_counts(text: str) -> None:
    assert normal_sql(text) is None
