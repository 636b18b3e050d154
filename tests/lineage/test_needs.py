"""What an unfinished run needs is known from before its first commit until its refs have moved."""

from pathlib import Path

import pytest

from datamon.errors import Conflict
from datamon.lineage.needs import find_needs
from datamon.lineage.recording import Ending, Policy, Recording, RunIntent
from datamon.lineage.records import RUN_ABANDONED, CodeVersion, InputRecord, PlannedOutput
from datamon.lineage.ref_moves import Target
from datamon.store import layout
from datamon.store.bundle import Repo
from datamon.store.ids import RunId
from datamon.store.opening import Store
from datamon.store.repos import create_repo
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.retention.needs import Needs
from datamon.store.retention.squash import Keeping, squash
from datamon.store.testing.commits import commit_nothing


@pytest.fixture
def repo(store: Store) -> Repo:
    return create_repo(store, "orders", "")


def _opened(store: Store, repo: Repo, *inputs: InputRecord) -> tuple[Recording, Target]:
    target = Target(PlannedOutput("out", repo.id, repo.name, "main"), repo)
    intent = RunIntent("default", "step", "context", ("x",), ".", CodeVersion(), inputs=inputs, targets=(target,))
    return Recording.open(store, intent, Policy()), target


def _read(repo: Repo, bundle: str, content: str) -> InputRecord:
    return InputRecord("in", repo.id, repo.name, "main", "branch", bundle, content)  # type: ignore[arg-type]


def test_nothing_is_needed_where_no_run_is_open(store: Store) -> None:
    assert find_needs(store) == Needs()


def test_a_run_needs_what_it_reads_and_what_it_committed_until_it_has_ended(
    store: Store, repo: Repo, tmp_path: Path
) -> None:
    old = commit_nothing(store, repo)
    for _ in range(3):
        commit_nothing(store, repo)
    recording, target = _opened(store, repo, _read(repo, old.id, old.content))
    (tmp_path / "a").write_text("a")
    output = recording.commit_output(target, tmp_path)
    assert output is not None
    assert find_needs(store) == Needs(frozenset((old.id,)), frozenset((recording.run,)))
    commit_nothing(store, repo)
    squash(store, repo, Keeping(), lambda: find_needs(store))
    state = store.logs.repo(repo.id)
    assert {old.id, output.bundle} <= state.bundles.keys() - state.deleted.keys()
    with pytest.raises(Conflict, match="a run that has not ended"):
        delete_bundles(store, repo, DeleteRequest((output.bundle,)), lambda: find_needs(store))
    recording.end(Ending("succeeded"))
    assert find_needs(store) == Needs()
    assert store.logs.repo(repo.id).refs["main"].bundle == output.bundle


def test_an_abandoned_run_needs_nothing(store: Store, repo: Repo) -> None:
    bundle = commit_nothing(store, repo)
    recording, _ = _opened(store, repo, _read(repo, bundle.id, bundle.content))
    store.journal.append({"kind": RUN_ABANDONED, "run": recording.run})
    assert find_needs(store) == Needs()


def test_a_run_that_is_marked_and_not_recorded_yet_is_spared(store: Store, repo: Repo) -> None:
    run = RunId("2Q0z8hJ3bW6kR1xY5cN7vM9aT4d")
    store.metadata.put(layout.open_run(run), b"")
    assert find_needs(store) == Needs(frozenset(), frozenset((run,)))
