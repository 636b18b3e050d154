"""A run as the journal tells of it: opened, closed, abandoned (docs/format.md, "Journal"). All nouns of runs can be had here."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from datamon.lineage.kinds import RUN_ABANDONED, RUN_CLOSED, RUN_KINDS, RUN_MOVES, RUN_OPENED, RUN_REPLAYED
from datamon.lineage.replays import Replay
from datamon.lineage.run_parts import (
    Capture,
    CodeMethod,
    CodeVersion,
    Environment,
    EnvironmentPart,
    Host,
    InputRecord,
    InputRefKind,
    Level,
    Metric,
    OutputRecord,
    Param,
    ParamSource,
    ParamValue,
    PlannedMove,
    PlannedOutput,
    Resources,
    Scalar,
    Status,
)
from datamon.lineage.sql_parts import SqlRecord
from datamon.store.bundle import Author
from datamon.store.codec import Record
from datamon.store.ids import BundleId, RunId

__all__ = [
    "RUN_ABANDONED",
    "RUN_CLOSED",
    "RUN_KINDS",
    "RUN_MOVES",
    "RUN_OPENED",
    "RUN_REPLAYED",
    "Capture",
    "CodeMethod",
    "CodeVersion",
    "Environment",
    "EnvironmentPart",
    "Host",
    "InputRecord",
    "InputRefKind",
    "Level",
    "Metric",
    "OutputRecord",
    "Param",
    "ParamSource",
    "ParamValue",
    "PlannedMove",
    "PlannedOutput",
    "Resources",
    "Run",
    "RunClosed",
    "RunOpened",
    "Scalar",
    "Status",
    "combine",
    "run_of",
]


@dataclass(frozen=True, slots=True)
class RunOpened:
    """What is known when a run begins. `cwd` is relative to the code root, or absolute. `policy_env` are the patterns of
    environment variables that the record keeps; `how` is `command`, `decorator`, `context`, `rebuild` or `imported`. `reuse_key`
    stands for the computation that it is; None where that cannot be told. `metrics_files` (relative to the code root, else
    absolute) and `keep` are what a command was recorded with. `foreign` is what an imported run is in the system that it comes
    from. `policy` are the parts of the environment that count for the step. `attempt` counts the runs that repeat one another,
    `retry_of` is the one before."""

    id: RunId
    pipeline: str
    step: str
    parent: RunId | None
    started_ns: int
    author: Author
    host: Host
    argv: tuple[str, ...]
    cwd: str
    code: CodeVersion
    params: tuple[Param, ...]
    policy_env: tuple[str, ...]
    environment: str | None
    inputs: tuple[InputRecord, ...]
    outputs: tuple[PlannedOutput, ...]
    labels: tuple[str, ...]
    how: str
    reuse_key: str | None = None
    metrics_files: tuple[str, ...] = ()
    keep: bool = False
    foreign: Record | None = None
    policy: tuple[EnvironmentPart, ...] = ()
    level: Level | None = None
    retry_of: RunId | None = None
    attempt: int = 1

    def to_record(self) -> Record:
        """As it is stored: the `run` of a `run-opened`."""
        asked = {"metrics_files": list(self.metrics_files)} if self.metrics_files else {}
        parts = {"parts": [part.to_record() for part in self.policy]} if self.policy else {}
        return {
            "id": self.id,
            "pipeline": self.pipeline,
            "step": self.step,
            "parent": self.parent,
            "started": self.started_ns,
            "author": self.author.to_record(),
            "host": self.host.to_record(),
            "argv": list(self.argv),
            "cwd": self.cwd,
            "code": self.code.to_record(),
            "params": [param.to_record() for param in self.params],
            "policy": {"env": list(self.policy_env), **parts},
            "environment": self.environment,
            "inputs": [each.to_record() for each in self.inputs],
            "outputs": [each.to_record() for each in self.outputs],
            "labels": list(self.labels),
            "how": self.how,
            "reuse_key": self.reuse_key,
            **asked,
            **({"keep": True} if self.keep else {}),
            **({"foreign": self.foreign} if self.foreign is not None else {}),
            **({"level": self.level} if self.level else {}),
            **({"retry_of": self.retry_of, "attempt": self.attempt} if self.retry_of else {}),
        }

    @classmethod
    def from_record(cls, record: Record) -> "RunOpened":
        """From what is stored."""
        return cls(
            id=RunId(record["id"]),
            pipeline=record["pipeline"],
            step=record["step"],
            parent=RunId(record["parent"]) if record["parent"] else None,
            started_ns=record["started"],
            author=Author.from_record(record["author"]),
            host=Host.from_record(record["host"]),
            argv=tuple(record["argv"]),
            cwd=record["cwd"],
            code=CodeVersion.from_record(record["code"]),
            params=tuple(Param.from_record(each) for each in record["params"]),
            policy_env=tuple(record["policy"]["env"]),
            environment=record["environment"],
            inputs=tuple(InputRecord.from_record(each) for each in record["inputs"]),
            outputs=tuple(PlannedOutput.from_record(each) for each in record["outputs"]),
            labels=tuple(record["labels"]),
            how=record["how"],
            reuse_key=record.get("reuse_key"),
            metrics_files=tuple(record.get("metrics_files", ())),
            keep=record.get("keep", False),
            foreign=record.get("foreign"),
            policy=tuple(EnvironmentPart.from_record(each) for each in record["policy"].get("parts", ())),
            level=record.get("level"),
            retry_of=RunId(record["retry_of"]) if record.get("retry_of") else None,
            attempt=record.get("attempt", 1),
        )


@dataclass(frozen=True, slots=True)
class RunClosed:
    """What is known when a run ends. `inputs` are those of the opening with what the run changed, and any met later;
    `streams` is a bundle of the hidden repo. `reused` is the run whose outputs were taken in place of running, `capture` what was
    seen of its files, if it was watched, `sql` what a SQL step ran."""

    ended_ns: int
    status: Literal["succeeded", "failed"]
    exit_code: int | None
    signal: str | None
    error: str | None
    inputs: tuple[InputRecord, ...]
    outputs: tuple[OutputRecord, ...]
    metrics: tuple[Metric, ...]
    moves: tuple[PlannedMove, ...]
    streams: BundleId | None
    resources: Resources | None
    reused: RunId | None = None
    capture: Capture | None = None
    sql: SqlRecord | None = None

    def to_record(self) -> Record:
        """As it is stored: the `close` of a `run-closed`."""
        captured = {"capture": self.capture.to_record()} if self.capture else {}
        return {
            "ended": self.ended_ns,
            "status": self.status,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "error": self.error,
            "inputs": [each.to_record() for each in self.inputs],
            "outputs": [each.to_record() for each in self.outputs],
            "metrics": [each.to_record() for each in self.metrics],
            "moves": [each.to_record() for each in self.moves],
            "streams": self.streams,
            "resources": self.resources.to_record() if self.resources else None,
            "reused": self.reused,
            **captured,
            **({"sql": self.sql.to_record()} if self.sql else {}),
        }

    @classmethod
    def from_record(cls, record: Record) -> "RunClosed":
        """From what is stored."""
        return cls(
            ended_ns=record["ended"],
            status=record["status"],
            exit_code=record["exit_code"],
            signal=record["signal"],
            error=record["error"],
            inputs=tuple(InputRecord.from_record(each) for each in record["inputs"]),
            outputs=tuple(OutputRecord.from_record(each) for each in record["outputs"]),
            metrics=tuple(Metric.from_record(each) for each in record["metrics"]),
            moves=tuple(PlannedMove.from_record(each) for each in record["moves"]),
            streams=BundleId(record["streams"]) if record["streams"] else None,
            resources=Resources.from_record(record["resources"]) if record["resources"] else None,
            reused=RunId(record["reused"]) if record.get("reused") else None,
            capture=Capture.from_record(record["capture"]) if record.get("capture") else None,
            sql=SqlRecord.from_record(record["sql"]) if record.get("sql") else None,
        )


@dataclass(frozen=True, slots=True)
class Run:
    """One recorded execution, as far as the journal tells. `closed.moves` are those that hold now: a `run-moves` has
    replaced what the close listed. `replays` are in the order in which they were recorded."""

    opened: RunOpened
    closed: RunClosed | None = None
    abandoned_ns: int | None = None
    replays: tuple[Replay, ...] = ()

    @property
    def id(self) -> RunId:
        """The run's id."""
        return self.opened.id

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from datamon.lineage.run_html import run_html  # only where there is a page to show it

        return run_html(self)

    @property
    def status(self) -> Status:
        """Where the run stands. A close beats an abandonment."""
        if self.closed:
            return self.closed.status
        return "running" if self.abandoned_ns is None else "abandoned"

    @property
    def ended_ns(self) -> int | None:
        """When it ended: for an abandoned run, when that was noticed; None while it runs."""
        return self.closed.ended_ns if self.closed else self.abandoned_ns

    @property
    def inputs(self) -> tuple[InputRecord, ...]:
        """What it read, as last told."""
        return self.closed.inputs if self.closed else self.opened.inputs

    @property
    def outputs(self) -> tuple[OutputRecord, ...]:
        """What it committed."""
        return self.closed.outputs if self.closed else ()


