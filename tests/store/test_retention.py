"""What is deleted leaves a tombstone, what is kept verifies, and no ref points at what is gone."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.errors import Conflict, DatamonError, Invalid, NotFound
from datamon.store import segments
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author, Bundle, Move, Repo
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.entries import TreeEntry, is_at_or_below
from datamon.store.ids import BundleId, ContentId, RunId
from datamon.store.manifest import iter_entries, read_manifest, write_manifest
from datamon.store.opening import Store, store_on
from datamon.store.refs import create_branch, find_ref, list_refs, move_refs, ref_history, set_label
from datamon.store.repos import create_repo, find_repo
from datamon.store.resolve import find_bundle, resolve
from datamon.store.retention.cut_paths import PathCuts
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.retention.delete_path import delete_paths, plan_delete_paths
from datamon.store.retention.delete_repo import delete_repo
from datamon.store.retention.needs import Needs
from datamon.store.retention.squash import Keeping, plan_squash, squash
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.commits import commit_nothing
from datamon.store.testing.faults import FaultyBackend
from datamon.store.tombstones import live_bundles, tombstone, tombstone_of

RUN = RunId("2Q0z8hJ3bW6kR1xY5cN7vM9aT4d")


@pytest.fixture
def repo(store: Store) -> Repo:
    return create_repo(store, "orders", "")


@pytest.fixture
def bundles(store: Store, repo: Repo) -> list[Bundle]:
    return [commit_nothing(store, repo, message=f"bundle {n}") for n in range(4)]


def _file(path: str, size: int = 1) -> TreeEntry:
    return TreeEntry(path, "file", size, ContentId(f"{size:064x}"), None, None, False, 0o644, 0)


def _dir(path: str) -> TreeEntry:
    return TreeEntry(path, "dir", 0, ContentId("0" * 64), None, None, False, 0o755, 0)


def _commit(store: Store, repo: Repo, *paths: str, message: str = "", **fields: object) -> Bundle:
    directories = {path.rpartition("/")[0] for path in paths} - {""}
    entries = [*map(_dir, directories), *map(_file, paths)]
    request = CommitRequest(write_manifest(store.metadata, entries), message, None, **{"branch": "main", **fields})  # type: ignore[arg-type]
    return commit_bundle(store, repo, request)


def _paths(store: Store, bundle: Bundle) -> list[str]:
    return [entry.path for entry in iter_entries(store.metadata, read_manifest(store.metadata, bundle.manifest))]


def _live(store: Store, repo: Repo) -> list[BundleId]:
    return [bundle.id for bundle in live_bundles(store.logs.repo(repo.id))]


def _refused(kind: type[DatamonError], code: str, call: Callable[[], object]) -> DatamonError:
    with pytest.raises(kind) as refusal:
        call()
    assert refusal.value.code == code
    return refusal.value


# -- bundles


def test_a_deleted_bundle_is_found_no_more_and_its_tombstone_says_when_by_whom_and_why(
    store: Store, repo: Repo, bundles: list[Bundle]
) -> None:
    entry = delete_bundles(store, repo, DeleteRequest((bundles[1].id,), "private"))
    said = _refused(NotFound, "bundle-not-found", lambda: resolve(store, f"orders@{bundles[1].id}")).message
    assert "deleted at 2025-" in said and "by Ada (private); choose another" in said
    gone = tombstone(store.logs.repo(repo.id), bundles[1].id)
    assert gone is not None
    assert (gone.time_ns, gone.author, gone.reason, gone.replaced_by) == (entry.time_ns, store.author, "private", None)
    assert _live(store, repo) == [bundles[0].id, bundles[2].id, bundles[3].id]


def test_bundles_are_deleted_together_or_not_at_all(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    before = store.logs.repo(repo.id).number
    other = BundleId("0" * 27)
    _refused(NotFound, "bundle-not-found", lambda: delete_bundles(store, repo, DeleteRequest((bundles[0].id, other))))
    assert store.logs.repo(repo.id).number == before
    delete_bundles(store, repo, DeleteRequest((bundles[0].id, bundles[1].id)))
    assert store.logs.repo(repo.id).number == before + 1


def test_deleting_a_bundle_twice_says_that_it_is_gone(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    delete_bundles(store, repo, DeleteRequest((bundles[0].id,)))
    said = _refused(
        NotFound, "bundle-not-found", lambda: delete_bundles(store, repo, DeleteRequest((bundles[0].id,)))
    ).message
    assert "was deleted at" in said


def test_a_bundle_that_refs_point_at_stays_unless_forced(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    set_label(store, repo, "v1", bundles[3].id)
    said = _refused(
        Conflict, "bundle-held", lambda: delete_bundles(store, repo, DeleteRequest((bundles[3].id,)))
    ).message
    assert "branch 'main', label 'v1' of 'orders' point at it" in said and "--force" in said
    number = store.logs.repo(repo.id).number
    delete_bundles(store, repo, DeleteRequest((bundles[3].id, bundles[2].id), force=True))
    assert store.logs.repo(repo.id).number == number + 1
    assert [(ref.name, ref.bundle) for ref in list_refs(store, repo, "branch")] == [("main", bundles[1].id)]
    assert list_refs(store, repo, "label") == []
    assert [move.new for _, move in ref_history(store, repo, "v1")] == [bundles[3].id, None]


def test_a_branch_whose_last_bundle_goes_goes_with_it(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    delete_bundles(store, repo, DeleteRequest(tuple(bundle.id for bundle in bundles), force=True))
    assert list_refs(store, repo, "branch") == []
    assert commit_nothing(store, repo).parents == ()


def test_a_branch_goes_back_over_bundles_that_were_deleted_before(
    store: Store, repo: Repo, bundles: list[Bundle]
) -> None:
    delete_bundles(store, repo, DeleteRequest((bundles[2].id,)))
    delete_bundles(store, repo, DeleteRequest((bundles[3].id,), force=True))
    assert find_ref(store, repo, "main", "branch").bundle == bundles[1].id


def test_what_a_frozen_label_points_at_stays_whoever_asks(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    released = _commit(store, repo, "a")
    set_label(store, repo, "release", released.id, frozen=True)
    for force in (False, True):
        request = DeleteRequest((bundles[0].id, released.id), force=force)
        said = _refused(Conflict, "ref-frozen", lambda request=request: delete_bundles(store, repo, request)).message  # type: ignore[misc]
        assert "label 'release'" in said
    _refused(Conflict, "ref-frozen", lambda: delete_paths(store, repo, ["a"]))
    squash(store, repo, Keeping())
    assert _live(store, repo) == [released.id]


def test_what_an_unfinished_run_needs_stays_unless_forced(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    written = commit_bundle(
        store, repo, CommitRequest(write_manifest(store.metadata, []), "", None, run=RUN, role="out")
    )
    needs = Needs(frozenset((bundles[0].id,)), frozenset((RUN,)))
    for needed in (bundles[0].id, written.id):
        request = DeleteRequest((needed,))
        _refused(Conflict, "bundle-held", lambda request=request: delete_bundles(store, repo, request, lambda: needs))  # type: ignore[misc]
    assert [bundle.id for bundle in squash(store, repo, Keeping(), lambda: needs).bundles] == [
        bundles[1].id,
        bundles[2].id,
    ]
    delete_bundles(store, repo, DeleteRequest((bundles[0].id,), force=True), lambda: needs)


# -- squash


def test_a_squash_keeps_the_newest_of_each_branch_and_drops_the_labels_of_the_others(
    store: Store, repo: Repo, bundles: list[Bundle]
) -> None:
    create_branch(store, repo, "dev", bundles[1].id)
    on_dev = commit_nothing(store, repo, branch="dev")
    set_label(store, repo, "old", bundles[0].id)
    planned = plan_squash(store, repo, Keeping(last=2))
    assert _live(store, repo) == [*(bundle.id for bundle in bundles), on_dev.id]
    number = store.logs.repo(repo.id).number
    assert squash(store, repo, Keeping(last=2)) == planned
    assert store.logs.repo(repo.id).number == number + 1
    assert _live(store, repo) == [bundles[1].id, bundles[2].id, bundles[3].id, on_dev.id]
    assert planned.moves == (Move("old", "label", bundles[0].id, None),)
    gone = tombstone(store.logs.repo(repo.id), bundles[0].id)
    assert gone is not None and gone.reason == "squash"


def test_a_squash_where_all_is_kept_writes_nothing(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    squash(store, repo, Keeping())
    number = store.logs.repo(repo.id).number
    assert squash(store, repo, Keeping()).bundles == ()
    assert store.logs.repo(repo.id).number == number


@pytest.mark.parametrize(
    ("keeping", "kept"),
    [
        (Keeping(), []),
        (Keeping(labelled=True), ["v1.0.0", "1.2", "final"]),
        (Keeping(semver=True), ["v1.0.0", "1.2"]),
    ],
)
def test_a_squash_keeps_what_has_labels_or_version_labels_when_told(
    store: Store, repo: Repo, bundles: list[Bundle], keeping: Keeping, kept: list[str]
) -> None:
    labels = dict(zip(("v1.0.0", "1.2", "final"), bundles, strict=False))
    for name, bundle in labels.items():
        set_label(store, repo, name, bundle.id)
    squash(store, repo, keeping)
    assert _live(store, repo) == [*(labels[name].id for name in kept), bundles[3].id]
    assert {ref.name for ref in list_refs(store, repo, "label")} == set(kept)


def test_what_an_interrupted_upload_left_is_never_what_a_squash_keeps(store: Store, repo: Repo) -> None:
    """The first datamon counted it as the newest bundle, and deleted the only complete one."""
    complete = _commit(store, repo, "a")
    write_manifest(store.metadata, [_file("b")])  # all of an upload but its commit
    number = store.logs.repo(repo.id).number + 1
    store.journal.append({"kind": "intent", "repo": repo.id, "number": number, "entry": "2Q0z8hJ3bW6kR1xY5cN7vM9aT4e"})
    assert squash(store, repo, Keeping()).bundles == ()
    assert resolve(store, "orders").bundle == complete


def test_a_squash_keeps_at_least_one() -> None:
    _refused(Invalid, "bad-argument", lambda: Keeping(last=0))


def test_a_repo_without_branches_keeps_its_newest_bundles(store: Store, repo: Repo) -> None:
    made = [commit_nothing(store, repo, branch=None) for _ in range(3)]
    squash(store, repo, Keeping(last=2))
    assert _live(store, repo) == [made[1].id, made[2].id]


# -- paths


def test_a_path_is_cut_out_of_every_bundle_that_has_it_and_only_of_those(store: Store, repo: Repo) -> None:
    first = _commit(store, repo, "a", "secret/x", "secret/y", message="one", label="v1")
    second = _commit(store, repo, "a", message="two")
    third = _commit(store, repo, "a", "secret/x", message="three", role="out", run=RUN)
    assert plan_delete_paths(store, repo, ["secret"]) == [first, third]
    number = store.logs.repo(repo.id).number
    rewritten = delete_paths(store, repo, ["secret"], reason="asked to")
    assert store.logs.repo(repo.id).number == number + 1
    (old_first, new_first), (old_third, new_third) = rewritten.bundles
    assert (old_first, old_third) == (first, third)
    assert [_paths(store, bundle) for bundle in (new_first, new_third)] == [["a"], ["a"]]
    assert (new_first.message, new_first.author, new_first.parents) == ("one", first.author, ())
    assert (new_third.message, new_third.parents, new_third.run, new_third.role) == ("three", (second.id,), RUN, "out")
    assert new_first.time_ns == new_third.time_ns == store.logs.repo(repo.id).time_ns
    assert find_ref(store, repo, "v1", "label").bundle == new_first.id
    assert find_ref(store, repo, "main", "branch").bundle == new_third.id
    assert _live(store, repo) == [new_first.id, second.id, new_third.id]
    assert resolve(store, "orders@main~2").bundle == new_first
    said = _refused(NotFound, "bundle-not-found", lambda: resolve(store, f"orders@{first.id}")).message
    assert f"by Ada (asked to) and replaced by {new_first.id}; use that" in said


def test_a_path_cut_out_twice_or_mistyped_changes_nothing(store: Store, repo: Repo) -> None:
    _commit(store, repo, "a", "b")
    delete_paths(store, repo, ["a"])
    number = store.logs.repo(repo.id).number
    for paths in (["a"], ["b", "c"], ["B"]):
        _refused(NotFound, "path-not-found", lambda paths=paths: delete_paths(store, repo, paths))  # type: ignore[misc]
    for paths in ([""], ["."], [], ["../b"]):
        _refused(Invalid, "bad-path", lambda paths=paths: delete_paths(store, repo, paths))  # type: ignore[misc]
    assert store.logs.repo(repo.id).number == number


def test_a_bundle_of_one_path_becomes_an_empty_one(store: Store, repo: Repo) -> None:
    _commit(store, repo, "d/a")
    [(_, new)] = delete_paths(store, repo, ["d"]).bundles
    assert (new.entries, new.size_bytes, _paths(store, new)) == (0, 0, [])


def test_one_file_cut_out_of_five_thousand_leaves_the_others_readable(store: Store, repo: Repo) -> None:
    """The first datamon left a bundle of more than 1,000 files unreadable."""
    names = [f"part-{n:05d}.csv" for n in range(5_000)]
    old = _commit(store, repo, *names)
    [(_, new)] = delete_paths(store, repo, [names[1_234]]).bundles
    assert _paths(store, new) == names[:1_234] + names[1_235:]
    before = {row.id for row in read_manifest(store.metadata, old.manifest).segments}
    after = {row.id for row in read_manifest(store.metadata, new.manifest).segments}
    assert before & after


class Overtaken(MemoryBackend):
    """A backend on which, once, someone else's entry is there before the one that is put."""

    def __init__(self) -> None:
        super().__init__()
        self.someone: Callable[[], object] | None = None

    def put_if_absent(self, key: str, content: bytes) -> bool:
        someone, self.someone = self.someone, None
        if someone is not None:
            someone()
        return super().put_if_absent(key, content)


