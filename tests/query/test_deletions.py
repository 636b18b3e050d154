"""What was deleted stays in the graph: it is walked through, told of, and stands in a relation with who, when and why."""

from dataclasses import dataclass

import pytest

from datamon.errors import NotFound
from datamon.query.testing.stories import Story
from datamon.query.testing.worlds import Doing
from datamon.store import layout
from datamon.store.bundle import Bundle
from datamon.store.refs import set_label
from datamon.store.repos import create_repo, rename_repo
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.retention.delete_path import delete_paths
from datamon.store.retention.delete_repo import delete_repo
from datamon.store.retention.squash import Keeping, squash


@dataclass(frozen=True)
class Cut:
    """A story from whose raw data a file was taken out of history."""

    story: Story
    old: tuple[Bundle, Bundle]
    new: tuple[Bundle, Bundle]


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def cut(story: Story) -> Cut:
    (old1, new1), (old2, new2) = delete_paths(
        story.world.store, story.world.repo("raw"), ["people.csv"], reason="asked to"
    ).bundles
    assert (old1, old2) == (story.raw1, story.raw2)
    return Cut(story, (old1, old2), (new1, new2))


def test_the_relation_has_every_deletion_with_who_when_why_and_what_stands_in(cut: Cut) -> None:
    store = cut.story.world.store
    delete_bundles(
        store, cut.story.world.repo("model"), DeleteRequest((cut.story.train.outputs[0].bundle,), force=True)
    )
    rows = cut.story.ask("SELECT repo, bundle, author, reason, replaced_by FROM deletions ORDER BY time, bundle").rows
    assert sorted(rows[:2]) == sorted(
        ("raw", old.id, "nobody", "asked to", new.id) for old, new in zip(cut.old, cut.new, strict=True)
    )
    assert rows[2] == ("model", cut.story.train.outputs[0].bundle, "nobody", None, None)
    assert cut.story.ask("SELECT count(*) FROM deletions WHERE time IS NULL OR email IS NULL").rows == [(0,)]


def test_a_deleted_repo_is_a_row_and_so_is_everything_that_went_with_it(story: Story) -> None:
    delete_repo(story.world.store, story.world.repo("raw"), reason="moved")
    rows = story.ask("SELECT repo, bundle, author, reason FROM deletions").rows
    bundles: list[str | None] = [story.raw1.id, story.raw2.id, None]
    assert sorted(rows, key=str) == sorted((("raw", bundle, "nobody", "moved") for bundle in bundles), key=str)
    text = "SELECT count(*) FROM bundles b WHERE b.deleted <> (b.id IN (SELECT bundle FROM deletions WHERE bundle IS NOT NULL))"
    assert story.ask(text).rows == [(0,)]


def test_runs_that_used_a_deleted_repo_still_answer_and_the_answer_says_that_it_was_deleted(story: Story) -> None:
    delete_repo(story.world.store, story.world.repo("features"), reason="obsolete")
    answer = story.ask("UPSTREAM OF 'model'")
    assert story.prepare.run in {row["id"] for row in answer}
    gone = story.prepare.outputs[0].bundle
    assert any(
        note.startswith(f"features@{gone} was deleted at 2025-") and note.endswith("by nobody (obsolete)")
        for note in answer.notes
    )
    assert "what was deleted is walked through but is no row; INCLUDING deleted shows it" in answer.notes
    assert gone in {row["id"] for row in story.ask("UPSTREAM OF 'model' INCLUDING deleted")}
    (produced,) = story.ask(f"WHAT PRODUCED 'features@{gone}'")
    assert (produced["run"], produced["repo"], produced["bundle"]) == (story.prepare.run, "features", gone)
    with pytest.raises(NotFound, match="was deleted at"):
        story.ask("UPSTREAM OF 'features'")
    assert {row["name"] for row in story.ask("DOWNSTREAM OF 'features' INCLUDING deleted")} == {
        "churn/train",
        "model@prod",
    }


def test_a_repo_that_takes_the_name_of_a_deleted_one_is_not_mistaken_for_it(story: Story) -> None:
    store = story.world.store
    old = story.world.repo("raw")
    delete_repo(store, old)
    story.world.repos["raw"] = create_repo(store, "raw", "another")
    fresh = story.upload({"people.csv": "p1", "dir/x": "x1"})
    assert fresh.content == story.raw1.content
    assert story.ask("SELECT name FROM repos WHERE name LIKE 'raw%' ORDER BY name").rows == [
        ("raw",),
        (f"raw#{old.id}",),
    ]
    assert len(story.ask("DOWNSTREAM OF 'raw'")) == 0
    assert story.ask("SELECT DISTINCT repo FROM inputs WHERE repo LIKE 'raw%'").rows == [(f"raw#{old.id}",)]
    used = story.ask(f"DOWNSTREAM OF 'raw@{story.raw1.id}' WITHIN 1 AT run INCLUDING deleted")
    assert {row["id"] for row in used} == {story.prepare.run, story.train.run}
    assert (fresh.id, False) in story.ask("SELECT id, deleted FROM bundles WHERE repo = 'raw'").rows


