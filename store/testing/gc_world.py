"""A store that several processes use at once, each going on when the test says so, and what must hold of it at any moment."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from datamon.errors import Conflict, Corrupt, DatamonError, NotFound
from datamon.store import layout
from datamon.store.bundle import Author, Bundle, Repo
from datamon.store.chunk_store import ChunkStore, read_file
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.ids import BundleId, ChunkId, RepoId
from datamon.store.index_segments import decode_segment
from datamon.store.manifest import iter_entries, read_manifest
from datamon.store.named import keys_of, plain_key
from datamon.store.opening import Store, store_on
from datamon.store.packs import check_pack
from datamon.store.promote.promote import PromoteRequest, promote
from datamon.store.put_tree import TreeSource, put_tree
from datamon.store.recipes import RecipeRow, recipe_rows
from datamon.store.refs import live_bundle
from datamon.store.repos import create_repo, find_repo, list_repos, standing_repo
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.retention.delete_path import delete_paths
from datamon.store.retention.delete_repo import delete_repo
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.faults import Killed
from datamon.store.testing.turns import GrowingMemory, TurnBackend, Turns
from datamon.store.upload import UploadRequest, upload

ADA = Author("Ada", "ada@example.org")
_PACK_BYTES = 3_000
_LARGE_BYTES = 100_000
TREES = ("AB", "BC", "CD", "ABCD", "L", "LA")
"""Trees by name: one file for each letter, which holds the same in all of them. L's is of several chunks, with lists."""


def make_trees(root: Path) -> None:
    """Each of `TREES` stands in a directory of its name below `root`."""
    for tree in TREES:
        (root / tree).mkdir(parents=True)
        for letter in tree:
            (root / tree / f"f.{letter}").write_bytes(content_of(letter))


def content_of(letter: str) -> bytes:
    """What a file of this letter holds."""
    return random_bytes(letter, _LARGE_BYTES if letter == "L" else 1_300)


class Process:
    """One process with a memory of its own, which works on the store in turns."""

    def __init__(self, world: "World") -> None:
        self.turns = Turns()
        self.store = world.open(self.turns)
        self.is_dead = False

    @property
    def is_idle(self) -> bool:
        """Whether it may be given work."""
        return not self.turns.busy and not self.is_dead