def test_the_path_in_a_bundle_that_is_committed_meanwhile_is_cut_out_too() -> None:
    backend = Overtaken()
    mine, theirs = (store_on(backend, backend, Author(name, name), clock=SteppingClock()) for name in ("me", "they"))
    repo = create_repo(mine, "orders", "")
    _commit(mine, repo, "a", "b")
    late: list[Bundle] = []
    backend.someone = lambda: late.append(_commit(theirs, repo, "a", "c"))
    rewritten = delete_paths(mine, repo, ["a"])
    assert [_paths(mine, new) for _, new in rewritten.bundles] == [["b"], ["c"]]
    assert rewritten.bundles[1][0] == late[0]
    assert rewritten.bundles[1][1].parents == (rewritten.bundles[0][1].id,)
    assert find_ref(mine, repo, "main", "branch").bundle == rewritten.bundles[1][1].id
    assert mine.logs.repo(repo.id).number == 3


def test_an_upload_that_is_overtaken_by_a_cut_follows_what_was_cut() -> None:
    backend = Overtaken()
    mine, theirs = (store_on(backend, backend, Author(name, name), clock=SteppingClock()) for name in ("me", "they"))
    repo = create_repo(mine, "orders", "")
    _commit(mine, repo, "a", "b")
    cut: list[Bundle] = []
    backend.someone = lambda: cut.append(delete_paths(theirs, repo, ["a"]).bundles[0][1])
    assert _commit(mine, repo, "c").parents == (cut[0].id,)


