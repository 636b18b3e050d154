"""Labels and branches: one namespace, one entry for each change, history kept."""

import pytest

from datamon.errors import Conflict, DatamonError, Invalid, NotFound
from datamon.store.bundle import Bundle, Move, Repo
from datamon.store.commit import CommitRequest, check_targets, commit_bundle
from datamon.store.ids import BundleId, RunId
from datamon.store.manifest import write_manifest
from datamon.store.opening import Store
from datamon.store.refs import create_branch, delete_label, find_ref, list_refs, move_refs, ref_history, set_label
from datamon.store.repos import create_repo
from datamon.store.testing.commits import commit_nothing

RUN = RunId("2Q0z8hJ3bW6kR1xY5cN7vM9aT4d")
NO_BUNDLE = BundleId("000000000000000000000000000")


@pytest.fixture
def repo(store: Store) -> Repo:
    return create_repo(store, "orders", "")


@pytest.fixture
def bundles(store: Store, repo: Repo) -> list[Bundle]:
    return [commit_nothing(store, repo, message=f"bundle {n}") for n in range(3)]


def _count(store: Store, repo: Repo) -> int:
    return store.logs.repo(repo.id).number


def _code(refusal: pytest.ExceptionInfo[DatamonError]) -> str:
    return refusal.value.code


# -- labels


