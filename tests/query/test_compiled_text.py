"""The SQL that statements become, word for word: for PostgreSQL, and the parts of a source's recursive SELECT."""

from pathlib import Path

import pytest
import sqlglot

from datamon.query.elsewhere.dialects import DIALECTS, translated
from datamon.query.elsewhere.explaining import explain
from datamon.query.elsewhere.whole import plain_sql, tables_of, with_sources
from datamon.query.language.parse import parse
from datamon.query.language.statement import Select
from datamon.query.testing.golden import golden_pairs
from datamon.query.testing.parts import parts_of
from datamon.query.testing.stories import Story

CASES = Path(__file__).parent / "cases"


@pytest.mark.parametrize(("typed", "expected"), golden_pairs(CASES / "postgres.sql"))
def test_a_select_becomes_the_text_for_postgresql_beside_it(typed: str, expected: str) -> None:
    statement = parse(typed)
    assert isinstance(statement, Select)
    sql = with_sources(plain_sql(statement, {}), {}, tables_of(statement))
    assert translated(sql, "postgres") == expected


@pytest.mark.parametrize(("typed", "expected"), golden_pairs(CASES / "recursive.sql"))
def test_an_option_of_a_source_changes_the_parts_beside_it(story: Story, typed: str, expected: str) -> None:
    assert parts_of(story, typed) == expected


def test_the_golden_files_hold_pairs() -> None:
    assert len(golden_pairs(CASES / "postgres.sql")) + len(golden_pairs(CASES / "recursive.sql")) >= 120


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


EXPLAINED = (
    "EXPLAIN UPSTREAM OF 'model' WITHIN 3 STOP AT (repo LIKE 'raw%') VIA (kind = 'run')",
    "EXPLAIN DOWNSTREAM OF 'raw:dir' USING observed INCLUDING failed",
    "EXPLAIN WHAT IS STALE",
    "EXPLAIN WHAT PRODUCED 'model'",
    "EXPLAIN AFFECTED BY param 'scale'",
    "EXPLAIN SELECT step, count(*) FROM UPSTREAM OF 'model' u JOIN runs r ON r.id = u.id GROUP BY ALL",
    "EXPLAIN WITH s AS (STALE) SELECT cause, count(*) FROM s GROUP BY cause ORDER BY 2 DESC",
    "EXPLAIN PATHS FROM 'raw' TO 'model'",
)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("text", EXPLAINED)
def test_what_explain_prints_for_a_dialect_parses_there(story: Story, text: str, dialect: str) -> None:
    lines = [str(row[0]) for row in explain(story.world.store, text, dialect, index=story.index).rows]
    told = [line for line in lines if line.startswith("-- not run")]
    assert bool(told) == (dialect not in ("duckdb", "postgres"))
    [tree] = sqlglot.parse("\n".join(lines), read=dialect)
    assert isinstance(tree, sqlglot.exp.Query)
