"""One run being recorded, whichever way: opened before it begins, its outputs committed, closed, its refs moved, in that order.

Each stage is durable before the next begins (docs/format.md, "Journal"), so that wherever the recorder is stopped, any later
command knows what is left to do (`datamon.lineage.finishing`).
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from datamon.errors import DatamonError, Unavailable
from datamon.lineage.capture.host import capture_host
from datamon.lineage.cleaning import clean_capture, clean_code, clean_input, clean_sql, clean_text
from datamon.lineage.kept_code import keep_code
from datamon.lineage.kept_environment import keep_environment
from datamon.lineage.nesting import tell_of
from datamon.lineage.path_outputs import commit_written
from datamon.lineage.path_use import forget_use, place_of, used_by
from datamon.lineage.raised import error_text, exit_code_of
from datamon.lineage.records import (
    RUN_CLOSED,
    RUN_OPENED,
    Capture,
    CodeVersion,
    Environment,
    EnvironmentPart,
    Host,
    InputRecord,
    Level,
    Metric,
    OutputRecord,
    Param,
    Resources,
    RunClosed,
    RunOpened,
)
from datamon.lineage.ref_moves import Target, move_to_end, planned_moves
from datamon.lineage.secrets import Redactor
from datamon.lineage.sql_parts import SqlRecord
from datamon.lineage.unfinished import drop_mark
from datamon.lineage.unmarked import mark_of
from datamon.lineage.workplace import holds_nothing
from datamon.store import layout
from datamon.store.backend import put_note
from datamon.store.bundle import Bundle, Repo
from datamon.store.codec import Record
from datamon.store.commit import CommitRequest
from datamon.store.ids import BundleId, RunId, SessionId, new_ksuid
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.repos import runs_repo

if TYPE_CHECKING:
    from datamon.store.put_tree import CacheUse, StoredTree
    from datamon.store.roots import Manifest

How = Literal["command", "decorator", "context", "cell", "rebuild"]
STREAMS_ROLE = "streams"
Signing = Callable[[str, Record, Record], Record]
"""From a store's id and what is recorded of a run's beginning and end to the journal record that signs it."""
LONGEST_ERROR = 4000
"""An error's text is cut after so many characters."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What recordings keep and what they hide. `variables` is the process's environment as its edge read it (nothing below
    the edge reads it); of it the record keeps those that fit a glob of `kept_variables`. `host` None: asked when needed. Each run
    that ends is signed by `sign`, where there is one."""

    redactor: Redactor = field(default_factory=Redactor)
    variables: Mapping[str, str] = field(default_factory=dict)
    kept_variables: tuple[str, ...] = ()
    host: Host | None = None
    sign: Signing | None = None


@dataclass(frozen=True, slots=True)
class RunPlace:
    """Where a run stands among others: what it is within its pipeline's run, and which run it repeats, as which attempt."""

    level: Level | None = None
    retry_of: RunId | None = None
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class RunIntent:
    """What is known before a run begins. Nothing in it has been redacted yet."""

    pipeline: str
    step: str
    how: How
    argv: tuple[str, ...]
    cwd: str
    code: CodeVersion
    params: tuple[Param, ...] = ()
    environment: Environment | None = None
    inputs: tuple[InputRecord, ...] = ()
    targets: tuple[Target, ...] = ()
    labels: tuple[str, ...] = ()
    parent: RunId | None = None
    reuse_key: str | None = None
    metrics_files: tuple[str, ...] = ()
    keep: bool = False
    environment_policy: tuple[EnvironmentPart, ...] = ()
    place: RunPlace = RunPlace()
    cell: str | None = None
    """Code that stands in no file: what a notebook's cell is as a program."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. Nothing in it has been redacted yet."""

    status: Literal["succeeded", "failed"]
    exit_code: int | None = None
    signal: str | None = None
    error: str | None = None
    metrics: tuple[Metric, ...] = ()
    resources: Resources | None = None