def test_an_upload_whose_parent_was_replaced_meanwhile_follows_the_replacement(store: Store, repo: Repo) -> None:
    first = _commit(store, repo, "a", "b")
    [(_, new)] = delete_paths(store, repo, ["a"]).bundles
    assert _commit(store, repo, "c", parents=(first.id,)).parents == (new.id,)


# -- repos


def test_a_deleted_repo_is_found_no_more_and_its_name_is_free(store: Store, repo: Repo, bundles: list[Bundle]) -> None:
    delete_repo(store, repo, reason="moved")
    said = _refused(NotFound, "repo-not-found", lambda: find_repo(store, "orders")).message
    assert "was deleted at 2025-" in said and "by Ada (moved)" in said
    gone = tombstone_of(store, repo.id, bundles[0].id)
    assert gone is not None and gone.reason == "moved"
    _refused(NotFound, "repo-not-found", lambda: delete_repo(store, repo))
    again = create_repo(store, "orders", "")
    assert find_repo(store, "orders") == again != repo
    assert _live(store, again) == []


def test_a_bundle_committed_to_a_repo_that_was_deleted_meanwhile_is_refused(store: Store, repo: Repo) -> None:
    delete_repo(store, repo)
    _refused(NotFound, "repo-not-found", lambda: commit_nothing(store, repo))
    assert store.logs.repo(repo.id).number == 0