def run_of(event: Record) -> RunId:
    """The run of which a journal record of one of `RUN_KINDS` speaks."""
    run = event["run"]
    return RunId(run["id"] if event["kind"] == RUN_OPENED else run)


def combine(events: Iterable[Record]) -> Run | None:
    """The run that journal records of one run tell of, whatever their order and however often each came; None when its
    opening is not among them. Of several records of one kind the earliest counts (of `run-moves` the latest), equal times
    being decided by the event's id. Records of other kinds are passed over."""
    ordered = sorted((e for e in events if e["kind"] in RUN_KINDS), key=lambda e: (e["time"], e["event"]))
    first: dict[str, Record] = {}
    for event in ordered:
        first.setdefault(event["kind"], event)
    if RUN_OPENED not in first:
        return None
    closed = RunClosed.from_record(first[RUN_CLOSED]["close"]) if RUN_CLOSED in first else None
    moves = next((e["moves"] for e in reversed(ordered) if e["kind"] == RUN_MOVES), None)
    if closed and moves is not None:
        closed = replace(closed, moves=tuple(PlannedMove.from_record(each) for each in moves))
    return Run(
        opened=RunOpened.from_record(first[RUN_OPENED]["run"]),
        closed=closed,
        abandoned_ns=first[RUN_ABANDONED]["time"] if RUN_ABANDONED in first else None,
        replays=tuple({e["event"]: Replay.from_event(e) for e in ordered if e["kind"] == RUN_REPLAYED}.values()),
    )
