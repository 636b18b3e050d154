"""Statements answered: over relations, over sources, with values, and with errors that point at their place."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datamon.errors import DatamonError, Invalid
from datamon.query.columns.recorded import attach_columns
from datamon.query.engine import ask, ask_on
from datamon.query.files import attach_files
from datamon.query.index import open_index
from datamon.query.inferred import attach_inferred
from datamon.query.relations import RELATIONS
from datamon.query.source_columns import SOURCES
from datamon.query.sources import closure, closures, contains, diff, differ, paths, plan, produced, stale
from datamon.query.sources.tables import put_table
from datamon.query.testing.stories import Story
from datamon.query.testing.worlds import Doing


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


def refusal(story: Story, text: str, **params: object) -> DatamonError:
    with pytest.raises(DatamonError) as raised:
        story.ask(text, **params)
    return raised.value


# relations


@pytest.mark.parametrize("name", RELATIONS)
def test_describe_tells_each_relations_columns_and_types_as_they_are(story: Story, name: str) -> None:
    with story.index.connect() as connection:
        if name == "files":
            attach_files(connection, story.world.store)
        if name == "inferred":
            attach_inferred(connection, story.world.store)
        if name == "columns":
            attach_columns(connection, story.world.store)
        actual = [(row[0], row[1]) for row in connection.execute(f"DESCRIBE {name}").fetchall()]
    described = story.ask(f"DESCRIBE {name}")
    assert [(row["column"], row["type"]) for row in described] == actual
    assert all(row["meaning"] for row in described)


def test_describe_tells_each_sources_columns_as_it_gives_them(story: Story) -> None:
    given_by = {
        "upstream": closure.COLUMNS,
        "downstream": closure.COLUMNS,
        "affected": closures.AFFECTED_COLUMNS,
        "paths": paths.COLUMNS,
        "plan": plan.COLUMNS,
        "diff": diff.COLUMNS,
        "differences": differ.COLUMNS,
        "not_reused": diff.COLUMNS,
        "stale": stale.COLUMNS,
        "produced": produced.COLUMNS,
        "contains": contains.COLUMNS,
    }
    assert set(given_by) == set(SOURCES)
    for name, columns in given_by.items():
        assert [(row["column"], row["type"]) for row in story.ask(f"DESCRIBE {name}")] == list(columns)


def test_show_relations_lists_everything_that_can_be_described(story: Story) -> None:
    assert [row["name"] for row in story.ask("SHOW RELATIONS")] == [*RELATIONS, *SOURCES]
    error = refusal(story, "DESCRIBE rnus")
    assert "did you mean runs?" in error.message


def test_a_select_reads_the_relations_from_either_end(story: Story) -> None:
    expected = [("report", "failed")]
    assert story.ask("SELECT step, status FROM runs WHERE status = 'failed'").rows == expected
    assert story.ask("FROM runs SELECT step, status WHERE status = 'failed'").rows == expected


def test_types_are_named_as_duckdb_names_them_and_instants_carry_no_zone(story: Story) -> None:
    answer = story.ask("SELECT count(*) AS n, max(started) AS last, now() AS n FROM runs")
    assert answer.columns == ("n", "last", "n")
    assert answer.types == ("BIGINT", "TIMESTAMP", "TIMESTAMP")
    assert answer.rows[0][2].tzinfo is None


def test_files_are_read_when_a_statement_names_them(story: Story) -> None:
    answer = story.ask("SELECT path, kind FROM files WHERE bundle = $b ORDER BY path", b=story.raw1.id)
    assert answer.rows == [("dir", "dir"), ("dir/x", "file"), ("people.csv", "file")]


# values


def test_values_are_bound_wherever_a_literal_or_a_reference_may_stand(story: Story) -> None:
    answer = story.ask("SELECT $x AS x, count(*) FROM UPSTREAM OF $ref WITHIN $n", x="'; DROP", ref="model", n=1)
    assert answer.rows == [("'; DROP", 3)]
    assert story.names("UPSTREAM OF run $run WITHIN $n AT run", run=story.train.run, n="1") == [("default/prepare", 1)]
    assert len(story.ask("WHAT IS STALE IN $repo", repo="model")) == 2


@pytest.mark.parametrize(
    ("text", "params", "said"),
    [
        ("SELECT $x", {}, "no value was given for $x"),
        ("SELECT $xs", {"x": 1}, "did you mean x?"),
        ("SELECT 1", {"x": 1}, "nothing in the statement asks for 'x'"),
        ("UPSTREAM OF $x", {"x": 3}, "$x has to be a text here, it is a value of type int"),
        ("UPSTREAM OF 'model' WITHIN $n", {"n": "two"}, "$n has to be a whole number"),
        ("UPSTREAM OF 'model' WITHIN $n", {"n": True}, "$n has to be a whole number"),
        ("UPSTREAM OF 'model' WITHIN $n", {"n": -1}, "$n has to be a whole number"),
        ("WHAT IS STALE BECAUSE $c", {"c": "codde"}, "did you mean code?"),
        ("UPSTREAM OF $x", {"x": "nope"}, "there is no repo 'nope'"),
        ("UPSTREAM OF $x", {"x": "n" * 10_000}, "a reference has at most"),
        ("SELECT $x", {"x": object()}, "$x cannot be a value of type object"),
        ("SELECT $x", {"x": [1, {2}]}, "$x cannot be a value of type list"),
        ("SELECT $x", {"x": "\ud800"}, "$x cannot be a value of type str"),
        ("SELECT $x", {"x": 2**200}, "$x cannot be a value of type int"),
    ],
)
def test_a_value_that_does_not_fit_is_an_error(story: Story, text: str, params: dict[str, object], said: str) -> None:
    error = refusal(story, text, **params)
    assert said in error.message


# errors of the engine


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("SELECT stpe FROM runs", 8, "did you mean step?"),
        ("SELECT r.stpe FROM runs r", 8, "did you mean step?"),
        ("SELECT x.id FROM runs", 8, "names no relation in this FROM"),
        ("SELECT id FROM rusn", 16, "did you mean runs?"),
        ("SELECT lenth(id) FROM runs", 8, "did you mean length?"),
        ("SELECT id + 1 FROM runs", 11, "the types do not fit"),
        ("SELECT step, count(*) FROM runs", 8, "GROUP BY"),
        ("SELECT 1 UNION SELECT 1, 2", 1, "same number"),
        ("SELECT id::INTEGER FROM runs", 10, "Could not convert"),
        ("SELECT [now()]", 1, "cast it to TIMESTAMP"),
        ("SELECT * FROM runs WHER id = 'x'", 20, "did you mean WHERE?"),
        ("SELECT * FROM runs WHERE", 20, "something is missing"),
        ("SELECT u.nme FROM UPSTREAM OF 'model' u", 8, "did you mean name?"),
    ],
)
def test_what_the_engine_finds_wrong_is_said_in_our_words_at_its_place(
    story: Story, text: str, column: int, said: str
) -> None:
    error = refusal(story, text)
    assert isinstance(error, Invalid)
    assert (error.line, error.column) == (1, column)
    assert said in error.message
    for word in ("Error", "Exception", "LINE ", "Candidate", "_1"):
        assert word not in error.message


# the rest of ask


def test_explain_shows_the_select_and_what_its_sources_are(story: Story) -> None:
    rows = story.ask("EXPLAIN SELECT name FROM UPSTREAM OF 'model@prod' WITHIN 2 WHERE depth > 1").rows
    model = story.train.outputs[0].bundle
    lines = [str(line) for (line,) in rows]
    assert lines[:2] == ["-- upstream_1: UPSTREAM OF 'model@prod' WITHIN 2", f"-- 'model@prod' is bundle {model}"]
    assert lines[2] == "WITH upstream_1 AS ("
    assert "WITH RECURSIVE" in lines[3]
    with story.index.connect() as connection:
        found = connection.execute("\n".join(lines)).fetchall()
    assert found == story.ask("SELECT name FROM UPSTREAM OF 'model@prod' WITHIN 2 WHERE depth > 1").rows


def test_explain_finds_the_same_faults(story: Story) -> None:
    assert "did you mean runs?" in refusal(story, "EXPLAIN SELECT * FROM rusn").message


def test_an_index_is_made_where_none_is_given(story: Story) -> None:
    assert ask(story.world.store, "SELECT count(*) FROM runs").rows == [(3,)]


def test_an_answer_has_what_was_recorded_just_before() -> None:
    story = Story()
    assert len(story.ask("FROM runs")) == 3
    story.run(Doing("more"))
    assert len(story.ask("FROM runs")) == 4


def test_rows_of_ours_keep_their_order_types_and_nulls(story: Story) -> None:
    rows = [(f"name {n}\udcff" if n == 2 else f"name {n}", n, None, n % 2 == 0) for n in range(25_000)]
    columns = [("name", "VARCHAR"), ("n", "BIGINT"), ("time", "TIMESTAMP"), ("even", "BOOLEAN")]
    with story.index.connect() as connection:
        put_table(connection, "ours", columns, rows)
        back = connection.execute("FROM ours").fetchall()
    assert [row[1] for row in back] == list(range(25_000))
    assert back[2] == ("name 2?", 2, None, True)


WORDS = st.sampled_from(
    [
        *(
            "SELECT",
            "FROM",
            "runs",
            "STALE",
            "UPSTREAM",
            "OF",
            "'model'",
            "'raw@main~1'",
            "WHAT",
            "PRODUCED",
            "IS",
            "WHY",
        ),
        *(
            "WITHIN",
            "1",
            "AT",
            "run",
            "STOP",
            "(",
            ")",
            ",",
            "*",
            "id",
            "count(*)",
            "WHERE",
            "=",
            "'x'",
            "UNION",
            "ALL",
        ),
        *(
            "JOIN",
            "ON",
            "true",
            "AS",
            "u",
            "GROUP",
            "BY",
            "ORDER",
            "LIMIT",
            "3",
            "::",
            ".",
            "[",
            "]",
            "{",
            "}",
            "lambda",
        ),
        *("INCLUDING", "failed", "step", "EXPLAIN", ";", "FROM runs", "FROM STALE", "SELECT id"),
    ]
)
TEXTS = st.lists(WORDS, max_size=14).map(" ".join) | st.text(max_size=30).map("SELECT ".__add__)


def test_any_text_gives_an_answer_or_an_error_of_ours(story: Story) -> None:
    opened = [story.index.connect()]

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(TEXTS)
    def try_one(text: str) -> None:
        try:
            answer = ask_on(opened[0], story.world.store, text)
        except DatamonError as error:
            assert error.message
        else:
            assert len(answer.columns) == len(answer.types)

    try_one()
    opened.pop().close()


def test_a_statement_nested_too_deeply_is_an_error_of_ours(story: Story) -> None:
    for text in ("SELECT " + "1+" * 5000 + "1", "SELECT " + "NOT " * 5000 + "true", "SELECT " + "-" * 2000 + "1"):
        assert refusal(story, text.replace("--", "- -")).code == "bad-statement"


def test_the_index_of_a_place_on_disk_answers_too(story: Story, tmp_path: Path) -> None:
    index = open_index(story.world.store, index_dir=tmp_path)
    assert ask(story.world.store, "SELECT count(*) FROM runs", index=index).rows == [(3,)]
