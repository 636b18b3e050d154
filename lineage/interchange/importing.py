"""OpenLineage events become runs: each whole or not there, each once, whatever the order and however often they come."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from uuid import UUID

from datamon.errors import Invalid
from datamon.lineage.interchange.datasets import Datasets, Met, allowed, met_by_reader, met_by_writer
from datamon.lineage.interchange.openlineage_events import Event, Told, gather, read_event
from datamon.lineage.interchange.openlineage_names import run_of_uuid, uuid_of
from datamon.lineage.interchange.spool import Spool
from datamon.lineage.interchange.survey import run_events
from datamon.lineage.records import (
    RUN_CLOSED,
    RUN_OPENED,
    CodeVersion,
    Host,
    InputRecord,
    OutputRecord,
    Param,
    PlannedOutput,
    RunClosed,
    RunOpened,
)
from datamon.lineage.secrets import MASK, Redactor
from datamon.store.beneath import reading
from datamon.store.bundle import Bundle, Repo
from datamon.store.codec import Record
from datamon.store.ids import RunId
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress

SYSTEM = "openlineage"
_NOWHERE = Host("unknown", "", 0, 0, "unknown", "unknown", 0)
_MOST_TOLD = 20
_BATCH = 500
_Named = tuple[str, str]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no event, and why."""

    file: Path
    line: int
    fault: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.fault}"


@dataclass
class Imported:
    """What became of the events. `bad` are the first lines that are none, of `bad_lines`; `unended` runs wait for their end, and
    come with it when all their events are imported together; `others` are events of jobs and datasets, which are no runs."""

    events: int = 0
    runs: int = 0
    known: int = 0
    unended: int = 0
    others: int = 0
    bad_lines: int = 0
    bad: list[BadLine] = field(default_factory=list)


def import_events(
    store: Store,
    files: Iterable[Path],
    *,
    strict: bool = False,
    redactor: Redactor | None = None,
    progress: Progress = SILENT,
) -> Imported:
    """Every run whose end is among the events of these files is in the journal when this returns, with its datasets as bundles;
    one that is there already is left as it is. What the redactor knows as secret is not taken in.

    First all events are read, and with `strict` refused when a line is none, before anything is written. Memory is bounded by the
    number of runs in the journal and of datasets, some hundred bytes for each, and not by the events. Where this is stopped, the
    runs so far are whole, and importing again adds the rest. Raises Invalid (`bad-events`), NotFound (`path-not-found`), Denied,
    Unavailable, Conflict (`repo-exists`).
    """
    done = Imported()
    with TemporaryDirectory() as directory, Spool(Path(directory)) as spool:
        for file in files:
            _read(file, spool, done, strict=strict, progress=progress)
        done.unended = spool.unended()
        taking = _Taking(store, redactor or Redactor())
        progress.begin("import", None, None)
        for batch in _batches(map(_whole, spool.runs()), _BATCH):
            for is_new in taking.take(batch):
                done.runs += is_new
                done.known += not is_new
                progress.advance(1, 0)
        progress.end()
    return done


def _read(file: Path, spool: Spool, done: Imported, *, strict: bool, progress: Progress) -> None:
    with reading(file), file.open("rb") as stream:
        progress.begin("read", None, file.stat().st_size)
        for number, line in enumerate(stream, start=1):
            progress.advance(0, len(line))
            if not line.strip():
                continue
            try:
                event = read_event(line)
            except (ValueError, TypeError, RecursionError) as error:
                _tell_bad(BadLine(file, number, str(error)), done, strict=strict)
                continue
            done.events += 1
            if event is None:
                done.others += 1
            else:
                spool.add(event)
        progress.end()


def _tell_bad(bad: BadLine, done: Imported, *, strict: bool) -> None:
    if strict:
        message = f"{bad} is no OpenLineage event; nothing was imported: mend it, or leave --strict out to skip it"
        raise Invalid("bad-events", message, path=str(bad.file), line=bad.line)
    done.bad_lines += 1
    if len(done.bad) < _MOST_TOLD:
        done.bad.append(bad)


def _whole(events: list[Event]) -> Told:
    told = gather(events)
    assert told is not None, "its end is among its events"
    return told


def _batches(several: Iterable[Told], most: int) -> Iterator[list[Told]]:
    """The same, in order, so many at a time."""
    left = iter(several)
    while batch := list(islice(left, most)):
        yield batch