def test_what_was_recorded_under_a_repos_old_name_shows_the_new_one(story: Story) -> None:
    rename_repo(story.world.store, story.world.repo("raw"), "source")
    assert story.ask("SELECT DISTINCT repo FROM inputs ORDER BY repo").rows == [("features",), ("model",), ("source",)]
    assert len(story.ask("DOWNSTREAM OF 'source@main~1'")) > 0
    with pytest.raises(NotFound, match="renamed to 'source'"):
        story.ask("DOWNSTREAM OF 'raw'")
    assert {row["subject"] for row in story.ask("STALE") if row["cause"] == "input"} == {"source@main"}


def test_who_read_what_was_replaced_is_downstream_of_the_replacement(cut: Cut) -> None:
    story = cut.story
    rows = story.ask("DOWNSTREAM OF 'raw@main~1' AT run WITHIN 1")
    assert {row["id"] for row in rows} == {story.prepare.run, story.train.run}
    assert f"is bundle {cut.new[0].id}" in rows.notes[0]
    answer = story.ask("UPSTREAM OF 'model'")
    assert f"raw@{cut.old[0].id} was deleted at" in " ".join(answer.notes)
    assert f"and replaced by {cut.new[0].id}" in " ".join(answer.notes)


def test_replacements_of_replacements_are_followed(cut: Cut) -> None:
    story = cut.story
    [(_, last), _] = delete_paths(story.world.store, story.world.repo("raw"), ["dir/x"]).bundles
    rows = story.ask(f"DOWNSTREAM OF 'raw@{last.id}' AT run WITHIN 1")
    assert {row["id"] for row in rows} == {story.prepare.run, story.train.run}


def test_a_replaced_output_is_still_its_runs_output(story: Story) -> None:
    old = story.prepare.outputs[0].bundle
    more = story.run(Doing("prepare", ("raw",), {"features": {"f": "1", "private": "x"}}))
    [(gone, new)] = delete_paths(story.world.store, story.world.repo("features"), ["private"]).bundles
    produced = {(row["run"], row["bundle"]) for row in story.ask("WHAT PRODUCED 'features'")}
    assert produced == {(story.prepare.run, old), (more.run, new.id)}
    outputs = story.ask("SELECT bundle, branch FROM outputs WHERE run = $run ORDER BY bundle", run=more.run).rows
    assert sorted(outputs) == sorted([(gone.id, "main"), (new.id, "main")])
    assert "features@main" not in {row["ref"] for row in story.ask("STALE")}


def test_a_replaced_output_goes_stale_as_the_original_would(story: Story) -> None:
    story.run(Doing("prepare", ("raw",), {"features": {"f": "2", "private": "x"}}))
    delete_paths(story.world.store, story.world.repo("features"), ["private"])
    assert "features@main" not in {row["ref"] for row in story.ask("STALE")}
    story.upload({"people.csv": "p3"})
    causes = {(row["cause"], row["subject"]) for row in story.ask("STALE OF 'features'")}
    assert causes == {("input", "raw@main")}


def test_steps_that_read_a_path_that_was_cut_out_are_stale_by_their_input_and_others_are_not(story: Story) -> None:
    story.run(Doing("all", ("raw",), {"all": {"f": "1"}}))
    story.run(Doing("part", ("raw:dir",), {"part": {"f": "1"}}))
    assert not {"all@main", "part@main"} & {row["ref"] for row in story.ask("STALE")}
    delete_paths(story.world.store, story.world.repo("raw"), ["people.csv"])
    stale = {(row["ref"], row["cause"]) for row in story.ask("STALE") if row["ref"] in ("all@main", "part@main")}
    assert stale == {("all@main", "input")}


def test_an_old_version_that_was_squashed_makes_nothing_stale(story: Story) -> None:
    story.run(Doing("prepare", ("raw",), {"features": {"f": "3"}}))
    before = story.ask("STALE").rows
    squash(story.world.store, story.world.repo("raw"), Keeping())
    assert story.ask("STALE").rows == before
    names = {row["name"] for row in story.ask("UPSTREAM OF 'model' INCLUDING deleted")}
    assert f"raw@{story.raw1.id}" in names


def test_a_replacement_has_the_position_of_what_it_replaced(cut: Cut) -> None:
    text = "SELECT id FROM bundles WHERE repo = 'raw' AND NOT deleted ORDER BY position"
    assert cut.story.ask(text).rows == [(bundle.id,) for bundle in cut.new]
    set_label(cut.story.world.store, cut.story.world.repo("raw"), "v1", cut.new[0].id)
    assert cut.story.ask(text).rows == [(bundle.id,) for bundle in cut.new]


def test_a_file_of_a_deleted_bundle_is_asked_for_by_its_id_as_long_as_its_manifest_is_there(cut: Cut) -> None:
    answer = cut.story.ask(f"DOWNSTREAM OF 'raw@{cut.old[0].id}:people.csv' AT run WITHIN 1 INCLUDING deleted")
    assert {row["id"] for row in answer} == {cut.story.prepare.run}
    cut.story.world.store.metadata.delete(layout.manifest(cut.old[0].manifest))
    with pytest.raises(NotFound, match="what it held is gone"):
        cut.story.ask(f"DOWNSTREAM OF 'raw@{cut.old[0].id}:people.csv' INCLUDING deleted")
