"""Whatever is deleted, squashed and cut out by whomever, a repo stays whole."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from datamon.errors import Conflict, DatamonError, NotFound
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author, Bundle, Repo
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.entries import TreeEntry
from datamon.store.ids import BundleId, ContentId
from datamon.store.manifest import iter_entries, read_manifest, write_manifest
from datamon.store.opening import Places, Store, open_store, store_on
from datamon.store.refs import create_branch, live_bundle, set_label
from datamon.store.repos import create_repo, find_repo, rename_repo
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.retention.delete_path import delete_paths
from datamon.store.retention.squash import Keeping, squash
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.commits import commit_nothing
from datamon.store.tombstones import live_bundles, standing_in, tombstone

BRANCHES = st.sampled_from(["main", "dev"])
LABELS = st.sampled_from(["v1", "v2.0.0", "prod"])
PATHS = ("a", "b", "d/a", "d/b", "d0")
TREES = st.frozensets(st.sampled_from(PATHS), max_size=4)
CUTS = st.sampled_from(["a", "b", "d", "d/a", "d0"])


class Kept(NamedTuple):
    """What the model knows of a live bundle: the number of its original commit, and its paths."""

    place: int
    paths: frozenset[str]


class Retention(RuleBasedStateMachine):
    """Two writers on one repo, and a model that knows of every live bundle which paths it has."""

    @initialize()
    def begin(self) -> None:
        backend, clock = MemoryBackend(), SteppingClock()
        self.stores = [store_on(backend, backend, Author(name, name), clock=clock) for name in ("Ada", "Bo")]
        self.repo = create_repo(self.stores[0], "orders", "")
        self.live: dict[BundleId, Kept] = {}
        self.gone: set[BundleId] = set()
        self.count = 0

    def picked(self, pick: int) -> BundleId | None:
        return list(self.live)[pick % len(self.live)] if self.live else None

    def take_away(self, bundles: set[BundleId]) -> None:
        for bundle in bundles:
            del self.live[bundle]
        self.gone |= bundles

    @rule(writer=st.integers(0, 1), paths=TREES, branch=st.none() | BRANCHES, label=st.none() | LABELS)
    def commit(self, writer: int, paths: frozenset[str], branch: str | None, label: str | None) -> None:
        store = self.stores[writer]
        entries = [TreeEntry(p, "file", 1, ContentId("1" * 64), None, None, False, 0o644, 0) for p in paths]
        if any(path.startswith("d/") for path in paths):
            entries.append(TreeEntry("d", "dir", 0, ContentId("0" * 64), None, None, False, 0o755, 0))
        request = CommitRequest(write_manifest(store.metadata, entries), "", None, branch=branch, label=label)
        with suppress(Conflict):  # the label is frozen
            made = commit_bundle(store, self.repo, request)
            self.count += 1
            self.live[made.id] = Kept(self.count, frozenset(entry.path for entry in entries))

    @rule(
        writer=st.integers(0, 1), label=LABELS, pick=st.integers(0, 99), frozen=st.integers(0, 9).map(lambda n: n == 0)
    )
    def label(self, writer: int, label: str, pick: int, frozen: bool) -> None:
        bundle = self.picked(pick)
        if bundle is not None:
            with suppress(Conflict):
                set_label(self.stores[writer], self.repo, label, bundle, frozen=frozen)

    @rule(writer=st.integers(0, 1), branch=BRANCHES, pick=st.integers(0, 99))
    def branch(self, writer: int, branch: str, pick: int) -> None:
        bundle = self.picked(pick)
        if bundle is not None:
            with suppress(Conflict):
                create_branch(self.stores[writer], self.repo, branch, bundle)

    @rule(writer=st.integers(0, 1), picks=st.sets(st.integers(0, 99), min_size=1, max_size=3), force=st.booleans())
    def delete(self, writer: int, picks: set[int], force: bool) -> None:
        chosen = {bundle for bundle in map(self.picked, picks) if bundle is not None}
        if chosen:
            with suppress(Conflict):  # refs hold one
                delete_bundles(self.stores[writer], self.repo, DeleteRequest(tuple(chosen), "model", force))
                self.take_away(chosen)

    @rule(writer=st.integers(0, 1), pick=st.integers(0, 99))
    def delete_again(self, writer: int, pick: int) -> None:
        if self.gone:
            bundle = sorted(self.gone)[pick % len(self.gone)]
            with suppress(NotFound):
                delete_bundles(self.stores[writer], self.repo, DeleteRequest((bundle,), force=True))
                raise AssertionError("deleted twice")

    @rule(writer=st.integers(0, 1), last=st.integers(1, 3), labelled=st.booleans(), semver=st.booleans())
    def squash(self, writer: int, last: int, labelled: bool, semver: bool) -> None:
        state = self.stores[writer].logs.repo(self.repo.id)
        held = {ref.bundle for ref in state.refs.values() if ref.kind == "branch" or ref.frozen or labelled}
        held |= {ref.bundle for ref in state.refs.values() if semver and ref.name == "v2.0.0"}
        keeping = Keeping(last, labelled, semver)
        gone = {bundle.id for bundle in squash(self.stores[writer], self.repo, keeping).bundles}
        assert not gone & held
        self.take_away(gone)
        assert len(self.live) >= min(1, len(state.bundles) - len(state.deleted))
        assert squash(self.stores[writer], self.repo, keeping).bundles == ()

    @rule(writer=st.integers(0, 1), cut=CUTS)
    def cut(self, writer: int, cut: str) -> None:
        def left(paths: frozenset[str]) -> frozenset[str]:
            return frozenset(path for path in paths if path != cut and not path.startswith(f"{cut}/"))

        affected = {bundle for bundle, kept in self.live.items() if left(kept.paths) != kept.paths}
        try:
            rewritten = delete_paths(self.stores[writer], self.repo, [cut])
        except (Conflict, NotFound) as refusal:
            assert isinstance(refusal, Conflict) == bool(affected)
            return
        replaced = {old.id: new.id for old, new in rewritten.bundles}
        assert replaced.keys() == affected
        kept = {replaced[old]: Kept(self.live[old].place, left(self.live[old].paths)) for old in affected}
        self.take_away(affected)
        self.live |= kept

    @invariant()
    def everything_holds(self) -> None:
        if not hasattr(self, "stores"):
            return
        for store in self.stores:
            state = store.logs.repo(self.repo.id)
            ordered = sorted(self.live, key=lambda bundle: self.live[bundle].place)
            assert [bundle.id for bundle in live_bundles(state)] == ordered
            assert {ref.bundle for ref in state.refs.values()} <= self.live.keys()
            assert state.deleted.keys() == self.gone
            assert all(tombstone(state, bundle) is not None for bundle in self.gone)
            assert all(standing_in(state, bundle) in state.bundles for bundle in self.gone)
            for bundle, kept in self.live.items():
                manifest = read_manifest(store.metadata, live_bundle(state, self.repo, bundle).manifest)
                assert {entry.path for entry in iter_entries(store.metadata, manifest)} == kept.paths
                assert set(state.bundles[bundle].parents) <= state.bundles.keys()


TestRetention = Retention.TestCase
TestRetention.settings = settings(max_examples=40, stateful_step_count=30)


SQUASHER = """
import sys
from datamon.store.bundle import Author
from datamon.store.opening import Places, open_store
from datamon.store.repos import find_repo
from datamon.store.retention.squash import Keeping, squash

