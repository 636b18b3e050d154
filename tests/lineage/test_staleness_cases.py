"""The worked examples: each shows one sentence of the definition of staleness."""

from pathlib import Path

import pytest

from datamon.lineage.staleness import stale
from datamon.lineage.testing.histories import Case, facts_of, read_cases, subjects_in

CASES = read_cases(Path(__file__).parents[1] / "query" / "cases" / "stale")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_example_has_exactly_the_rows_that_were_written_down(case: Case) -> None:
    facts = facts_of(case)
    rows = stale(facts, subjects_in(case, facts), frozen=case.frozen)
    assert frozenset(rows) == case.expected
    assert len(rows) == len(case.expected)
