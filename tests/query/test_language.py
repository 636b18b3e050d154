"""The language as text: what compiles to what, and how errors point at their place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.errors import DatamonError, Denied, Invalid
from datamon.query.compile import compile_select, shown
from datamon.query.language.faults import Span, fault, nearest
from datamon.query.language.parse import parse
from datamon.query.language.statement import Closure, Describe, Produced, Relations, Select, Stale
from datamon.query.language.tokens import DEEPEST, LONGEST, tokenize
from datamon.query.testing.golden import golden_pairs

CASES = Path(__file__).parent / "cases" / "compiles.sql"


def select(text: str) -> Select:
    statement = parse(text)
    assert isinstance(statement, Select)
    return statement


def refusal(text: str) -> DatamonError:
    with pytest.raises(DatamonError) as raised:
        parse(text)
    return raised.value


@pytest.mark.parametrize(("typed", "expected"), golden_pairs(CASES))
def test_a_statement_compiles_to_the_select_beside_it(typed: str, expected: str) -> None:
    assert shown(select(typed)) == expected


def test_the_golden_file_holds_pairs() -> None:
    assert len(golden_pairs(CASES)) >= 29
    assert all(expected for _, expected in golden_pairs(CASES))


def test_keywords_are_blind_to_case_and_a_semicolon_may_end_the_statement() -> None:
    for text in ("what produced 'a'", "WHAT PRODUCED 'a';", "What\n Produced -- x\n 'a' ; "):
        (placed,) = select(text).sources
        assert isinstance(placed.source, Produced)
        assert placed.source.ref.value.literal == "a"


def test_what_used_is_downstream_within_one_run_at_run_level() -> None:
    (used,), (downstream,) = select("WHAT USED 'a'").sources, select("DOWNSTREAM OF 'a' WITHIN 1 AT run").sources
    assert isinstance(used.source, Closure)
    assert isinstance(downstream.source, Closure)
    one, other = used.source.options, downstream.source.options
    assert (used.source.direction, one.at) == (downstream.source.direction, other.at)
    assert one.within is not None
    assert other.within is not None
    assert one.within.literal == other.within.literal == "1"


def test_the_function_form_says_the_same_as_the_words() -> None:
    words = "UPSTREAM OF run 'abcd' AT bundle WITHIN 3 INCLUDING failed INCLUDING deleted"
    function = "upstream(run 'abcd', at := 'bundle', within := 3, including := ['failed', 'deleted'])"
    one, other = (select(text).sources[0].source for text in (words, function))
    assert isinstance(one, Closure)
    assert isinstance(other, Closure)
    assert (one.options.at, one.options.including, one.ref.form, one.direction) == (
        other.options.at,
        other.options.including,
        other.ref.form,
        other.direction,
    )


def test_the_parts_of_what_is_stale_stand_in_any_order() -> None:
    for text in ("WHAT IS STALE IN 'a' OF 'b' BECAUSE code", "WHAT IS STALE BECAUSE 'code' OF 'b' IN 'a'"):
        source = select(text).sources[0].source
        assert isinstance(source, Stale)
        assert source.repo is not None
        assert source.of is not None
        assert source.because is not None
        assert (source.repo.literal, source.of.value.literal, source.because.literal) == ("a", "b", "code")


def test_describe_and_show_relations_are_statements() -> None:
    described = parse("DESCRIBE Runs;")
    assert isinstance(described, Describe)
    assert described.name == "runs"
    assert isinstance(parse("show relations"), Relations)


def test_an_engine_that_names_a_line_has_named_a_token() -> None:
    text = "SELECT 'a\nb' AS x,\n  foo FROM runs"
    compiled = compile_select(select(text))
    line = compiled.sql.splitlines().index("foo") + 1
    span = compiled.at_line(line)
    assert text[span.start : span.end] == "foo"
    span = compiled.at_byte(compiled.sql.encode().index(b"foo"))
    assert text[span.start : span.end] == "foo"


def test_no_comment_reaches_the_engine() -> None:
    compiled = compile_select(select("SELECT 1 /* one */ -- two\n, E'a\\'b', $$c'd$$"))
    assert compiled.sql.split("\n") == ["SELECT", "1", ",", "'a''b'", ",", "'c''d'"]


MALFORMED = {
    "": "the statement is empty",
    "   -- nothing\n": "the statement is empty",
    "FORM runs": "did you mean FROM?",
    "SELCT 1": "did you mean SELECT?",
    "UPSTREAM 'a'": "expected OF",
    "UPSTREAM OF": "but the statement ends here",
    "UPSTREAM OF model@prod": "did you mean 'model@prod'?",
    'UPSTREAM OF "model"': "in single quotes",
    "UPSTREAM OF 'a' WITHIN": "expected a whole number",
    "UPSTREAM OF 'a' WITHIN -1": "expected a whole number",
    "UPSTREAM OF 'a' WITHIN 1.5": "expected a whole number",
    "UPSTREAM OF 'a' WITHIN 1 WITHIN 2": "WITHIN stands twice",
    "UPSTREAM OF 'a' AT step": "expected run, bundle, file or column",
    "UPSTREAM OF 'a' AT bundel": "did you mean bundle?",
    "UPSTREAM OF 'a' AS OF 2026": "expected a time such as '2026-03-31'",
    "UPSTREAM OF 'a' AS OF '2026-03-31' BY ended": "expected STARTED after BY",
    "UPSTREAM OF 'a' VIA repo = 'x'": "expected a predicate in parentheses after VIA",
    "UPSTREAM OF 'a' USING seen": "expected any, declared or observed after USING",
    "UPSTREAM OF 'a' STOP AT repo = 'x'": "expected a predicate in parentheses",
    "UPSTREAM OF 'a' STOP AT ()": "expected a predicate between",
    "UPSTREAM OF 'a' INCLUDING frozen": "expected failed, deleted, system or inferred",
    "UPSTREAM OF 'a' u WITHIN 1": "expected WITHIN before the alias",
    "STALE INCLUDING failed": "expected frozen",
    "STALE AT run": "AT is no option here",
    "FROM STALLE OF 'a'": "did you mean STALE?",
    "UPSTREAM OF code 'git:HEAD'": "expected bundle, file, run, step or column",
    "UPSTREAM OF bundel 'a'": "did you mean bundle?",
    "WHAT": "expected PRODUCED, USED, CONTAINS, IS STALE or IS AFFECTED BY",
    "WHAT PRODUCD 'a'": "did you mean PRODUCED?",
    "WHAT IS": "expected STALE",
    "WHAT IS STALE BECAUSE cod": "did you mean code?",
    "WHAT IS STALE FOR 'a'": "IN 'repo', OF ref, BECAUSE cause",
    "WHAT IS STALE IN 'a' IN 'b'": "IN stands twice",
    "WHY IS 'a'": "expected STALE",
    "WHY 'a' STALE": "expected IS",
    "WHY DOES 'a' DIFFER 'b'": "expected FROM",
    "WHY WAS run 'a' REUSED": "expected NOT REUSED",
    "HOW TO BUILD 'a'": "did you mean REBUILD?",
    "WHAT IS AFFECTED 'a'": "expected BY",
    "AFFECTED BY pakage 'numpy'": "expected bundle, file, run, step, code, param, env or column",
    "AFFECTED BY parm 'x'": "did you mean param?",
    "PATHS FROM 'a'": "expected TO after the first reference",
    "PLAN 'a'": "expected FOR after PLAN",
    "PLAN FOR 'a' AT run": "AT is no option here",
    "DIFF 'a'": "expected a comma and a second reference",
    "DIFF 'a', 'b' ON metrics": "expected files, params, code, env, inputs or all",
    "diff('a')": "expected a reference",
    "diff('a', 'b', of := 'files')": "expected on := … or )",
    "paths('a')": "expected a reference",
    "GRAPH SELECT 1": "a lineage source or question alone",
    "GRAPH STALE": "a lineage source or question alone",
    "WHAT CONTAINS run 'a'": "expected bundle, file or hash",
    "WHAT PRODUCED 'a' WITHIN 1": "WITHIN is no option here",
    "WHAT PRODUCED 'a' FOR 1": "expected an option, IN 'repo'",
    "upstream()": "expected a reference",
    "upstream('a',)": "expected an argument after the comma",
    "upstream('a', withn := 2)": "did you mean within?",
    "upstream('a' 2)": "expected , or )",
    "upstream('a', stop_at := 'x)')": "this predicate cannot be read",
    "stale('a', at := 'run')": "expected one of within",
    "SHOW relaitons": "did you mean RELATIONS?",
    "DESCRIBE": "expected the name of a relation",
    "DESCRIBE runs runs": "expected the end of the statement",
    "SELECT 'a": "this string is never closed",
    'SELECT "a': "this quoted name is never closed",
    "SELECT /* a": "this comment is never closed",
    "SELECT /* a /* b */ */ 1": "a comment inside a comment",
    "SELECT (1": "this ( is never closed",
    "SELECT 1)": "nothing opened this )",
    "SELECT [1)": "expected ] here",
    "SELECT ?": "a parameter has a name",
    "SELECT $1": "a parameter has a name",
    "SELECT 1a": "a number runs into a word",
    "SELECT 'a' 'b'": "two strings in a row",
    "SELECT x'00'": "expected a plain string",
    "SELECT \u201cx\u201d": "has no meaning here",
    "SELECT 1; SELECT 2": "only one statement",
}


@pytest.mark.parametrize(("text", "said"), MALFORMED.items())
def test_a_malformed_statement_gets_a_place_and_what_was_expected(text: str, said: str) -> None:
    error = refusal(text)
    first, *rest = error.message.splitlines()
    assert isinstance(error, Invalid)
    assert error.code == "bad-statement"
    assert said in first
    assert first.startswith(f"line {error.line}, column {error.column}: ")
    assert len(rest) == 2
    assert set(rest[1].strip()) == {"^"}


def test_the_caret_stands_under_the_place_on_its_line() -> None:
    error = refusal("WHAT IS STALE\nBECAUSE cod")
    assert (error.line, error.column) == (2, 9)
    assert error.message.splitlines()[1:] == ["  BECAUSE cod", "          ^^^"]


def test_the_caret_counts_wide_characters_as_two_columns_and_tabs_as_one() -> None:
    shown_as = str(fault("'数据'\tx!", Span(5, 6), "here")).splitlines()[1:]
    assert shown_as == ["  '数据' x!", "         ^"]


def test_a_long_line_is_cut_around_the_place() -> None:
    error = refusal("SELECT " + "x, " * 2000 + "'open")
    line, caret = error.message.splitlines()[1:]
    assert len(line) < 120
    assert line[caret.index("^")] == "'"


def test_a_statement_that_changes_something_is_refused_by_its_first_word() -> None:
    for text in ("DROP TABLE runs", "insert into runs values (1)", "COPY runs TO 'x'", "SELECT 1; DELETE FROM runs"):
        error = refusal(text)
        assert isinstance(error, Denied)
        assert error.code == "statement-refused"


def test_a_statement_that_is_too_long_or_nested_too_deeply_is_an_error_of_ours() -> None:
    assert "at most" in refusal("SELECT " + "1" * LONGEST).message
    assert "brackets inside each other" in refusal("SELECT " + "(" * (DEEPEST + 1) + ")" * (DEEPEST + 1)).message


def test_the_nearest_name_is_found_blind_to_case_and_nothing_far_is() -> None:
    assert nearest("STAEL", ["stale", "steps"]) == "stale"
    assert nearest("xyzzy", ["stale", "steps"]) is None


WORDS = st.sampled_from(
    [
        *(
            "SELECT",
            "FROM",
            "WITH",
            "AS",
            "STALE",
            "UPSTREAM",
            "DOWNSTREAM",
            "OF",
            "WHAT",
            "PRODUCED",
            "USED",
            "IS",
            "WHY",
            "IN",
        ),
        *(
            "BECAUSE",
            "WITHIN",
            "AT",
            "run",
            "STOP",
            "INCLUDING",
            "failed",
            "runs",
            "JOIN",
            "ON",
            "WHERE",
            "(",
            ")",
            ",",
            ";",
        ),
        *(
            "'a'",
            "'a@b'",
            "$x",
            "1",
            ":=",
            ".",
            "*",
            "=",
            "--",
            "/*",
            "*/",
            '"',
            "'",
            "$$",
            "[",
            "]",
            "{",
            "}",
            "UNION",
            "ALL",
        ),
        *("EXPLAIN", "DESCRIBE", "code", "\n"),
    ]
)


@given(st.lists(WORDS, max_size=25).map(" ".join) | st.text(max_size=40))
def test_any_text_is_a_statement_or_an_error_that_points_into_it(text: str) -> None:
    try:
        statement = parse(text)
    except DatamonError as error:
        lines = text.split("\n")
        assert 1 <= int(str(error.line)) <= len(lines)
        assert 1 <= int(str(error.column)) <= len(lines[int(str(error.line)) - 1]) + 1
    else:
        assert statement.text == text


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30))
def test_a_quoted_string_comes_back_as_it_was(value: str) -> None:
    token = tokenize("'" + value.replace("'", "''") + "'")[0]
    assert token.value == value
    assert tokenize(token.sql)[0].value == value
