"""A store against a plain model of it: repos, bundles, refs, by several processes whose clocks go wrong and whose writes fail."""

from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle as Kept
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, multiple, rule

from datamon.errors import DatamonError, NotFound, Unavailable
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author, Move, RefKind
from datamon.store.ids import BundleId
from datamon.store.manifest import write_manifest
from datamon.store.opening import Store, store_on
from datamon.store.refs import create_branch, delete_label, list_refs, move_refs, ref_history, set_label
from datamon.store.repos import create_repo, find_repo, list_repos
from datamon.store.resolve import resolve
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.commits import commit_nothing
from datamon.store.testing.faults import WRITES, Fault, FaultKind, FaultyBackend, Killed

ADA = Author("Ada", "ada@example.org")
REPOS = st.sampled_from(["orders", "parts"])
NAMES = st.sampled_from(["main", "trial", "v1", "prod"])
WHO = st.integers(0, 2)
NEW = BundleId("new")
"""Stands in the model for the bundle that a commit is about to make."""


@dataclass(frozen=True)
class ModelRef:
    kind: RefKind
    bundle: BundleId
    frozen: bool = False


@dataclass
class ModelRepo:
    """What a repo should hold."""

    parents: dict[BundleId, tuple[BundleId, ...]] = field(default_factory=dict)
    refs: dict[str, ModelRef] = field(default_factory=dict)
    moves: list[tuple[str, BundleId | None, BundleId | None]] = field(default_factory=list)

    def point(self, name: str, kind: RefKind, bundle: BundleId | None, frozen: bool = False) -> None:
        old = self.refs.get(name)
        self.moves.append((name, old.bundle if old else None, bundle))
        if bundle is None:
            del self.refs[name]
        else:
            self.refs[name] = ModelRef(kind, bundle, frozen)

    def fault_in(self, name: str, kind: RefKind) -> str | None:
        """Why this name cannot be pointed elsewhere as this kind."""
        standing = self.refs.get(name)
        if standing is None:
            return None
        if standing.kind != kind:
            return "ref-exists"
        return "ref-frozen" if standing.frozen else None


