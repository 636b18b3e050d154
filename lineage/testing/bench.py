"""A store to record runs into, and ways to see everything that a run left behind."""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datamon.lineage.capture.streams import Sinks
from datamon.lineage.command import CommandOutcome, CommandRequest, record_command
from datamon.lineage.recording import Policy
from datamon.lineage.records import RUN_KINDS, Run, RunClosed, combine, run_of
from datamon.store import layout
from datamon.store.bundle import Bundle, RefKind
from datamon.store.chunk_store import read_file
from datamon.store.codec import Record
from datamon.store.download import download
from datamon.store.ids import BundleId, RepoId, RunId
from datamon.store.manifest import iter_entries, read_manifest
from datamon.store.opening import Store, memory_store
from datamon.store.refs import list_refs
from datamon.store.repos import create_repo, find_repo
from datamon.store.upload import UploadRequest, upload

_KINDS: tuple[RefKind, ...] = ("branch", "label")


@dataclass
class Bench:
    """A store with the repos `raw` (one bundle: the file `a` with `1`), `features` and `other`; an empty directory `work` to
    run commands in, and what they wrote to their output so far."""

    work: Path
    store: Store = field(default_factory=memory_store)
    stdout: io.BytesIO = field(default_factory=io.BytesIO)
    policy: Policy = field(default_factory=lambda: Policy(variables=dict(os.environ)))
    _places: int = 0

    @classmethod
    def make(cls, above: Path, store: Store | None = None) -> "Bench":
        """A bench whose directories lie in `above`."""
        bench = cls(above / "work", store or memory_store())
        bench.work.mkdir(parents=True)
        for name in ("raw", "features", "other"):
            create_repo(bench.store, name, "")
        bench.upload("raw", a="1")
        return bench

    def record(self, *argv: str, **changes: Any) -> CommandOutcome:
        """Records a command in `work`; `changes` are fields of its CommandRequest."""
        request = replace(CommandRequest(argv=argv, cwd=self.work, policy=self.policy), **changes)
        return record_command(self.store, request, streams=Sinks(self.stdout))

    def upload(self, repo: str, **files: str) -> Bundle:
        """A new head of the repo with these texts in files of these names."""
        directory = self._place()
        directory.mkdir()
        for name, text in files.items():
            (directory / name).write_text(text)
        return upload(self.store, UploadRequest(repo, directory, "m"))

    def refs(self, repo: str = "features") -> dict[str, BundleId]:
        """Where the repo's branches and labels stand."""
        found = find_repo(self.store, repo)
        return {ref.name: ref.bundle for kind in _KINDS for ref in list_refs(self.store, found, kind)}

    def bundles(self, repo: str = "features") -> dict[BundleId, Bundle]:
        """All bundles of the repo, in commit order."""
        return dict(self.store.logs.repo(find_repo(self.store, repo).id).bundles)

    def files(self, bundle: BundleId, repo: str = "features") -> dict[str, str]:
        """The texts of the files at the top of a bundle, as a download gives them."""
        place = self._place()
        download(self.store, self.bundles(repo)[bundle], place)
        return {path.name: path.read_text() for path in place.iterdir()}

    def runs(self) -> list[Run]:
        """All runs, in the order of their openings."""
        events: dict[RunId, list[Record]] = {}
        for event in self.store.journal.read({})[0]:
            if event["kind"] in RUN_KINDS:
                events.setdefault(run_of(event), []).append(event)
        combined = [combine(each) for each in events.values()]
        return sorted((run for run in combined if run is not None), key=lambda run: run.opened.started_ns)

    def run(self, identity: RunId) -> Run:
        """One run."""
        return next(run for run in self.runs() if run.id == identity)

    def run_of(self, outcome: CommandOutcome) -> Run:
        """A command's run."""
        return self.run(outcome.run)

    def close(self, outcome: CommandOutcome) -> RunClosed:
        """The close of a command's run."""
        closed = self.run(outcome.run).closed
        assert closed is not None
        return closed

    def marks(self) -> list[str]:
        """The runs that are marked as open."""
        return [stored.key.removeprefix(layout.OPEN_RUNS) for stored in self.store.metadata.list(layout.OPEN_RUNS)]

    def _place(self) -> Path:
        self._places += 1
        return self.work.parent / f"place-{self._places}"


def every_byte(store: Store) -> Iterator[bytes]:
    """All that a store keeps: what its backends hold, and every path and file of every bundle, read through the store."""
    for backend in (store.metadata, store.blob):
        for stored in list(backend.list("")):
            yield stored.key.encode()
            yield backend.get(stored.key)
    for repo in (*store.logs.store().repos, RepoId(store.id)):
        for bundle in store.logs.repo(repo).bundles.values():
            for entry in iter_entries(store.metadata, read_manifest(store.metadata, bundle.manifest)):
                yield entry.path.encode()
                if entry.kind == "file":
                    yield b"".join(read_file(store.chunks, entry.content, entry.size_bytes, entry.recipe))