class _Taking:
    """Puts runs into one store."""

    def __init__(self, store: Store, redactor: Redactor) -> None:
        self._store = store
        self._redactor = redactor
        self._datasets = Datasets(store)
        self._here: set[RunId] = set()
        self._own: dict[UUID, RunId] = {}
        for event in run_events(store):
            if event["kind"] == RUN_OPENED:
                run = RunId(event["run"]["id"])
                self._here.add(run)
                if "foreign" not in event["run"]:
                    self._own[uuid_of(store.id, run)] = run

    def take(self, batch: Sequence[Told]) -> Iterator[bool]:
        """For each of these runs, in their order, whether it was not there; it is in the journal when that is told."""
        fresh = [told for told in batch if not self._is_here(told)]
        met = {told.run: self._met(told) for told in fresh}
        self._datasets.put(each for reads, writes in met.values() for each in (*reads, *writes))
        for told in batch:
            is_new = told.run in met
            if is_new:
                self._take(told, *met[told.run])
            yield is_new

    def _is_here(self, told: Told) -> bool:
        return run_of_uuid(told.run) in self._here or told.run in self._own

    def _met(self, told: Told) -> tuple[list[Met], list[Met]]:
        reads = [met_by_reader(name, facets, told.started_ns) for name, facets in self._clean(told.inputs)]
        run = str(told.run)
        return reads, [met_by_writer(name, facets, told.ended_ns, run) for name, facets in self._clean(told.outputs)]

    def _take(self, told: Told, reads: list[Met], writes: list[Met]) -> None:
        run = run_of_uuid(told.run)
        opened, closed = self._records(run, told, reads, writes)
        # The end first: until its beginning stands there too, a run is not there.
        self._store.journal.append({"kind": RUN_CLOSED, "run": run, "close": closed.to_record()})
        self._store.journal.append({"kind": RUN_OPENED, "run": opened.to_record()})
        self._here.add(run)

    def _records(self, run: RunId, told: Told, reads: list[Met], writes: list[Met]) -> tuple[RunOpened, RunClosed]:
        read = {met.name: self._datasets.read(met) for met in reads}
        wrote = {met.name: self._datasets.wrote(met) for met in writes}
        inputs = tuple(_input(repo, bundle) for repo, bundle in read.values())
        outputs = tuple(_output(repo, bundle) for repo, bundle in wrote.values())
        clean = self._redactor
        opened = RunOpened(
            id=run,
            pipeline=allowed(told.namespace),
            step=allowed(told.name),
            parent=self._parent(run, told.parent),
            started_ns=told.started_ns,
            author=self._store.author,
            host=_NOWHERE,
            argv=(),
            cwd="",
            code=_code(told),
            params=tuple(clean.param(Param(key, value)) for key, value in told.params),
            policy_env=(),
            environment=None,
            inputs=inputs,
            outputs=tuple(PlannedOutput(o.role, o.repo, o.repo_name, o.branch) for o in outputs),
            labels=(),
            how="imported",
            foreign=self._foreign(told, [*read.items(), *wrote.items()]),
        )
        closed = RunClosed(
            ended_ns=told.ended_ns,
            status=_status(told),
            exit_code=None,
            signal=None,
            error=clean.text(told.error) if told.error else None,
            inputs=inputs,
            outputs=outputs,
            metrics=(),
            moves=(),
            streams=None,
            resources=None,
        )
        return opened, closed

    def _parent(self, run: RunId, parent: UUID | None) -> RunId | None:
        if parent is None:
            return None
        found = self._own.get(parent) or run_of_uuid(parent)
        return None if found == run else found

    def _foreign(self, told: Told, datasets: list[tuple[_Named, tuple[Repo, Bundle]]]) -> Record:
        """What the run is where it comes from: its names, and every facet as it came."""
        named = {bundle.id: {"bundle": bundle.id, "namespace": n[0], "name": n[1]} for n, (_, bundle) in datasets}
        return {
            "system": SYSTEM,
            "run": str(told.run),
            "namespace": told.namespace,
            "name": told.name,
            "producer": told.producer,
            "run_facets": self._safe(told.run_facets),
            "job_facets": self._safe(told.job_facets),
            "datasets": list(named.values()),
        }

    def _clean(self, datasets: dict[_Named, dict[str, Any]]) -> Iterator[tuple[_Named, dict[str, Any]]]:
        for name, facets in sorted(datasets.items()):
            yield name, self._safe(facets)

    def _safe(self, value: Any, name: str = "") -> Any:
        """`value` without what is secret: by the name it has, or because its text is known."""
        if isinstance(value, dict):
            called = str(value.get("name") or value.get("key") or "")
            return {
                key: self._safe(inner, called if key == "value" and called else str(key))
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self._safe(inner, name) for inner in value]
        if isinstance(value, str):
            return MASK if name and self._redactor.is_secret(name) else self._redactor.line(value)
        return value


def _input(repo: Repo, bundle: Bundle) -> InputRecord:
    return InputRecord(
        repo.name, repo.id, repo.name, DEFAULT_BRANCH, "branch", bundle.id, bundle.content, how="imported"
    )


def _output(repo: Repo, bundle: Bundle) -> OutputRecord:
    return OutputRecord(repo.name, repo.id, repo.name, DEFAULT_BRANCH, bundle.id, bundle.content)


def _status(told: Told) -> Literal["succeeded", "failed"]:
    return "succeeded" if told.status == "succeeded" else "failed"


def _code(told: Told) -> CodeVersion:
    facet = told.job_facets.get("sourceCodeLocation")
    if not isinstance(facet, dict) or not facet.get("version"):
        return CodeVersion()
    commit, plus, _ = str(facet["version"]).partition("+")
    remote = facet.get("repoUrl") or facet.get("url")
    path = (str(facet["path"]),) if facet.get("path") else ()
    return CodeVersion(
        commit=commit, dirty="unknown" if plus else None, remote=str(remote) if remote else None, paths=path
    )
