"""A small store in memory whose every byte can be changed and put back."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from datamon.errors import Corrupt, DatamonError
from datamon.lineage.checking import check_runs
from datamon.lineage.testing.small_store import SmallStore, make_small_store
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author
from datamon.store.check.check import check
from datamon.store.check.findings import Finding
from datamon.store.check.identity import open_to_check
from datamon.store.check.packs import Sample
from datamon.store.download import download
from datamon.store.encryption_key import EncryptionKey
from datamon.store.opening import Store, store_on
from datamon.store.testing.clocks import START_NS, SteppingClock
from datamon.store.testing.trees import snapshot

ADA = Author("Ada", "ada@example.org")


@dataclass(frozen=True)
class Patient:
    """The store's backends, what was put into it, and what each of its live bundles holds, by id."""

    metadata: Backend
    blob: Backend
    made: SmallStore
    trees: dict[str, dict[str, tuple[object, ...]]]
    key: EncryptionKey | None = None

    @classmethod
    def make(
        cls,
        scratch: Path,
        metadata: Backend | None = None,
        blob: Backend | None = None,
        key: EncryptionKey | None = None,
    ) -> "Patient":
        """A healthy one, in memory where nothing else is said, encrypted with a key; `scratch` keeps the trees uploaded."""
        metadata, blob = metadata or MemoryBackend(), blob or MemoryBackend()
        made = make_small_store(store_on(metadata, blob, ADA, clock=SteppingClock(), key=key), scratch)
        patient = cls(metadata, blob, made, {}, key)
        for bundle in made.bundles:
            place = scratch / bundle.id
            download(store_on(metadata, blob, ADA, key=key), bundle, place)
            patient.trees[bundle.id] = snapshot(place)
        return patient

    def copy(self) -> "Patient":
        """Another with the same bytes, in memory."""
        backends = MemoryBackend(), MemoryBackend()
        for backend, other in zip((self.metadata, self.blob), backends, strict=True):
            for stored in backend.list(""):
                other.put(stored.key, backend.get(stored.key))
        return Patient(*backends, self.made, self.trees, self.key)

    def open(self) -> Store:
        """The store, as another process would open it a day later."""
        clock = SteppingClock(START_NS + 24 * 3600 * 10**9)
        return open_to_check(self.metadata, self.blob, ADA, clock=clock, key=self.key).store

    def where(self, key: str) -> Backend:
        """The backend that the key belongs to."""
        return self.blob if key.startswith((layout.PACKS, layout.INDEX, layout.BLOBS)) else self.metadata

    def all_keys(self) -> list[str]:
        """Everything that lies there."""
        return [stored.key for backend in (self.metadata, self.blob) for stored in backend.list("")]

    def contents(self) -> dict[str, bytes]:
        """Everything that lies there, by key."""
        return {key: self.where(key).get(key) for key in self.all_keys()}

    def flip(self, key: str, at: int, by: int = 1) -> None:
        """One byte is another."""
        content = bytearray(self.where(key).get(key))
        content[at] ^= by
        self.where(key).put(key, bytes(content))

    @contextmanager
    def kept(self, key: str) -> Iterator[None]:
        """What lies under the key before the block lies there after it."""
        content = self.where(key).get(key)
        try:
            yield
        finally:
            self.where(key).put(key, content)

    def findings(self) -> list[Finding]:
        """What a check of everything finds, as `datamon check --read-data` does."""
        opened = open_to_check(self.metadata, self.blob, ADA, key=self.key)
        return [*opened.findings, *check(opened.store, Sample(100)), *check_runs(opened.store)]

    def damage(self) -> list[Finding]:
        """What of that is damage."""
        return [finding for finding in self.findings() if finding.is_damage]

    def download_all(self, scratch: Path) -> list[DatamonError]:
        """Each bundle is downloaded right or not at all; the errors of the latter, every one with `bundle_id` as a note."""
        errors: list[DatamonError] = []
        for bundle in self.made.bundles:
            place = scratch / bundle.id
            try:
                download(store_on(self.metadata, self.blob, ADA, key=self.key), bundle, place)
            except DatamonError as error:
                assert isinstance(error, Corrupt), error
                assert not place.exists()
                error.add_note(bundle.id)
                errors.append(error)
            else:
                assert snapshot(place) == self.trees[bundle.id]
                shutil.rmtree(place)
        return errors
