"""What completion offers at a place in a statement, and that what it offers can be read there."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.query.language.completing import Candidate, Known, complete
from datamon.query.language.parse import parse
from datamon.query.language.unfinished import ends, reach, readable
from datamon.query.relations import RELATIONS
from datamon.query.source_columns import SOURCES
from datamon.query.testing.phrases import PHRASES

KNOWN = Known(
    {each.name: tuple(column.name for column in each.columns) for each in (*RELATIONS.values(), *SOURCES.values())},
    tuple(SOURCES),
    ("raw", "model"),
    ("raw", "raw@main", "model", "model@prod", "model@it's"),
    ("churn/train",),
    ("lr", "scale"),
    ("numpy",),
)


def offered(text: str) -> list[str]:
    """What is offered where `|` stands."""
    at = text.index("|")
    return [each.text for each in complete(text.replace("|", ""), at, KNOWN)]


@pytest.mark.parametrize(
    ("text", "some"),
    [
        ("|", ["WHAT PRODUCED", "SELECT", "UPSTREAM OF"]),
        ("wh|", ["what produced", "what is stale", "why is"]),
        ("WHAT |", ["PRODUCED", "USED", "IS"]),
        ("WHAT IS |", ["STALE", "AFFECTED BY"]),
        ("WHAT IS STALE |", ["BECAUSE", "IN", "OF", "WHERE"]),
        ("WHAT IS STALE BECAUSE |", ["code", "superseded"]),
        ("WHAT IS STALE IN '|", ["'raw'", "'model'"]),
        ("UPSTREAM OF |", ["'model@prod'", "run", "column"]),
        ("UPSTREAM OF 'mo|", ["'model'", "'model@prod'"]),
        ("UPSTREAM OF 'mo|'", ["'model'", "'model@prod'"]),
        ("DOWNSTREAM OF param '|", ["'lr'", "'scale'"]),
        ("DOWNSTREAM OF env '|", ["'numpy'"]),
        ("UPSTREAM OF step '|", ["'churn/train'"]),
        ("UPSTREAM OF 'model' |", ["AT", "WITHIN", "STOP AT (", "INCLUDING", "AS OF", "USING"]),
        ("UPSTREAM OF 'model' AT |", ["run", "bundle", "file"]),
        ("UPSTREAM OF 'model' INCLUDING |", ["failed", "deleted"]),
        ("UPSTREAM OF 'model' INCLUDING failed, |", ["deleted", "system"]),
        ("UPSTREAM OF 'model' STOP AT (|", ["repo", "kind", "name"]),
        ("PATHS FROM 'raw' |", ["TO"]),
        ("PATHS FROM 'raw' TO '|", ["'model'"]),
        ("WHY IS 'model' |", ["STALE"]),
        ("HOW |", ["TO REBUILD"]),
        ("DIFF 'raw', 'model' ON |", ["files", "params", "all"]),
        ("SELECT | FROM runs", ["step", "status", "started"]),
        ("SELECT r.| FROM runs r", ["step", "status"]),
        ("SELECT * FROM |", ["runs", "bundles", "UPSTREAM OF", "STALE"]),
        ("FROM runs WHERE st|", ["status", "step", "started"]),
        ("FROM runs |", ["WHERE", "JOIN", "ORDER BY"]),
        ("FROM bundles WHERE repo = '|", ["'raw'", "'model'"]),
        ("DESCRIBE |", ["runs", "upstream"]),
        ("SHOW |", ["RELATIONS"]),
        ("GRAPH |", ["UPSTREAM OF", "PATHS FROM"]),
        ("FROM upstream('model', |", ["at :=", "within :="]),
    ],
)
def test_what_can_come_next_is_offered(text: str, some: list[str]) -> None:
    found = offered(text)
    assert set(some) <= set(found), found


@pytest.mark.parametrize(
    ("text", "none"),
    [
        ("UPSTREAM OF '|", ["'numpy'"]),
        ("GRAPH |", ["STALE", "SELECT"]),
        ("WHAT IS STALE |", ["AT", "STOP AT ("]),
        ("UPSTREAM OF 'model' AT run |", ["AT"]),
        ("SELECT * FROM runs WHERE |", ["WHERE"]),
    ],
)
def test_what_cannot_come_next_is_not(text: str, none: list[str]) -> None:
    assert not set(none) & set(offered(text))


@pytest.mark.parametrize(
    "text", ["SELECT 1 -- |", "SELECT /* |", 'SELECT "|', "WHAT HAS |", "SELECT $|", "SELECT 1) |"]
)
def test_in_comments_names_and_behind_a_fault_nothing_is_offered(text: str) -> None:
    assert offered(text) == []


@given(st.lists(st.sampled_from(PHRASES), max_size=7).map(" ".join), st.integers(0, 80))
@settings(max_examples=150, deadline=None)
def test_a_candidate_that_is_taken_can_be_read_to_its_end(text: str, at: int) -> None:
    at = min(at, len(text))
    for candidate in complete(text, at, KNOWN)[:12]:
        taken = text[: candidate.start] + candidate.text
        assert candidate.start <= at <= candidate.end <= len(text)
        assert reach(taken) >= len(taken) or reach(f"{taken} 'x'") >= len(taken), (taken, candidate)
        assert candidate.accepted(text).startswith(taken)


def test_a_candidate_replaces_the_word_around_the_place() -> None:
    [found] = [each for each in complete("SELECT * FROM bun x", 17, KNOWN) if each.text == "bundles"]
    assert found == Candidate("bundles", 14, 17, "relation")
    assert found.accepted("SELECT * FROM bun x") == "SELECT * FROM bundles x"


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("", "empty"),
        ("-- nothing", "empty"),
        ("WHAT IS", "unfinished"),
        ("SELECT 1", "whole"),
        ("SELECT (1", "unfinished"),
        ("SELECT 'a", "unfinished"),
        ("UPSTREAM OF 'a' WITHIN", "unfinished"),
        ("UPSTREAM OF 'a' WITHIN x", "wrong"),
        ("SELECT 1)", "wrong"),
    ],
)
def test_a_text_is_empty_unfinished_whole_or_wrong(text: str, how: str) -> None:
    assert readable(text) == how


@given(st.lists(st.sampled_from(PHRASES), max_size=7).map(" ".join))
@settings(max_examples=150, deadline=None)
def test_every_text_can_be_judged_and_a_whole_one_is_read(text: str) -> None:
    judged = readable(text)
    assert 0 <= reach(text) <= len(text)
    if judged == "whole":
        parse(text)
    if ends(text):
        assert text.rstrip().endswith(";") or "--" in text or "/*" in text