class StoreModel(RuleBasedStateMachine):
    """Each rule does one thing to the model and to the store, by one of three processes, or by a fourth that fails at a write."""

    committed = Kept("committed")
    failing: Store | None = None
    is_read_back = False

    @initialize()
    def open(self) -> None:
        self.metadata, self.blob = MemoryBackend(), MemoryBackend()
        self.clock = SteppingClock(step_ns=0)
        self.processes = [store_on(self.metadata, self.blob, ADA, clock=self.clock) for _ in range(3)]
        # The only manifest there will be lies there already: a commit's writes are its intent and its entry.
        write_manifest(self.metadata, [])
        self.model: dict[str, ModelRepo] = {}

    @rule(step_ns=st.sampled_from([0, 1, -1, 10**9, -(10**12)]))
    def let_the_clock_run_so(self, step_ns: int) -> None:
        self.clock.step_ns = step_ns

    @rule(who=WHO, name=REPOS)
    def create_repo(self, who: int, name: str) -> None:
        def change(model: dict[str, ModelRepo]) -> str | None:
            if name in model:
                return "repo-exists"
            model[name] = ModelRepo()
            return None

        self._both(self.processes[who], lambda store: create_repo(store, name, ""), change)

    @rule(target=committed, who=WHO, repo=REPOS, branch=st.none() | NAMES, label=st.none() | NAMES)
    def commit(self, who: int, repo: str, branch: str | None, label: str | None) -> object:
        def change(model: dict[str, ModelRepo]) -> str | None:
            if repo not in model:
                return "repo-not-found"
            there = model[repo]
            if label is not None and label == branch:
                return "bad-name"
            targets: list[tuple[str | None, RefKind]] = [(branch, "branch"), (label, "label")]
            for name, kind in targets:
                if name is not None and (code := there.fault_in(name, kind)):
                    return code
            head = there.refs.get(branch) if branch else None
            there.parents[NEW] = (head.bundle,) if head else ()
            for name, kind in targets:
                if name is not None:
                    there.point(name, kind, NEW)
            return None

        made = self._both(
            self.processes[who],
            lambda store: commit_nothing(store, find_repo(store, repo), branch=branch, label=label),
            change,
        )
        return (repo, list(self.model[repo].parents)[-1]) if made else multiple()

    @rule(who=WHO, at=committed, label=NAMES, frozen=st.booleans())
    def set_label(self, who: int, at: tuple[str, BundleId], label: str, frozen: bool) -> None:
        repo, bundle = at

        def change(model: dict[str, ModelRepo]) -> str | None:
            there = model[repo]
            standing = there.refs.get(label)
            if standing == ModelRef("label", bundle, True) or standing == ModelRef("label", bundle, frozen):
                return None
            if code := there.fault_in(label, "label"):
                return code
            there.point(label, "label", bundle, frozen)
            return None

        self._both(
            self.processes[who],
            lambda store: set_label(store, find_repo(store, repo), label, bundle, frozen=frozen),
            change,
        )

    @rule(who=WHO, repo=REPOS, label=NAMES)
    def delete_label(self, who: int, repo: str, label: str) -> None:
        def change(model: dict[str, ModelRepo]) -> str | None:
            if repo not in model:
                return "repo-not-found"
            standing = model[repo].refs.get(label)
            if standing is None or standing.kind != "label":
                return "ref-not-found"
            if standing.frozen:
                return "ref-frozen"
            model[repo].point(label, "label", None)
            return None

        self._both(self.processes[who], lambda store: delete_label(store, find_repo(store, repo), label), change)

    @rule(who=WHO, at=committed, name=NAMES)
    def create_branch(self, who: int, at: tuple[str, BundleId], name: str) -> None:
        repo, bundle = at

        def change(model: dict[str, ModelRepo]) -> str | None:
            if name in model[repo].refs:
                return "ref-exists"
            model[repo].point(name, "branch", bundle)
            return None

        self._both(
            self.processes[who], lambda store: create_branch(store, find_repo(store, repo), name, bundle), change
        )

    @rule(
        who=WHO,
        old=committed,
        new=committed,
        names=st.lists(NAMES, max_size=3),
        kind=st.sampled_from(["label", "branch"]),
    )
    def move_refs(
        self, who: int, old: tuple[str, BundleId], new: tuple[str, BundleId], names: list[str], kind: RefKind
    ) -> None:
        repo = old[0]
        moves = [Move(name, kind, old[1], new[1]) for name in names]
        refused: list[list[str]] = []

        def change(model: dict[str, ModelRepo]) -> str | None:
            there = model[repo]
            left = []
            moved: set[str] = set()
            for name in names:
                standing = there.refs.get(name)
                if standing == ModelRef(kind, old[1]) and new[1] in there.parents and name not in moved:
                    there.point(name, kind, new[1])
                    moved.add(name)
                else:
                    left.append(name)
            refused[:] = [left]
            return None

        def act(store: Store) -> None:
            # Without a run, so that a move made twice is refused the second time.
            left = move_refs(store, find_repo(store, repo), moves, None)
            assert [move.ref for move in left] == refused[0]

        self._both(self.processes[who], act, change)

    @rule(
        write=st.integers(1, 2),
        kind=st.sampled_from(["before", "after", "full", "killed-before", "killed-after"]),
    )
    def let_the_next_write_fail(self, write: int, kind: FaultKind) -> None:
        backend = FaultyBackend(self.metadata, Fault(write, kind), methods=WRITES)
        self.failing = store_on(backend, self.blob, ADA, clock=self.clock)
        self.is_read_back = (write, kind) == (2, "after")

    def _both(
        self,
        store: Store,
        act: Callable[[Store], object],
        change: Callable[[dict[str, ModelRepo]], str | None],
    ) -> bool:
        """Changes the model and the store, and says whether something was changed. A refusal must be the same in both; a
        write that fails leaves the store as it was or as it should be."""
        after = deepcopy(self.model)
        code = change(after)
        failing, self.failing = self.failing, None
        try:
            act(failing or store)
        except (Unavailable, Killed):
            assert failing is not None
            assert not self.is_read_back, "a lost answer was taken for a failure"
            if not self._is(after):
                return False
        except DatamonError as error:
            assert error.code == code, f"{error.code} where the model says {code}"
            return False
        assert code is None, f"nothing was refused where the model says {code}"
        changed = after != self.model
        self.model = after
        self._name_the_new_bundle()
        return changed

    def _is(self, model: dict[str, ModelRepo]) -> bool:
        """Whether the store has as many repos, bundles and moves as `model`, by a process that has seen nothing yet."""
        store = store_on(self.metadata, self.blob, ADA)
        if {repo.name for repo in list_repos(store)} != set(model):
            return False
        states = {name: store.logs.repo(find_repo(store, name).id) for name in model}
        return all(
            (len(states[name].bundles), len(states[name].history)) == (len(there.parents), len(there.moves))
            for name, there in model.items()
        )

    def _name_the_new_bundle(self) -> None:
        for name, there in self.model.items():
            if NEW in there.parents:
                store = store_on(self.metadata, self.blob, ADA)
                identity = list(store.logs.repo(find_repo(store, name).id).bundles)[-1]
                there.parents[identity] = there.parents.pop(NEW)
                for ref, standing in there.refs.items():
                    if standing.bundle == NEW:
                        there.refs[ref] = replace(standing, bundle=identity)
                there.moves = [(ref, old, identity if new == NEW else new) for ref, old, new in there.moves]

    @invariant()
    def every_process_sees_the_model(self) -> None:
        for store in (*self.processes, store_on(self.metadata, self.blob, ADA)):
            assert [repo.name for repo in list_repos(store)] == sorted(self.model)
            for name, there in self.model.items():
                self._agrees(store, name, there)

    def _agrees(self, store: Store, name: str, there: ModelRepo) -> None:
        repo = find_repo(store, name)
        state = store.logs.repo(repo.id)
        assert [(bundle.id, bundle.parents) for bundle in state.bundles.values()] == list(there.parents.items())
        refs = list_refs(store, repo, "branch") + list_refs(store, repo, "label")
        assert {ref.name: ModelRef(ref.kind, ref.bundle, ref.frozen) for ref in refs} == there.refs
        assert [(move.ref, move.old, move.new) for _, move in state.history] == there.moves
        assert all(later.time_ns > earlier.time_ns for earlier, later in pairwise(state.entries))
        for ref, standing in there.refs.items():
            assert resolve(store, f"{name}@{ref}").bundle.id == standing.bundle
            assert [move.new for _, move in ref_history(store, repo, ref)][-1] == standing.bundle
        with suppress(NotFound):
            assert resolve(store, name).bundle.id == there.refs["main"].bundle

    @invariant()
    def every_entry_was_announced(self) -> None:
        store = store_on(self.metadata, self.blob, ADA)
        announced = {(record["repo"], record["number"], record["entry"]) for record in store.journal.read({})[0]}
        logs = [None, *(repo.id for repo in list_repos(store))]
        entries = {(log, entry.number, entry.id) for log in logs for entry in store.logs.entries_after(log, 0)}
        assert entries <= announced


TestStoreModel = StoreModel.TestCase
TestStoreModel.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
