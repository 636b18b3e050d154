"""A bundle that was promoted: the run that wrote it is in another store, and the answer says which."""

from datamon.query.engine import ask
from datamon.query.index import open_index
from datamon.query.testing.stories import Story
from datamon.store.bundle import Author, CopiedFrom
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.manifest import write_manifest
from datamon.store.opening import memory_store
from datamon.store.repos import create_repo


def test_what_produced_a_promoted_bundle_names_the_store_and_the_run_that_know() -> None:
    story = Story()
    source, target = story.world.store, memory_store(Author("Bob", "bob@example.org"))
    repo = story.world.repo("model")
    made = source.logs.repo(repo.id).bundles[story.train.outputs[0].bundle]
    original = CopiedFrom(source.id, repo.id, repo.name, made.id, made.author, made.time_ns, made.run)
    request = CommitRequest(write_manifest(target.metadata, []), "m", None, branch="main", copied_from=(original,))
    copy = commit_bundle(target, create_repo(target, "model", ""), request)
    answer = ask(target, "WHAT PRODUCED 'model'", index=open_index(target))
    assert answer.rows == []
    who, of_what = answer.notes[-2:]
    assert who.startswith(f"no recorded run wrote it: Bob promoted bundle {copy.id} at ")
    begins = f"it is a copy of model@{made.id} in the store {source.id}, made by the run {story.train.run} at "
    assert (of_what.startswith(begins), of_what.endswith("; ask there")) == (True, True)
    assert [row["run"] for row in story.ask(f"WHAT PRODUCED 'model@{made.id}'")] == [story.train.run]
