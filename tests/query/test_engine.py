"""Statements answered: over relations, over sources, with values, and with errors that point at their place."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datamon.errors import DatamonError, Invalid, NotFound
from datamon.lineage.records import Param
from datamon.query.answer import Answer
from datamon.query.engine import ask, ask_on
from datamon.query.files import attach_files
from datamon.query.index import open_index
from datamon.query.language.references import Target
from datamon.query.relations import RELATIONS, SOURCES
from datamon.query.sources import closure, produced, stale
from datamon.query.sources.tables import put_table
from datamon.query.testing.worlds import Did, Doing, World
from datamon.store.bundle import Bundle
from datamon.store.opening import memory_store
from datamon.store.refs import set_label
from datamon.store.testing.clocks import SteppingClock


class Story:
    """raw → prepare → features → train → model → report fails; then raw moves on."""

    def __init__(self) -> None:
        self.world = World(memory_store(clock=SteppingClock()))
        self.raw1 = self.upload({"people.csv": "p1", "dir/x": "x1"})
        self.prepare = self.run(Doing("prepare", ("raw",), {"features": {"f": "1"}}, params=(Param("scale", 2.0),)))
        self.train = self.run(Doing("train", ("features", "raw:dir"), {"model": {"m": "1"}}, pipeline="churn"))
        self.failed = self.run(Doing("report", ("model",), {"report": {"r": "1"}}, "failed"))
        set_label(self.world.store, self.world.repo("model"), "prod", self.train.outputs[0].bundle)
        self.raw2 = self.upload({"people.csv": "p2", "dir/x": "x1"})
        self.index = open_index(self.world.store)

    def upload(self, files: dict[str, str]) -> Bundle:
        return self.world.upload("raw", files)

    def run(self, doing: Doing) -> Did:
        return self.world.run(doing)

    def ask(self, text: str, **params: object) -> Answer:
        return ask(self.world.store, text, params=params, index=self.index)

    def names(self, text: str, **params: object) -> list[tuple[object, object]]:
        """Name and depth of each row of a closure."""
        return [(row["name"], row["depth"]) for row in self.ask(text, **params)]


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
        actual = [(row[0], row[1]) for row in connection.execute(f"DESCRIBE {name}").fetchall()]
    described = story.ask(f"DESCRIBE {name}")
    assert [(row["column"], row["type"]) for row in described] == actual
    assert all(row["meaning"] for row in described)


def test_describe_tells_each_sources_columns_as_it_gives_them(story: Story) -> None:
    given_by = {
        "upstream": closure.COLUMNS,
        "downstream": closure.COLUMNS,
        "stale": stale.COLUMNS,
        "produced": produced.COLUMNS,
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


# references


def test_the_resolved_id_is_part_of_the_answer(story: Story) -> None:
    model = story.train.outputs[0].bundle
    assert story.ask("UPSTREAM OF 'model@prod'").notes == [f"'model@prod' is bundle {model}"]
    assert f"step 'churn/train' is run {story.train.run}" in story.ask("UPSTREAM OF step 'churn/train'").notes


def test_every_form_of_reference_means_what_it_says(story: Story) -> None:
    model = story.train.outputs[0].bundle
    whole = story.ask("UPSTREAM OF 'model'").rows
    for form in ("'model@main'", "'model@prod'", f"'model@{model}'", f"'model@{model[-8:]}'", "bundle 'model@prod'"):
        assert story.ask(f"UPSTREAM OF {form}").rows == whole
    of_run = story.ask(f"UPSTREAM OF run '{story.train.run}'").rows
    assert story.ask(f"UPSTREAM OF run '{story.train.run[-8:]}'").rows == of_run
    assert story.ask("UPSTREAM OF step 'churn/train'").rows == of_run
    assert story.ask("UPSTREAM OF 'raw@main~1'").rows == []


def test_the_step_without_a_pipeline_is_one_of_the_default_pipeline(story: Story) -> None:
    assert f"step 'prepare' is run {story.prepare.run}" in story.ask("DOWNSTREAM OF step 'prepare'").notes


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("UPSTREAM OF 'modle'", "repo-not-found", "did you mean 'model'?"),
        ("UPSTREAM OF 'model@prdo'", "ref-not-found", "prdo"),
        ("UPSTREAM OF 'raw:peple.csv'", "path-not-found", "people.csv"),
        ("UPSTREAM OF file 'raw'", "path-not-found", "names no file"),
        ("UPSTREAM OF bundle 'raw:dir'", "path-not-found", "names a file in a bundle"),
        ("UPSTREAM OF 'raw@'", "bad-reference", "nothing between"),
        ("UPSTREAM OF run 'zzzz'", "run-not-found", "zzzz"),
        ("UPSTREAM OF run 'z'", "bad-reference", "at least 4"),
        ("UPSTREAM OF step 'churn/trian'", "run-not-found", "did you mean churn/train?"),
        ("UPSTREAM OF '2yY8B3h9tPiyz9vb1vAvgWufJLw'", "bad-reference", "an id alone names no repo"),
        ("WHAT IS STALE IN 'fetures'", "repo-not-found", "did you mean 'features'?"),
        ("WHAT PRODUCED run 'abcd'", "bad-statement", "expected a bundle or a file"),
        ("STALE OF step 'report'", "bundle-not-found", "wrote no bundle"),
    ],
)
def test_a_reference_that_means_nothing_gets_its_own_error_at_its_place(
    story: Story, text: str, code: str, said: str
) -> None:
    error = refusal(story, text)
    assert error.code == code
    assert said in error.message
    assert error.message.startswith("line 1, column ")
    assert text[int(str(error.column)) - 1 :].startswith(("'", "run", "file", "bundle", "step"))


# sources


def test_upstream_is_everything_it_came_from_with_depth_counted_in_runs(story: Story) -> None:
    features, raw = story.prepare.outputs[0].bundle, story.raw1.id
    assert sorted(story.names("UPSTREAM OF 'model'")) == [
        ("churn/train", 1),
        ("default/prepare", 2),
        ("features@main", 1),
        (f"raw@{raw}", 1),
    ]
    by_name = {row["name"]: row for row in story.ask("UPSTREAM OF 'model'")}
    assert by_name["default/prepare"]["via_id"] == features
    assert by_name["features@main"]["ref"] == "main"
    assert by_name[f"raw@{raw}"]["ref"] is None
    assert by_name["churn/train"]["via_id"] == story.train.outputs[0].bundle


def test_rows_stand_in_the_order_of_the_way(story: Story) -> None:
    kinds = [(row["depth"], row["kind"]) for row in story.ask("UPSTREAM OF 'model'")]
    assert kinds == [(1, "run"), (1, "bundle"), (1, "bundle"), (2, "run")]


def test_downstream_leaves_failed_runs_out_unless_they_are_asked_for(story: Story) -> None:
    assert story.names("DOWNSTREAM OF 'model'") == []
    assert story.names("DOWNSTREAM OF 'model' INCLUDING failed") == [("default/report", 1)]
    assert story.names("WHAT USED 'features'") == [("churn/train", 1)]


def test_upstream_of_a_failed_run_is_what_it_read(story: Story) -> None:
    assert story.names(f"UPSTREAM OF run '{story.failed.run}' WITHIN 1") == [("model@prod", 1), ("churn/train", 1)]


def test_downstream_of_a_file_begins_with_the_runs_that_read_it(story: Story) -> None:
    csv = story.ask("FROM DOWNSTREAM OF 'raw@main~1:people.csv' AT run ORDER BY depth").rows
    inside = story.ask("FROM DOWNSTREAM OF 'raw@main~1:dir/x' AT run ORDER BY depth, name").rows
    assert [(row[2], row[5]) for row in csv] == [("default/prepare", 1), ("churn/train", 2)]
    assert [(row[2], row[5]) for row in inside] == [("churn/train", 1), ("default/prepare", 1)]


def test_stop_at_shows_what_fulfils_it_and_nothing_beyond(story: Story) -> None:
    assert ("default/prepare", 2) not in story.names("UPSTREAM OF 'model' STOP AT (repo = 'features')")
    assert ("features@main", 1) in story.names("UPSTREAM OF 'model' STOP AT (repo LIKE $like)", like="feat%")
    assert story.names("FROM upstream('model', stop_at := 'kind = ''run''')") == [("churn/train", 1)]
    assert len(story.names("UPSTREAM OF 'model' STOP AT (id IN (SELECT bundle FROM labels WHERE name = 'none'))")) == 4


def test_a_stop_at_that_cannot_be_evaluated_points_into_the_predicate(story: Story) -> None:
    error = refusal(story, "UPSTREAM OF 'model' STOP AT (repoo = 'x')")
    assert (error.code, error.column) == ("bad-statement", 30)
    assert "did you mean repo?" in error.message


def test_a_source_stands_wherever_a_table_can(story: Story) -> None:
    text = """WITH up AS (UPSTREAM OF $ref AT run)
        SELECT r.step, p.value, (SELECT count(*) FROM DOWNSTREAM OF 'features' AT run) AS users
        FROM up JOIN runs r ON r.id = up.id LEFT JOIN params p ON p.run = r.id AND p.name = 'scale'
        WHERE r.id IN (SELECT id FROM upstream('model')) ORDER BY r.step"""
    assert story.ask(text, ref="model@prod").rows == [("prepare", "2.0", 1), ("train", None, 1)]


def test_sources_join_and_unite(story: Story) -> None:
    text = "SELECT count(*) FROM (UPSTREAM OF 'model' UNION ALL DOWNSTREAM OF 'raw@main~1') both_ways"
    assert story.ask(text).rows == [(4 + 4,)]


def test_a_cap_marks_the_last_row_and_the_answer(story: Story) -> None:
    with story.index.connect() as connection:
        target = Target("bundle", story.train.outputs[0].bundle, "")
        walk = closure.Walk("upstream", target, "any", None, frozenset(), cap=2)
        rows, truncated = closure.closure_rows(connection, walk)
    assert truncated
    assert [row[-1] for row in rows] == [False, True]


def test_what_produced_gives_the_first_successful_writer_first() -> None:
    story = Story()
    again = story.run(Doing("prepare", ("raw",), {"features": {"f": "1"}}))
    rows = story.ask("WHAT PRODUCED 'features'").rows
    assert [row[0] for row in rows] == [story.prepare.run, again.run]
    assert [row[0] for row in story.ask("WHAT PRODUCED 'features:f'").rows] == [story.prepare.run, again.run]


def test_what_produced_an_upload_says_who_brought_it(story: Story) -> None:
    answer = story.ask("WHAT PRODUCED 'raw'")
    assert answer.rows == []
    assert f"uploaded bundle {story.raw2.id}" in answer.notes[-1]


def test_what_is_stale_says_why_and_how_far(story: Story) -> None:
    model, features = story.train.outputs[0].bundle, story.prepare.outputs[0].bundle
    stale_now = story.ask("SELECT output, ref, cause, subject, via, distance FROM STALE ORDER BY distance, ref").rows
    assert stale_now == [
        (features, "features@main", "input", "raw@main", None, 0),
        (model, "model@main", "upstream", "raw@main", "features@main", 1),
        (model, "model@prod", "upstream", "raw@main", "features@main", 1),
    ]
    (why,) = story.ask("WHY IS 'features' STALE")
    assert (why["old"], why["new"]) == (story.raw1.content, story.raw2.content)
    assert story.ask("WHAT IS STALE IN 'features'").rows == story.ask("WHY IS 'features' STALE").rows
    assert len(story.ask("WHAT IS STALE BECAUSE $cause", cause="upstream")) == 2


def test_what_is_not_stale_is_said_to_be_fresh(story: Story) -> None:
    answer = story.ask("WHY IS 'raw' STALE")
    assert answer.rows == []
    assert answer.notes[-1] == "it is not stale"


def test_stale_of_a_step_judges_what_its_newest_run_wrote(story: Story) -> None:
    assert [row["cause"] for row in story.ask("STALE OF step 'prepare'")] == ["input"]


def test_a_frozen_label_is_judged_when_it_is_asked_for() -> None:
    story = Story()
    set_label(story.world.store, story.world.repo("features"), "v1", story.prepare.outputs[0].bundle, frozen=True)
    assert "features@v1" not in {row["ref"] for row in story.ask("STALE")}
    assert "features@v1" in {row["ref"] for row in story.ask("STALE INCLUDING frozen")}
    assert {row["ref"] for row in story.ask("STALE OF 'features@v1'")} == {"features@v1"}


def test_a_deleted_bundle_is_walked_through_and_shown_when_asked_for() -> None:
    story = Story()
    again = story.run(Doing("prepare", ("raw",), {"features": {"f": "2"}}))
    gone = story.prepare.outputs[0]
    story.world.store.logs.append(gone.repo, lambda _: {"kind": "delete", "bundles": [gone.bundle], "reason": "a test"})
    ids = {row["id"] for row in story.ask("UPSTREAM OF 'model'")}
    assert gone.bundle not in ids
    assert story.prepare.run in ids
    assert gone.bundle in {row["id"] for row in story.ask("UPSTREAM OF 'model' INCLUDING deleted")}
    with pytest.raises(NotFound):
        story.ask(f"DOWNSTREAM OF 'features@{gone.bundle}'")
    answer = story.ask(f"DOWNSTREAM OF 'features@{gone.bundle}' INCLUDING deleted")
    assert {row["name"] for row in answer} == {"churn/train", "model@prod"}
    assert answer.notes[0].endswith("(deleted)")
    assert again.outputs[0].bundle not in {row["id"] for row in answer}


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
        ("UPSTREAM OF $x", {"x": 3}, "$x has to be a text here, it is a int"),
        ("UPSTREAM OF 'model' WITHIN $n", {"n": "two"}, "$n has to be a whole number"),
        ("UPSTREAM OF 'model' WITHIN $n", {"n": True}, "$n has to be a whole number"),
        ("UPSTREAM OF 'model' WITHIN $n", {"n": -1}, "$n has to be a whole number"),
        ("WHAT IS STALE BECAUSE $c", {"c": "codde"}, "did you mean code?"),
        ("UPSTREAM OF $x", {"x": "nope"}, "there is no repo 'nope'"),
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
    (row,) = story.ask("EXPLAIN SELECT name FROM UPSTREAM OF 'model@prod' WITHIN 2 WHERE depth > 1").rows
    model = story.train.outputs[0].bundle
    assert row[0].splitlines() == [
        "-- upstream_1: UPSTREAM OF 'model@prod' WITHIN 2",
        f"-- 'model@prod' is bundle {model}",
        "SELECT name FROM upstream_1 WHERE depth > 1",
    ]


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