def test_the_hidden_repo_stays(store: Store) -> None:
    _refused(NotFound, "repo-not-found", lambda: delete_repo(store, find_repo(store, "_runs")))


# -- manifests without paths


@given(
    names=st.sets(st.integers(0, 60), min_size=1),
    cut=st.sets(st.sampled_from(["d0", "d1", "d2", "d1/f5", "f3", "f30", "d2/f7"]), min_size=1, max_size=3),
)
def test_a_manifest_without_paths_is_the_one_that_writing_the_rest_anew_gives(names: set[int], cut: set[str]) -> None:
    """Cuts of segments made small, so that many fall."""
    paths = [f"d{n % 4}/f{n}" if n % 4 < 3 else f"f{n}" for n in sorted(names)]
    entries = [*map(_dir, {path.partition("/")[0] for path in paths if "/" in path}), *map(_file, paths)]
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (("FEWEST_ROWS", 3), ("MOST_ROWS", 7), ("CUT_BITS", 1)):
            patched.setattr(segments, name, value)
        metadata = MemoryBackend()
        whole = write_manifest(metadata, entries)
        kept = [entry for entry in entries if not any(is_at_or_below(entry.path, path) for path in cut)]
        before = {stored.key for stored in metadata.list("")}
        made = PathCuts(metadata, sorted(cut)).without(whole.id, frozenset())
        assert made == write_manifest(MemoryBackend(), kept)
        assert [entry.path for entry in iter_entries(metadata, made)] == sorted(entry.path for entry in kept)
        assert PathCuts(metadata, sorted(cut)).found_in(whole.id) == {
            path for path in cut if any(is_at_or_below(entry.path, path) for entry in entries)
        }
        condemned = frozenset(before)
        again = PathCuts(metadata, sorted(cut)).without(whole.id, condemned)
        assert again == made
        for key in before:
            metadata.delete(key)
        assert list(iter_entries(metadata, read_manifest(metadata, again.id))) == list(iter_entries(metadata, again))
        assert [entry.path for entry in iter_entries(metadata, again)] == sorted(entry.path for entry in kept)