class Recording:
    """A run that has been opened. As a context it closes the run as failed when an exception leaves it before `end`.

    `inputs`, `outputs`, `streams` and `reused` are what the close will say of them, `metrics` and `resources` what it will say
    when an exception ends the run, `closed` is what it said; `notes` is what a person should be told.
    """

    def __init__(self, store: Store, opened: RunOpened, redactor: Redactor, sign: Signing | None = None) -> None:
        self.store = store
        self.opened = opened
        self.redactor = redactor
        self._sign = sign
        self.inputs = list(opened.inputs)
        self.outputs: list[OutputRecord] = []
        self.streams: BundleId | None = None
        self.reused: RunId | None = None
        self.metrics: tuple[Metric, ...] = ()
        self.resources: Resources | None = None
        self.capture: Capture | None = None
        self.sql: SqlRecord | None = None
        self.notes: list[str] = []
        self._remembered: list[tuple[Path, Manifest | None]] = []
        self.closed: RunClosed | None = None
        self._closing = False
        self._process = os.getpid()
        self._use_taken = False
        self._mark: bytes | None = None
        """The mark that this run is open, as long as a power cut may take it."""

    @classmethod
    def open(cls, store: Store, intent: RunIntent, policy: Policy) -> Self:
        """The run is in the journal when this returns, and was marked as open before. Raises Unavailable, Denied."""
        redactor = policy.redactor.learning(intent.argv, intent.params)
        code, notes = keep_code(store, intent.code, redactor, intent.cell)
        started_ns = store.clock()
        opened = RunOpened(
            id=RunId(new_ksuid(started_ns)),
            pipeline=intent.pipeline,
            step=intent.step,
            parent=intent.parent,
            started_ns=started_ns,
            author=store.author,
            host=policy.host or capture_host(),
            argv=redactor.words(intent.argv),
            cwd=redactor.text(intent.cwd),
            code=clean_code(code, redactor),
            params=tuple(redactor.param(param) for param in intent.params),
            policy_env=policy.kept_variables,
            environment=keep_environment(store, intent.environment, redactor),
            inputs=tuple(replace(each, directory=clean_text(each.directory, redactor)) for each in intent.inputs),
            outputs=tuple(
                replace(each.planned, directory=clean_text(each.planned.directory, redactor)) for each in intent.targets
            ),
            labels=intent.labels,
            how=intent.how,
            reuse_key=intent.reuse_key,
            metrics_files=tuple(map(redactor.text, intent.metrics_files)),
            keep=intent.keep,
            policy=tuple(replace(part, value=clean_text(part.value, redactor)) for part in intent.environment_policy),
            level=intent.place.level,
            retry_of=intent.place.retry_of,
            attempt=intent.place.attempt,
        )
        mark = mark_of(opened.id, opened.host)
        # What has no output leaves no ref to move: if a power cut takes its mark, `lineage.unmarked` makes it again.
        put_mark = store.metadata.put if intent.targets else partial(put_note, store.metadata)
        put_mark(layout.open_run(opened.id), mark)
        store.journal.append({"kind": RUN_OPENED, "run": opened.to_record()})
        tell_of(opened.id)
        recording = cls(store, opened, redactor, policy.sign)
        recording.notes += notes
        recording._mark = None if intent.targets else mark
        return recording

    @property
    def run(self) -> RunId:
        """The run's id."""
        return self.opened.id

    def commit_output(
        self, target: Target, directory: Path, *, remember: bool = False, progress: Progress = SILENT
    ) -> OutputRecord | None:
        """The files of `directory` are a bundle of the target's repo when this returns; no ref points at it yet. With
        `remember`, the directory is known as datamon's own output once the run has ended. A run that wrote nothing has no
        output: where the directory is empty or gone, nothing is committed, a note says so, and this returns None. Raises as
        `commit_tree`."""
        planned = target.planned
        self._mark_durably()
        if holds_nothing(directory):
            self.notes.append(
                f"nothing was written for the output {planned.role!r}; {planned.repo_name}@{planned.branch} stays"
            )
            return None
        # A directory that nobody remembers is gone soon, and so would be the use of a stat cache of it.
        committing = _Committing(target.repo, planned.role, planned.branch, "use" if remember else "none")
        manifest, bundle = self._commit(directory, committing, progress)
        output = OutputRecord(planned.role, planned.repo, planned.repo_name, planned.branch, bundle.id, bundle.content)
        self.outputs.append(output)
        if remember:
            self._remembered.append((directory, manifest))
        return output

    def commit_again(self, target: Target, bundle: Bundle, directory: Path | None = None) -> OutputRecord:
        """What a live bundle of the target's repo holds is a new bundle of it, made by this run, when this returns; no ref points
        at it yet. A `directory` that holds it is known as datamon's own output once the run has ended.
        Raises as `commit_bundle`."""
        from datamon.store.commit import (
            commit_bundle,  # these bring pyarrow, which a run that commits nothing does not need
        )
        from datamon.store.manifest import read_manifest

        planned, manifest = target.planned, read_manifest(self.store.metadata, bundle.manifest)
        committing = _Committing(target.repo, planned.role, planned.branch, "none")
        request = replace(self._request(committing, manifest, None, None), beside=bundle.id)
        made = commit_bundle(self.store, target.repo, request)
        output = OutputRecord(planned.role, planned.repo, planned.repo_name, planned.branch, made.id, made.content)
        self.outputs.append(output)
        if directory is not None:
            self._remembered.append((directory, manifest))
        return output

    def remember_uncommitted(self, directory: Path) -> None:
        """What lies in `directory`, which is not committed, is known as a run's own output once the run has ended, so that the
        next run may clear it."""
        self._remembered.append((directory, None))

    def keep_streams(self, directory: Path) -> None:
        """The files of `directory` are kept in the hidden repo as what this run wrote to its streams. Raises as
        `commit_output`."""
        committing = _Committing(runs_repo(self.store), STREAMS_ROLE, None, "none")
        self.streams = self._commit(directory, committing, SILENT)[1].id

    def end(self, ending: Ending) -> RunClosed:
        """What the run used by path is in its record: what it read as inputs and, if it succeeded, what it wrote as outputs. Then
        its end is in the journal, then its refs are moved, then its outputs' directories are remembered, then it is no
        longer marked as open. Moves that cannot be made are told in `notes`. Raises Unavailable, Denied, Conflict: once the
        journal was written, any later command finishes the rest."""
        self._take_path_use(succeeded=ending.status == "succeeded")
        closed = self._closed(ending)
        self._closing = True
        self._append_close(closed)
        self._append_signature(closed)
        forget_use(self.store, self.run)
        for move in move_to_end(self.store, self.run, closed.moves):
            self.notes.append(
                f"the {move.ref_kind} {move.ref!r} was not moved to {move.new}: it was frozen or taken while the run was running"
            )
        if self._remembered:
            from datamon.store.checkout import (
                remember_output,
            )  # brings pyarrow, which a run without outputs does not need

            for directory, manifest in self._remembered:
                if directory.is_dir():
                    remember_output(self.store, directory, manifest)
        drop_mark(self.store, self.run)
        return closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the run as failed when `error` left the context and nothing has been closed."""
        if error is None or self._closing:
            return
        if os.getpid() != self._process:
            return  # a process that was forked off inside the run: the run's own is still to end it
        signal = "SIGINT" if isinstance(error, KeyboardInterrupt) else None
        try:
            self.end(Ending("failed", exit_code_of(error), signal, error_text(error), self.metrics, self.resources))
        except DatamonError as second:
            error.add_note(f"and the end of run {self.run} could not be recorded: {second}")

    def _take_path_use(self, *, succeeded: bool) -> None:
        """What the run's processes used by path is among its inputs and outputs; once, also where this failed before."""
        if self._use_taken or not place_of(self.store, self.run).is_dir():
            return
        self._use_taken = True
        used = used_by(self.store, self.run, self.inputs)
        self.inputs += used.inputs
        for staged in used.written if succeeded else ():
            self._mark_durably()
            self.outputs.append(commit_written(self.store, self.opened, staged, self.outputs))

    def _mark_durably(self) -> None:
        if self._mark is not None:
            self.store.metadata.put(layout.open_run(self.run), self._mark)
            self._mark = None

    def _closed(self, ending: Ending) -> RunClosed:
        clean = self.redactor.text
        succeeded = ending.status == "succeeded"
        return RunClosed(
            ended_ns=max(self.store.clock(), self.opened.started_ns),
            status=ending.status,
            exit_code=ending.exit_code,
            signal=ending.signal,
            error=self.redactor.line(ending.error)[:LONGEST_ERROR] if ending.error else None,
            inputs=tuple(clean_input(each, self.redactor) for each in self.inputs),
            outputs=tuple(self.outputs),
            metrics=tuple(Metric(clean(metric.name), metric.value) for metric in ending.metrics),
            moves=planned_moves(self.store, self.outputs, self.opened.labels) if succeeded else (),
            streams=self.streams,
            resources=ending.resources,
            reused=self.reused,
            capture=clean_capture(self.capture, self.redactor),
            sql=clean_sql(self.sql, self.redactor),
        )

    def _append_close(self, closed: RunClosed) -> None:
        """Once more after a failure: it is one event, however often it stands in the journal."""
        now = self.store.clock()
        record: Record = {"kind": RUN_CLOSED, "run": self.run, "close": closed.to_record()}
        record |= {"event": new_ksuid(now), "time": now}
        try:
            self.store.journal.append(record)
        except Unavailable:
            self.store.journal.append(record)
        self.closed = closed

    def _append_signature(self, closed: RunClosed) -> None:
        """A run that could not be signed has ended all the same."""
        if self._sign is None:
            return
        try:
            self.store.journal.append(self._sign(self.store.id, self.opened.to_record(), closed.to_record()))
        except Unavailable as error:
            self.notes.append(f"the run was not signed ({error.message}); `datamon run sign {self.run}` signs it")

    def _commit(self, directory: Path, committing: "_Committing", progress: Progress) -> "tuple[Manifest, Bundle]":
        # Imported at first use: a run that commits nothing does not need it.
        from datamon.store.put_tree import TreeSource
        from datamon.store.upload import commit_tree

        def ask(tree: "StoredTree") -> CommitRequest:
            return self._request(committing, tree.manifest, tree.session, tree.reused)

        source = TreeSource(directory, committing.cache)
        return commit_tree(self.store, committing.repo, source, ask, progress=progress)

    def _request(
        self, committing: "_Committing", manifest: "Manifest", session: SessionId | None, reused: frozenset[str] | None
    ) -> CommitRequest:
        return CommitRequest(
            manifest=manifest,
            message=f"{committing.role} of {self.opened.pipeline}/{self.opened.step}, run {self.run}",
            session=session,
            run=self.run,
            role=committing.role,
            follows=committing.branch,
            reused=reused,
        )


@dataclass(frozen=True, slots=True)
class _Committing:
    """Where a directory of this run goes: its repo, its role, the branch whose head it follows, and its stat cache."""

    repo: Repo
    role: str
    branch: str | None
    cache: "CacheUse"