def test_a_label_set_again_moves_and_keeps_its_history(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    first, second, _ = bundles
    set_label(store, repo, "v1", first.id)
    moved = set_label(store, repo, "v1", second.id)
    assert moved == find_ref(store, repo, "v1", "label")
    assert moved.bundle == second.id
    assert [(move.old, move.new) for _, move in ref_history(store, repo, "v1")] == [
        (None, first.id),
        (first.id, second.id),
    ]


def test_a_label_set_as_it_stands_writes_nothing(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    made = set_label(store, repo, "v1", bundles[0].id)
    before = _count(store, repo)
    assert set_label(store, repo, "v1", bundles[0].id) == made
    assert _count(store, repo) == before


def test_many_labels_may_point_at_one_bundle_and_are_listed_by_name(
    store: Store, repo: Repo, bundles: list[Bundle]
) -> None:
    for name in ["b", "a"]:
        set_label(store, repo, name, bundles[0].id)
    assert [(ref.name, ref.bundle) for ref in list_refs(store, repo, "label")] == [
        ("a", bundles[0].id),
        ("b", bundles[0].id),
    ]
    assert [ref.name for ref in list_refs(store, repo, "branch")] == ["main"]


def test_a_label_of_a_bundle_that_is_not_there_is_refused(store: Store, repo: Repo) -> None:
    with pytest.raises(NotFound) as refusal:
        set_label(store, repo, "v1", NO_BUNDLE)
    assert _code(refusal) == "bundle-not-found"
    assert _count(store, repo) == 0


def test_a_bundle_of_another_repo_is_not_there(store: Store, bundles: list[Bundle]) -> None:
    other = create_repo(store, "parts", "")
    with pytest.raises(NotFound, match="'parts' has no bundle"):
        set_label(store, other, "v1", bundles[0].id)


@pytest.mark.parametrize(
    "name", ["", "a/b", "a b", "a\n", "a\x00", "n" * 300, "a@b", "a~1", "..", NO_BUNDLE, "a\udcff", "📦"]
)
def test_no_ref_can_have_a_hostile_name_and_lists_stay_whole(
    name: str, store: Store, repo: Repo, bundles: list[Bundle]
) -> None:
    manifest = write_manifest(store.metadata, [])
    before = _count(store, repo)
    for attempt in (
        lambda: set_label(store, repo, name, bundles[0].id),
        lambda: create_branch(store, repo, name, bundles[0].id),
        lambda: delete_label(store, repo, name),
        lambda: commit_bundle(store, repo, CommitRequest(manifest, "", None, branch=name)),
        lambda: commit_bundle(store, repo, CommitRequest(manifest, "", None, branch="main", label=name)),
        lambda: check_targets(store, repo, branch=name, label=None),
    ):
        with pytest.raises(Invalid) as refusal:
            attempt()
        assert _code(refusal) == "bad-name"
    assert _count(store, repo) == before
    assert list_refs(store, repo, "label") == []


def test_a_frozen_label_is_not_moved_nor_deleted_nor_thawed(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    frozen = set_label(store, repo, "v1", bundles[0].id, frozen=True)
    assert frozen.frozen
    for attempt in (
        lambda: set_label(store, repo, "v1", bundles[1].id),
        lambda: set_label(store, repo, "v1", bundles[1].id, frozen=True),
        lambda: delete_label(store, repo, "v1"),
        lambda: commit_nothing(store, repo, label="v1"),
        lambda: check_targets(store, repo, branch="main", label="v1"),
    ):
        with pytest.raises(Conflict, match="frozen") as refusal:
            attempt()
        assert _code(refusal) == "ref-frozen"
    assert set_label(store, repo, "v1", bundles[0].id) == frozen
    assert len(store.logs.repo(repo.id).bundles) == 3


def test_a_label_can_be_frozen_where_it_stands(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    set_label(store, repo, "v1", bundles[0].id)
    assert set_label(store, repo, "v1", bundles[0].id, frozen=True).frozen
    assert find_ref(store, repo, "v1", "label").frozen


def test_a_deleted_label_is_gone_and_its_history_stays(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    set_label(store, repo, "v1", bundles[0].id)
    assert delete_label(store, repo, "v1").old == bundles[0].id
    assert list_refs(store, repo, "label") == []
    assert [move.new for _, move in ref_history(store, repo, "v1")] == [bundles[0].id, None]
    with pytest.raises(NotFound):
        delete_label(store, repo, "v1")
    assert set_label(store, repo, "v1", bundles[1].id).bundle == bundles[1].id


def test_a_ref_that_is_not_there_is_named_with_the_nearest_that_is(
    store: Store, repo: Repo, bundles: list[Bundle]
) -> None:
    set_label(store, repo, "release", bundles[0].id)
    with pytest.raises(NotFound, match="did you mean 'release'") as refusal:
        find_ref(store, repo, "relase", "label")
    assert _code(refusal) == "ref-not-found"
    with pytest.raises(NotFound, match="'main' is a branch"):
        delete_label(store, repo, "main")
    with pytest.raises(NotFound, match="datamon label list"):
        ref_history(store, repo, "zzz")


# -- branches


def test_the_first_commit_to_a_branch_makes_it(store: Store, repo: Repo) -> None:
    assert list_refs(store, repo, "branch") == []
    bundle = commit_nothing(store, repo)
    assert find_ref(store, repo, "main", "branch").bundle == bundle.id


def test_a_new_branch_begins_where_it_is_told_and_commits_move_it_alone(
    store: Store, repo: Repo, bundles: list[Bundle]
) -> None:
    create_branch(store, repo, "trial", bundles[0].id)
    tip = commit_nothing(store, repo, branch="trial")
    assert tip.parents == (bundles[0].id,)
    assert {ref.name: ref.bundle for ref in list_refs(store, repo, "branch")} == {
        "main": bundles[2].id,
        "trial": tip.id,
    }


def test_a_branch_that_exists_is_not_made_again(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    with pytest.raises(Conflict) as refusal:
        create_branch(store, repo, "main", bundles[0].id)
    assert _code(refusal) == "ref-exists"
    assert find_ref(store, repo, "main", "branch").bundle == bundles[2].id


def test_a_branch_of_a_bundle_that_is_not_there_is_refused(store: Store, repo: Repo) -> None:
    with pytest.raises(NotFound):
        create_branch(store, repo, "trial", NO_BUNDLE)


def test_labels_and_branches_share_one_namespace(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    set_label(store, repo, "v1", bundles[0].id)
    for attempt in (
        lambda: set_label(store, repo, "main", bundles[0].id),
        lambda: create_branch(store, repo, "v1", bundles[0].id),
        lambda: commit_nothing(store, repo, branch="v1"),
        lambda: commit_nothing(store, repo, label="main", branch="trial"),
    ):
        with pytest.raises(Conflict) as refusal:
            attempt()
        assert _code(refusal) == "ref-exists"
    assert len(store.logs.repo(repo.id).bundles) == 3


def test_one_name_cannot_be_a_commits_branch_and_label(store: Store, repo: Repo) -> None:
    with pytest.raises(Invalid, match="both the branch and the label"):
        commit_nothing(store, repo, branch="x", label="x")
    assert _count(store, repo) == 0


# -- commits


def test_a_commit_its_branch_and_its_label_are_one_entry(store: Store, repo: Repo) -> None:
    bundle = commit_nothing(store, repo, message="all at once", label="v1")
    [entry] = store.logs.repo(repo.id).entries
    assert entry.kind == "commit"
    assert entry.bundles == (bundle,)
    assert [(move.ref, move.ref_kind, move.old, move.new) for move in entry.moves] == [
        ("main", "branch", None, bundle.id),
        ("v1", "label", None, bundle.id),
    ]
    assert bundle.time_ns == entry.time_ns
    assert bundle.author == store.author


def test_a_commit_with_neither_branch_nor_label_moves_no_ref(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    bundle = commit_nothing(store, repo, branch=None, parents=(bundles[0].id,))
    assert bundle.parents == (bundles[0].id,)
    assert find_ref(store, repo, "main", "branch").bundle == bundles[2].id
    assert list(store.logs.repo(repo.id).bundles)[-1] == bundle.id
    assert commit_nothing(store, repo, branch=None).parents == ()


def test_a_parent_that_is_not_there_is_refused(store: Store, repo: Repo) -> None:
    with pytest.raises(NotFound):
        commit_nothing(store, repo, parents=(NO_BUNDLE,))
    assert _count(store, repo) == 0


def test_a_message_that_is_no_text_is_refused(store: Store, repo: Repo) -> None:
    with pytest.raises(Invalid, match="message"):
        commit_nothing(store, repo, message="caf\udce9")
    assert _count(store, repo) == 0


# -- moves of a finished run


def test_moves_whose_old_value_holds_are_one_entry_and_the_others_come_back(
    store: Store, repo: Repo, bundles: list[Bundle]
) -> None:
    first, second, head = bundles
    output = commit_nothing(store, repo, branch=None)
    set_label(store, repo, "moved", second.id)
    set_label(store, repo, "frozen", first.id, frozen=True)
    before = _count(store, repo)
    good = [Move("main", "branch", head.id, output.id), Move("new", "label", None, output.id)]
    bad = [
        Move("moved", "label", first.id, output.id),
        Move("frozen", "label", first.id, output.id),
        Move("absent", "label", first.id, output.id),
        Move("other", "label", None, NO_BUNDLE),
        Move("new", "label", output.id, first.id),
        Move("main", "label", head.id, output.id),
    ]
    assert move_refs(store, repo, [*good, *bad], RUN) == bad
    assert _count(store, repo) == before + 1
    entry = store.logs.repo(repo.id).entries[-1]
    assert (entry.kind, entry.run, entry.moves) == ("move", RUN, tuple(good))
    assert find_ref(store, repo, "main", "branch").bundle == output.id


def test_moves_that_none_can_be_made_write_nothing(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    before = _count(store, repo)
    stale = [Move("main", "branch", bundles[0].id, bundles[1].id)]
    assert move_refs(store, repo, stale, RUN) == stale
    assert move_refs(store, repo, [], RUN) == []
    assert _count(store, repo) == before


def test_moves_that_the_run_made_before_are_done_even_when_the_ref_went_on(
    store: Store, repo: Repo, bundles: list[Bundle]
) -> None:
    output = commit_nothing(store, repo, branch=None)
    moves = [Move("main", "branch", bundles[2].id, output.id)]
    assert move_refs(store, repo, moves, RUN) == []
    before = _count(store, repo)
    assert move_refs(store, repo, moves, RUN) == []
    commit_nothing(store, repo)
    assert move_refs(store, repo, moves, RUN) == []
    assert _count(store, repo) == before + 1
    assert move_refs(store, repo, moves, None) == moves