def test_segments_that_no_path_lies_in_are_not_even_read(store: Store) -> None:
    names = [f"part-{n:06d}.csv" for n in range(60_000)]
    manifest = write_manifest(store.metadata, map(_file, names))
    counting = FaultyBackend(store.metadata)
    made = PathCuts(counting, ["part-030000.csv"]).without(manifest.id, frozenset())
    read = [call for call in counting.calls if call.startswith("get segments/")]
    assert len(manifest.segments) > 8
    assert 1 <= len(read) <= 3
    assert len({row.id for row in made.segments} & {row.id for row in manifest.segments}) >= len(manifest.segments) - 3


def test_a_shortened_id_of_a_deleted_bundle_finds_its_tombstone(
    store: Store, repo: Repo, bundles: list[Bundle]
) -> None:
    delete_bundles(store, repo, DeleteRequest((bundles[0].id,)))
    for part in (bundles[0].id[-6:], bundles[0].id[-12:]):
        said = _refused(NotFound, "bundle-not-found", lambda part=part: find_bundle(store, repo, part)).message  # type: ignore[misc]
        assert "was deleted at" in said
        said = _refused(NotFound, "bundle-not-found", lambda part=part: resolve(store, f"orders@{part}")).message  # type: ignore[misc]
        assert "was deleted at" in said


def test_a_run_that_ends_after_its_output_was_rewritten_moves_its_refs_to_the_replacement(
    store: Store, repo: Repo
) -> None:
    first = _commit(store, repo, "a", "b")
    written = _commit(store, repo, "a", "c", branch=None, follows="main", run=RUN, role="out")
    planned = Move("main", "branch", first.id, written.id)
    (_, second), (_, new) = delete_paths(store, repo, ["a"]).bundles
    assert find_ref(store, repo, "main", "branch").bundle == second.id
    assert move_refs(store, repo, [planned], RUN) == []
    assert find_ref(store, repo, "main", "branch").bundle == new.id
    number = store.logs.repo(repo.id).number
    assert move_refs(store, repo, [planned], RUN) == []
    assert store.logs.repo(repo.id).number == number
    [(_, last)] = delete_paths(store, repo, ["c"]).bundles
    assert move_refs(store, repo, [planned], RUN) == []
    assert find_ref(store, repo, "main", "branch").bundle == last.id