store = open_store(Places(sys.argv[1], sys.argv[1]), Author("Bo", "bo@example.org"))
sys.stdin.readline()
for last in (8, 4, 2):
    print(*(bundle.id for bundle in squash(store, find_repo(store, "orders"), Keeping(last)).bundles), sep="\\n")
"""


def test_processes_that_squash_at_once_delete_every_bundle_once(tmp_path: Path) -> None:
    place = str(tmp_path / "store")
    store = open_store(Places(place, place), Author("Ada", "ada@example.org"))
    repo = create_repo(store, "orders", "")
    made = [commit_nothing(store, repo) for _ in range(16)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SQUASHER, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    said = [process.communicate("go\n")[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    deleted = [bundle for lines in said for bundle in lines]
    assert sorted(deleted) == sorted(bundle.id for bundle in made[:14])
    assert _live(store, repo) == made[14:]


def _live(store: Store, repo: Repo) -> list[Bundle]:
    return live_bundles(store.logs.repo(repo.id))


def test_a_name_that_many_rename_to_at_once_goes_to_one(store: Store) -> None:

    repos = [create_repo(store, f"repo-{n}", "") for n in range(8)]

    def renamed(repo: Repo) -> bool:
        try:
            rename_repo(store, repo, "orders")
        except DatamonError as error:
            assert error.code == "repo-exists"
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(renamed, repos))
    assert won.count(True) == 1
    assert find_repo(store, "orders").id == repos[won.index(True)].id
