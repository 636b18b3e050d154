"""A bundle that was promoted: the run that wrote it is in another store, and the answer says which."""

from datamon.query.engine import ask
from datamon.query.index import open_index
from datamon.query.testing.stories import Story
from datamon.store.bundle import Author
from datamon.store.opening import memory_store
from datamon.store.promote.promote import PromoteRequest, promote
from datamon.store.repos import create_repo


def test_what_produced_a_promoted_bundle_names_the_store_and_the_run_that_know() -> None:
    story = Story()
    source, target = story.world.store, memory_store(Author("Bob", "bob@example.org"))
    repo = story.world.repo("model")
    bundle = source.logs.repo(repo.id).bundles[story.train.outputs[0].bundle]
    made = promote(source, target, create_repo(target, "model", ""), PromoteRequest(repo, bundle)).bundle
    answer = ask(target, "WHAT PRODUCED 'model'", index=open_index(target))
    assert answer.rows == []
    who, copied = answer.notes[-2:]
    assert who.startswith(f"no recorded run wrote it: Bob promoted bundle {made.id} at ")
    assert copied.startswith(
        f"it is a copy of model@{bundle.id} in the store {source.id}, made by the run {story.train.run} at "
    )
    assert copied.endswith("; ask there")
    assert [row["run"] for row in story.ask(f"WHAT PRODUCED 'model@{bundle.id}'")] == [story.train.run]
