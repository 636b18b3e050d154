"""Small histories, really recorded: bundles committed, runs opened and closed, refs moved, as a run's end does it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from blake3 import blake3

from datamon.lineage.records import CodeVersion, EnvironmentPart, InputRecord, OutputRecord, Param, Status
from datamon.lineage.run_parts import Metric
from datamon.lineage.sql_parts import SqlRecord
from datamon.query.testing.events import Told
from datamon.store.bundle import Bundle, Move, Repo
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.entries import TreeEntry
from datamon.store.ids import ContentId, RunId
from datamon.store.manifest import Manifest, part_content, read_manifest, write_manifest
from datamon.store.opening import Store
from datamon.store.refs import move_refs
from datamon.store.repos import create_repo
from datamon.store.resolve import resolve

Files = Mapping[str, str]
"""Files by path, each with a text that stands for its bytes."""


@dataclass(frozen=True)
class Did:
    """What a run did: the role, bundle and content of each output."""

    run: RunId
    inputs: tuple[InputRecord, ...]
    outputs: tuple[OutputRecord, ...]
    told: Told


@dataclass(frozen=True)
class Doing:
    """What a run is to do. `reads` are references; `writes` are files by `repo` or `repo@branch`."""

    step: str
    reads: tuple[str, ...] = ()
    writes: Mapping[str, Files] = field(default_factory=dict)
    status: Status = "succeeded"
    pipeline: str = "default"
    fingerprint: str = "f1"
    params: tuple[Param, ...] = ()
    metrics: tuple[Metric, ...] = ()
    code: CodeVersion | None = None
    """Instead of a script that only has this fingerprint."""
    policy: tuple[EnvironmentPart, ...] = ()
    opened: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the run was seen to read, by the reference: paths relative to the part, directories that it listed with a `/`."""
    sql: SqlRecord | None = None
    by_path: bool = False
    """Whether nobody declared the reads: they were made through paths."""


class World:
    """A store and what happens in it. No bytes of files are kept: lineage looks at hashes only."""

    def __init__(self, store: Store, *, timely: bool = False) -> None:
        """With `timely` runs have the times of the store's clock; otherwise one a second, whatever the clock says."""
        self.store = store
        self.timely = timely
        self.repos: dict[str, Repo] = {}
        self.count = 0

    def repo(self, name: str) -> Repo:
        """The repo of this name, made at first sight."""
        if name not in self.repos:
            self.repos[name] = create_repo(self.store, name, f"{name} of a test")
        return self.repos[name]

    def upload(self, repo: str, files: Files, *, branch: str | None = "main", label: str | None = None) -> Bundle:
        """A bundle that a person commits."""
        request = CommitRequest(self.manifest(files), "an upload", None, branch, label)
        return commit_bundle(self.store, self.repo(repo), request)

    def manifest(self, files: Files) -> Manifest:
        """The manifest of files, with the directories that they need."""
        entries = {path: _file(path, text) for path, text in files.items()}
        for path in files:
            parts = path.split("/")[:-1]
            for depth in range(1, len(parts) + 1):
                directory = "/".join(parts[:depth])
                entries[directory] = TreeEntry(directory, "dir", 0, ContentId("0" * 64), None, None, False, 0o755, 0)
        return write_manifest(self.store.metadata, entries.values())

    def run(self, doing: Doing) -> Did:
        """Records a run as its end does: outputs committed, record closed, refs moved. Of a run that did not succeed
        nothing is committed, and no ref moves."""
        self.count += 1
        told = Told(
            self.count,
            doing.step,
            doing.pipeline,
            doing.status,
            inputs=tuple(
                replace(self.read(each), read=doing.opened.get(each), how="observed" if doing.by_path else "declared")
                for each in doing.reads
            ),
            params=doing.params,
            metrics=doing.metrics,
            policy=doing.policy,
            sql=doing.sql,
            code=doing.code or CodeVersion(fingerprint=doing.fingerprint, method="script"),
            at_ns=self.store.clock() if self.timely else None,
        )
        outputs = []
        if doing.status == "succeeded":
            outputs = [self._write(told.run, where, files) for where, files in doing.writes.items()]
        told = told.but(outputs=tuple(outputs), closed_ns=self.store.clock() if self.timely else None)
        for event in told.events():
            self.store.journal.append(event)
        for output in outputs:
            self._move(told.run, output)
        return Did(told.run, told.inputs, told.outputs, told)

    def read(self, reference: str) -> InputRecord:
        """A run's read of what a reference means now."""
        found = resolve(self.store, reference)
        content = found.bundle.content
        if found.path:
            content = part_content(
                self.store.metadata, read_manifest(self.store.metadata, found.bundle.manifest), found.path
            )
        return InputRecord(
            found.repo.name,
            found.repo.id,
            found.repo.name,
            found.ref,
            found.ref_kind,
            found.bundle.id,
            content,
            found.path,
        )

    def _write(self, run: RunId, where: str, files: Files) -> OutputRecord:
        name, _, branch = where.partition("@")
        repo = self.repo(name)
        head = self.store.logs.repo(repo.id).refs.get(branch or "main")
        parents = (head.bundle,) if head else ()
        request = CommitRequest(self.manifest(files), "an output", None, run=run, role=where, parents=parents)
        bundle = commit_bundle(self.store, repo, request)
        return OutputRecord(where, repo.id, repo.name, branch or "main", bundle.id, bundle.content)

    def _move(self, run: RunId, output: OutputRecord) -> None:
        ref = self.store.logs.repo(output.repo).refs.get(output.branch)
        move = Move(output.branch, "branch", ref.bundle if ref else None, output.bundle)
        refused = move_refs(self.store, self.repos[output.repo_name], [move], run)
        assert not refused, "nobody else moves refs in a test's world"


def _file(path: str, text: str) -> TreeEntry:
    content = ContentId(blake3(text.encode()).hexdigest())
    return TreeEntry(path, "file", len(text), content, None, None, False, 0o644, 0)