class World:
    """Two backends, the processes on them, and what was acknowledged to whom."""

    def __init__(self, trees: Path) -> None:
        self.trees = trees
        self.metadata, self.blob = GrowingMemory(), GrowingMemory()
        self.clock = SteppingClock()
        self.processes: list[Process] = []
        self.acknowledged: dict[BundleId, tuple[RepoId, str]] = {}
        self.faults: list[str] = []

    def open(self, turns: Turns | None = None) -> Store:
        """The store as a process sees it that has read nothing yet."""
        backends = (self.metadata, self.blob)
        metadata, blob = (TurnBackend(each, turns) for each in backends) if turns is not None else backends
        store = store_on(metadata, blob, ADA, clock=self.clock)
        chunks = ChunkStore(store.blob, clock=self.clock, pack_bytes=_PACK_BYTES, recipe_rows=1)
        store.__dict__["chunks"] = chunks
        return store

    def process(self, number: int) -> Process:
        """An idle process: the one of this number among those that idle, or a new one."""
        idle = [process for process in self.processes if process.is_idle]
        if number < len(idle):
            return idle[number]
        self.processes.append(Process(self))
        return self.processes[-1]

    def busy(self) -> list[Process]:
        """The processes that are at work."""
        return [process for process in self.processes if process.turns.busy]

    # -- what processes do

    def upload(self, process: Process, repo: str, tree: str, *, create: bool = False) -> None:
        """The process has begun to upload; what it is told counts as acknowledged."""

        def work() -> None:
            with suppress(Conflict):
                if create:
                    create_repo(process.store, repo, "")
            bundle = upload(process.store, UploadRequest(repo, self.trees / tree, tree))
            self.acknowledged[bundle.id] = bundle.repo, tree

        self.begin(process, work, Conflict, NotFound)

    def upload_to_new_repo(self, process: Process, repo: str, tree: str) -> None:
        """The process has begun to put a tree, for a repo that it makes only when everything is there."""

        def work() -> None:
            store = process.store
            put = put_tree(store, TreeSource(self.trees / tree), condemned=store.logs.store().condemned)
            made = create_repo(store, repo, "")
            request = CommitRequest(put.manifest, tree, put.session, branch="main", reused=put.reused)
            self.acknowledged[commit_bundle(store, made, request).id] = made.id, tree

        self.begin(process, work, Conflict, NotFound)

    def promote(self, process: Process, bundle: BundleId, repo: str) -> None:
        """The process has begun to promote a bundle to a repo."""
        home, tree = self.acknowledged[bundle]

        def work() -> None:
            store = process.store
            source = standing_repo(store.logs.store(), Repo(home, tree, "", ADA, 0))
            found = live_bundle(store.logs.repo(home), source, bundle)
            made = promote(store, store, find_repo(store, repo), PromoteRequest(source, found))
            if made.made:
                self.acknowledged[made.bundle.id] = made.bundle.repo, tree

        self.begin(process, work, Conflict, NotFound)

    def delete(self, process: Process, bundle: BundleId) -> None:
        """The process has begun to delete a bundle."""
        repo = self._repo_of(bundle)
        request = DeleteRequest((bundle,), force=True)
        if repo is not None:
            self.begin(process, lambda: delete_bundles(process.store, repo, request), Conflict, NotFound)

    def delete_repo(self, process: Process, name: str) -> None:
        """The process has begun to delete a repo."""
        self.begin(process, lambda: delete_repo(process.store, find_repo(process.store, name)), Conflict, NotFound)

    def delete_letter(self, process: Process, name: str, letter: str) -> None:
        """The process has begun to take the file of a letter out of every bundle of a repo."""

        def work() -> None:
            repo = find_repo(process.store, name)
            delete_paths(process.store, repo, [f"f.{letter}"], reason=letter)

        # Corrupt: it may come to read what others have deleted and swept since it read the log.
        self.begin(process, work, Conflict, NotFound, Corrupt)

    def read(self, process: Process, bundle: BundleId) -> None:
        """The process has begun to read a bundle. Until it is deleted that must succeed."""
        repo, tree = self.acknowledged[bundle]

        def work() -> None:
            try:
                verify_bundle(process.store, process.store.logs.repo(repo).bundles[bundle], tree)
            except Corrupt as error:
                if bundle in self._live():
                    raise AssertionError(f"{bundle} is live and cannot be read: {error}") from error

        self.begin(process, work)

    def collect(self, process: Process, sparse_below: float) -> None:
        """The process has begun to collect, without any grace."""
        self.begin(process, lambda: collect(process.store, GcRequest(0, sparse_below=sparse_below)), Conflict)

    def kill(self, process: Process) -> None:
        """The process is no more."""
        process.is_dead = True
        process.turns.kill()

    def begin(self, process: Process, work: Callable[[], object], *refusals: type[DatamonError]) -> None:
        """The process has begun this work, which may end with one of these refusals."""

        def watched() -> None:
            try:
                with suppress(Killed, *refusals):
                    work()
            except BaseException as error:  # noqa: BLE001 (it is told to the test)
                self.faults.append(f"{type(error).__name__}: {error}")

        process.turns.begin(watched)

    # -- what must hold

    def check(self) -> None:
        """No process met an error that it should not, every acknowledged bundle is there until it is deleted, and every live
        bundle can be read, byte by byte, by a process that has read nothing yet."""
        assert not self.faults, self.faults
        store = self.open()
        live = self._live(store)
        lost = set(self.acknowledged) - live.keys() - self._deleted(store)
        assert not lost, f"{lost} were acknowledged and are not there"
        for bundle in live.values():
            verify_bundle(store, bundle, _letters(store, bundle))

    def check_tidy(self) -> None:
        """Once all have ended and a last collection is done, only what live bundles need is there, in one place each."""
        assert not self.busy()
        store = self.open()
        collect(store, GcRequest(0, sparse_below=1.0))
        self.check()
        chunks, keys = _needed(store, self._live(store))
        stored = [
            row.chunk for each in self.blob.list(layout.PACKS) for row in check_pack(self.blob.get(each.key), each.key)
        ]
        indexed = [
            chunk
            for each in self.blob.list(layout.INDEX)
            for chunk in decode_segment(each.key, self.blob.get(each.key)).column("chunk").to_pylist()
        ]
        assert sorted(stored) == sorted(indexed) == sorted(chunks)
        prefixes = (layout.MANIFESTS, layout.SEGMENTS, layout.STATS)
        assert {plain_key(each.key) for prefix in prefixes for each in self.metadata.list(prefix)} == keys

    def repos(self) -> list[Repo]:
        """The repos there are."""
        return list_repos(self.open())

    def _live(self, store: Store | None = None) -> Mapping[BundleId, Bundle]:
        store = store or self.open()
        states = (store.logs.repo(repo.id) for repo in list_repos(store, system=True))
        return {b.id: b for state in states for b in state.bundles.values() if b.id not in state.deleted}

    def _deleted(self, store: Store) -> set[BundleId]:
        own = store.logs.store()
        repos = {repo for repo, _ in self.acknowledged.values()}
        in_repos = {bundle for repo in repos if repo in own.deleted for bundle in store.logs.repo(repo).bundles}
        return in_repos.union(*(store.logs.repo(repo).deleted for repo in repos))

    def _repo_of(self, bundle: BundleId) -> Repo | None:
        return self.open().logs.store().repos.get(self.acknowledged[bundle][0])


