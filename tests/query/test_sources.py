"""References and the lineage sources, on a history whose answers are known."""

import pytest

from datamon.errors import DatamonError, NotFound
from datamon.query.graph.in_memory import Node
from datamon.query.sources import closure
from datamon.query.testing.stories import Story
from datamon.query.testing.worlds import Doing
from datamon.store.refs import set_label


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


def refusal(story: Story, text: str, **params: object) -> DatamonError:
    with pytest.raises(DatamonError) as raised:
        story.ask(text, **params)
    return raised.value


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
        ("UPSTREAM OF step 'train'", "run-not-found", "did you mean churn/train?"),
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
        walk = closure.Walk("upstream", (Node("bundle", story.train.outputs[0].bundle),), cap=2)
        walked = closure.closure_rows(connection, walk)
    assert walked.truncated
    assert [row[-1] for row in walked.rows] == [False, True]


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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("WHAT IS STALE IN 'raw'", "nothing in 'raw' is stale"),
        ("WHAT IS STALE BECAUSE missing", "nothing is stale because of missing"),
        ("WHAT IS STALE BECAUSE missing IN 'features'", "nothing in 'features' is stale because of missing"),
        ("WHAT IS STALE OF 'features' BECAUSE missing", "it is not stale because of missing"),
    ],
)
def test_no_more_is_said_to_be_fresh_than_was_asked(story: Story, text: str, said: str) -> None:
    notes = story.ask(text).notes
    assert said in notes
    assert not {"nothing is stale", "it is not stale"} & set(notes)


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
    assert "(deleted at 2025-" in answer.notes[0]
    assert answer.notes[0].endswith(" by nobody (a test))")
    assert again.outputs[0].bundle not in {row["id"] for row in answer}
