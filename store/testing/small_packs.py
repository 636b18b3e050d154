"""A store of small packs that several processes open one after the other, with uploads, deletions and what must hold after gc."""

from dataclasses import dataclass
from pathlib import Path

from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author, Bundle
from datamon.store.chunk_store import ChunkStore
from datamon.store.download import download
from datamon.store.opening import Store, store_on
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.trees import snapshot, upload_tree

FILE_BYTES = 15_000
_PACK_BYTES = 40_000
_ADA = Author("Ada", "ada@example.org")


@dataclass
class Place:
    """Two backends and a clock; each `process` reads them with a memory of its own."""

    metadata: MemoryBackend
    blob: MemoryBackend
    clock: SteppingClock
    root: Path

    def process(self, metadata: Backend | None = None, blob: Backend | None = None) -> Store:
        """The store as a process sees it that has read nothing yet."""
        store = store_on(metadata or self.metadata, blob or self.blob, _ADA, clock=self.clock)
        store.__dict__["chunks"] = ChunkStore(store.blob, clock=self.clock, pack_bytes=_PACK_BYTES, recipe_rows=2)
        return store

    def tree(self, letters: str) -> Path:
        """A directory with one file for each letter; L is of many chunks."""
        root = self.root / letters
        if not root.exists():
            root.mkdir()
            for letter in letters:
                content = random_bytes(letter, 600_000 if letter == "L" else FILE_BYTES)
                (root / f"f.{letter}").write_bytes(content)
        return root

    def upload(self, letters: str, repo: str = "raw") -> Bundle:
        """A bundle of these letters, in a repo that is made if absent."""
        return upload_tree(self.process(), self.tree(letters), repo)

    def delete(self, *bundles: Bundle) -> None:
        """The bundles are deleted, with the refs that point at them."""
        store = self.process()
        for bundle in bundles:
            repo = store.logs.store().repos[bundle.repo]
            delete_bundles(store, repo, DeleteRequest((bundle.id,), force=True))

    def packs(self) -> set[str]:
        """The names of the packs that are there."""
        return {stored.key.rpartition("/")[2] for stored in self.blob.list(layout.PACKS)}

    def kept(self) -> dict[str, bytes]:
        """Everything that lies on both backends."""
        both = (("metadata", self.metadata), ("blob", self.blob))
        return {f"{name}:{s.key}": backend.get(s.key) for name, backend in both for s in backend.list("")}

    def copy(self) -> "Place":
        """The same bytes on backends of their own."""
        twin = Place(MemoryBackend(), MemoryBackend(), self.clock, self.root)
        for backend, other in ((self.metadata, twin.metadata), (self.blob, twin.blob)):
            for stored in backend.list(""):
                other.put(stored.key, backend.get(stored.key))
        return twin

    def verify(self, bundle: Bundle, letters: str, store: Store | None = None) -> None:
        """The bundle can be downloaded and holds what was uploaded."""
        destination = self.root / f"out {len(list(self.root.iterdir()))}"
        download(store or self.process(), bundle, destination)
        assert snapshot(destination) == snapshot(self.tree(letters))

    def session_of(self, bundle: Bundle) -> str:
        """The session that wrote for the bundle."""
        entries = self.process().logs.repo(bundle.repo).entries
        [session] = [entry.record["session"] for entry in entries if bundle in entry.bundles]
        assert isinstance(session, str)
        return session