def _letters(store: Store, bundle: Bundle) -> str:
    """The letters whose files a bundle should hold: those of the tree that was uploaded, without those deleted since."""
    made = {new: (old, e.reason or "") for e in store.logs.repo(bundle.repo).entries for old, new in e.replaced.items()}
    letters, identity = bundle.message, bundle.id
    while identity in made:
        identity, letter = made[identity]
        letters = letters.replace(letter, "")
    return letters


def verify_bundle(store: Store, bundle: Bundle, tree: str) -> None:
    """The bundle holds the files of the letters in `tree`, byte by byte. Raises AssertionError, and Corrupt where it cannot be
    read."""
    entries = list(iter_entries(store.metadata, read_manifest(store.metadata, bundle.manifest)))
    assert [entry.path for entry in entries] == [f"f.{letter}" for letter in sorted(tree)]
    for letter, entry in zip(sorted(tree), entries, strict=True):
        content = b"".join(read_file(store.chunks, entry.content, entry.size_bytes, entry.recipe))
        assert content == content_of(letter), f"{entry.path} of {bundle.id} has other bytes"


def _needed(store: Store, live: Mapping[BundleId, Bundle]) -> tuple[set[ChunkId], set[str]]:
    """The chunks and plain keys that these bundles need, found the simplest way."""
    chunks, keys = set[ChunkId](), set[str]()

    def keep(row: RecipeRow) -> bytes:
        chunks.add(row.chunk)
        return store.chunks.get(row.chunk)

    for bundle in live.values():
        manifest = read_manifest(store.metadata, bundle.manifest)
        keys.update(keys_of(manifest))
        for entry in iter_entries(store.metadata, manifest):
            if entry.recipe is None:
                chunks.add(ChunkId(bytes.fromhex(entry.content)))
            else:
                chunks.update(row.chunk for row in recipe_rows(entry.recipe, keep))
    return chunks, keys
