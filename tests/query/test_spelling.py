"""Every source has one spelling, which says all that was meant by whatever was typed."""

from pathlib import Path

import pytest

from datamon.query.language.parse import parse
from datamon.query.language.statement import Select, Source
from datamon.query.testing.golden import golden_pairs
from datamon.query.testing.spelling import spelled

CASES = Path(__file__).parent / "cases"


def source(text: str) -> Source:
    statement = parse(text)
    assert isinstance(statement, Select)
    [placed] = statement.sources
    return placed.source


@pytest.mark.parametrize(("typed", "expected"), golden_pairs(CASES / "sources.sql"))
def test_what_is_typed_means_the_source_beside_it(typed: str, expected: str) -> None:
    assert spelled(source(typed)) == expected
    assert spelled(source(expected)) == expected


def test_there_are_two_hundred_golden_pairs() -> None:
    assert sum(len(golden_pairs(path)) for path in CASES.glob("*.sql")) >= 200
