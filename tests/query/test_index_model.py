"""Refreshing an index after any interleaving gives what building it anew gives."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from blake3 import blake3
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle as Drawn
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from datamon.errors import Conflict, NotFound
from datamon.lineage.records import Environment, Metric, Param
from datamon.query.index import FileIndex
from datamon.query.testing.events import Told, read_of, write_of
from datamon.query.testing.quickly import differing, questions
from datamon.query.testing.relations import EVERYTHING, KEPT_TABLES, content_of, rebuilt
from datamon.store import layout
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author, Bundle, Repo
from datamon.store.codec import Record, encode
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.ids import BundleId, ContentId, ManifestId, new_ksuid
from datamon.store.manifest import Manifest
from datamon.store.opening import Store, store_on
from datamon.store.refs import create_branch, delete_label, set_label
from datamon.store.repos import create_repo, runs_repo
from datamon.store.testing.clocks import SteppingClock

WRITERS = 3
NAMES = st.sampled_from(["main", "dev", "v1", "prod"])


class StoreAndIndex(RuleBasedStateMachine):
    """Writers with a journal each, records that arrive late, shuffled and twice, and two processes that refresh one index."""

    repos = Drawn("repos")
    runs = Drawn("runs")

    @initialize(target=repos)
    def begin(self) -> Repo:
        """A store with one repo, opened by several writers, and two indexes over one directory."""
        self.place = TemporaryDirectory()
        backend, clock = MemoryBackend(), SteppingClock()
        self.stores = [
            store_on(backend, backend, Author(f"writer {n}", f"w{n}@example.org"), clock=clock) for n in range(WRITERS)
        ]
        self.indexes = [FileIndex(store, Path(self.place.name)) for store in self.stores[:2]]
        self.undelivered: list[Record] = []
        self.delivered: list[Record] = []
        self.late_environments: list[bytes] = []
        self.count = 0
        return create_repo(self.stores[0], "first", "there from the beginning")

    def teardown(self) -> None:
        """At the end, with whatever is undelivered still undelivered, both ways agree, whoever asks."""
        if not hasattr(self, "place"):
            return
        with self.place:
            for index in self.indexes:
                self.compare(index, EVERYTHING)
            self.indexes[0].rebuild()
            self.compare(self.indexes[1])

    def writer(self, number: int) -> Store:
        return self.stores[number % WRITERS]

    def next(self) -> int:
        self.count += 1
        return self.count

    @rule(target=repos, writer=st.integers(0, 9))
    def make_repo(self, writer: int) -> Repo:
        return create_repo(self.writer(writer), f"repo-{self.next()}", "made by the model")

    @rule(target=repos, writer=st.integers(0, 9))
    def find_hidden_repo(self, writer: int) -> Repo:
        return runs_repo(self.writer(writer))

    @rule(repo=repos, writer=st.integers(0, 9), letter=st.sampled_from("abc"), branch=st.none() | NAMES)
    def commit(self, repo: Repo, writer: int, letter: str, branch: str | None) -> None:
        with suppress(Conflict, NotFound):  # the name is a label's, or the branch's head is deleted
            self.committed(repo, writer, letter, branch=branch)

    def committed(self, repo: Repo, writer: int, letter: str, **fields: object) -> Bundle:
        digest = blake3(letter.encode()).hexdigest()
        manifest = Manifest(ManifestId(digest), ContentId(digest), 1, 1, ())
        request = CommitRequest(manifest, f"bundle {letter}", None, **fields)  # type: ignore[arg-type]
        return commit_bundle(self.writer(writer), repo, request)

    @rule(repo=repos, writer=st.integers(0, 9), name=NAMES, pick=st.integers(0, 99), frozen=st.booleans())
    def move_ref(self, repo: Repo, writer: int, name: str, pick: int, frozen: bool) -> None:
        store = self.writer(writer)
        bundles = list(store.logs.repo(repo.id).bundles)
        if not bundles:
            return
        with suppress(Conflict, NotFound):  # frozen, of the other kind, or the bundle is deleted
            if pick % 3:
                set_label(store, repo, name, bundles[pick % len(bundles)], frozen=frozen and pick % 5 == 0)
            else:
                create_branch(store, repo, name, bundles[pick % len(bundles)])

    @rule(repo=repos, writer=st.integers(0, 9), name=NAMES)
    def drop_label(self, repo: Repo, writer: int, name: str) -> None:
        with suppress(Conflict, NotFound):
            delete_label(self.writer(writer), repo, name)

    @rule(repo=repos, writer=st.integers(0, 9), pick=st.integers(0, 99))
    def delete_bundle(self, repo: Repo, writer: int, pick: int) -> None:
        store = self.writer(writer)
        bundles = list(store.logs.repo(repo.id).bundles)
        if bundles:
            gone = bundles[pick % len(bundles)]
            store.logs.append(repo.id, lambda _: {"kind": "delete", "bundles": [gone], "reason": "model"})

    @rule(repo=repos, writer=st.integers(0, 9), pick=st.integers(0, 99))
    def replace_bundle(self, repo: Repo, writer: int, pick: int) -> None:
        store = self.writer(writer)
        state = store.logs.repo(repo.id)
        live = [bundle for bundle in state.bundles.values() if bundle.id not in state.deleted]
        if live:
            old = live[pick % len(live)]
            new = replace(old, id=BundleId(new_ksuid(store.clock())))
            record = {"kind": "delete", "bundles": [old.id], "made": [new.to_record()], "replaced": {old.id: new.id}}
            store.logs.append(repo.id, lambda _: record)

    @rule(repo=repos, writer=st.integers(0, 9), ends=st.booleans())
    def rename_or_delete_repo(self, repo: Repo, writer: int, ends: bool) -> None:
        store = self.writer(writer)
        if repo.id not in store.logs.store().repos:
            return
        name = f"renamed-{self.next()}" if self.count % 2 else f"again-{self.next() % 3}"
        record = (
            {"kind": "repo-deleted", "repo": repo.id}
            if ends
            else {"kind": "repo-renamed", "repo": repo.id, "name": name}
        )
        store.logs.append(None, lambda _: record)

    @rule(repo=repos, writer=st.integers(0, 9))
    def die_before_an_entry(self, repo: Repo, writer: int) -> None:
        """An intent stands in the journal; its entry never came, or comes from another writer later."""
        store = self.writer(writer)
        number = store.logs.repo(repo.id).number + 1
        store.journal.append({"kind": "intent", "repo": repo.id, "number": number, "entry": "never"})

    @rule(
        source=repos,
        target_repo=repos,
        writer=st.integers(0, 9),
        status=st.sampled_from(["running", "succeeded", "failed", "abandoned"]),
        with_environment=st.booleans(),
    )
    def run(self, source: Repo, target_repo: Repo, writer: int, status: str, with_environment: bool) -> None:
        """A run whose output is committed at once and whose journal records are still on their way."""
        number = self.next()
        if target_repo.id in self.writer(writer).logs.store().deleted:
            return  # nothing is committed there any more
        bundles = list(self.writer(writer).logs.repo(source.id).bundles.values())
        told = Told(
            number,
            step=f"step-{number % 3}",
            status=status,  # type: ignore[arg-type]
            inputs=tuple(read_of(source, bundle) for bundle in bundles[-1:]),
            params=(Param("scale", number / 2), Param("mode", "fast", "file", "p.yaml", "mode")),
            metrics=(Metric("auc", float("nan") if number % 2 else 0.5),),
            environment=self.environment(number) if with_environment else None,
        )
        output = self.committed(target_repo, writer, "abc"[number % 3], run=told.run, role=target_repo.name)
        if status == "succeeded":
            told = told.but(outputs=(write_of(target_repo, output),))
        self.undelivered += told.events()

    def environment(self, number: int) -> str:
        content = encode(Environment("3.11", "CPython", "Linux", {"numpy": f"1.{number % 2}"}, {}).to_record())
        self.late_environments.append(content)
        return blake3(content).hexdigest()

    @precondition(lambda self: self.late_environments)
    @rule(writer=st.integers(0, 9))
    def keep_environment(self, writer: int) -> None:
        content = self.late_environments.pop(0)
        self.writer(writer).metadata.put(layout.environment(blake3(content).hexdigest()), content)

    @precondition(lambda self: self.undelivered)
    @rule(writer=st.integers(0, 9), pick=st.integers(0, 99))
    def deliver(self, writer: int, pick: int) -> None:
        record = self.undelivered.pop(pick % len(self.undelivered))
        self.delivered.append(record)
        self.writer(writer).journal.append(record)

    @precondition(lambda self: self.delivered)
    @rule(writer=st.integers(0, 9), pick=st.integers(0, 99))
    def deliver_again(self, writer: int, pick: int) -> None:
        self.writer(writer).journal.append(self.delivered[pick % len(self.delivered)])

    @rule(which=st.integers(0, 1))
    def refresh(self, which: int) -> None:
        self.indexes[which].refresh()

    @rule(which=st.integers(0, 1))
    def ask(self, which: int) -> None:
        self.compare(self.indexes[which])

    @rule(which=st.integers(0, 1), pick=st.integers(0, 99))
    def ask_quickly(self, which: int, pick: int) -> None:
        texts = questions(self.stores[which])
        wrong, _ = differing(self.stores[which], Path(self.place.name), texts[pick % 5 :: 5][:8], self.indexes[which])
        assert not wrong, "\n".join(wrong)

    def compare(self, index: FileIndex, names: tuple[str, ...] = KEPT_TABLES) -> None:
        with index.connect() as connection:
            refreshed = content_of(connection, names)
        anew = rebuilt(self.stores[2], names)
        for name in anew:
            assert refreshed[name] == anew[name], name


TestStoreAndIndex = StoreAndIndex.TestCase
TestStoreAndIndex.settings = settings(
    max_examples=7, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
