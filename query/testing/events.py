"""Journal records of runs, made without running anything."""

from dataclasses import dataclass, field, replace

from datamon.lineage.records import (
    RUN_ABANDONED,
    RUN_CLOSED,
    RUN_OPENED,
    CodeVersion,
    EnvironmentPart,
    Host,
    InputRecord,
    Metric,
    OutputRecord,
    Param,
    PlannedOutput,
    RunClosed,
    RunOpened,
    Status,
)
from datamon.lineage.sql_parts import SqlRecord
from datamon.store.bundle import Author, Bundle, Repo
from datamon.store.codec import Record, stamped
from datamon.store.ids import RunId, new_ksuid

ADA = Author("Ada", "ada@example.org")
HOST = Host(name="bench", boot="b", pid=1, pid_started=1, system="Linux", machine="x86_64", cpus=2)
START_NS = 1_750_000_000_000_000_000


@dataclass(frozen=True)
class Told:
    """What a run's records say. `number` makes the run's and its events' ids, so that equal fields make equal records; it is
    also the second, after `START_NS`, in which the run began."""

    number: int
    step: str = "train"
    pipeline: str = "default"
    status: Status = "succeeded"
    inputs: tuple[InputRecord, ...] = ()
    outputs: tuple[OutputRecord, ...] = ()
    params: tuple[Param, ...] = ()
    metrics: tuple[Metric, ...] = ()
    environment: str | None = None
    author: Author = ADA
    code: CodeVersion = field(default_factory=CodeVersion)
    policy: tuple[EnvironmentPart, ...] = ()
    at_ns: int | None = None
    """When it began, and was recorded; None: so many seconds after `START_NS` as its number says."""
    closed_ns: int | None = None
    """When its end was recorded; None: at once."""
    sql: SqlRecord | None = None

    @property
    def run(self) -> RunId:
        """The run's id."""
        return RunId(_ksuid(self.number, 0))

    @property
    def started_ns(self) -> int:
        """When the run began."""
        return START_NS + self.number * 10**9 if self.at_ns is None else self.at_ns

    def events(self) -> list[Record]:
        """Its journal records in the order in which they come about: opened, and what ended it unless it is running."""
        opened = stamped(RUN_OPENED, {**self._stamp(1), "run": self._opened().to_record()})
        if self.status == "running":
            return [opened]
        if self.status == "abandoned":
            return [opened, stamped(RUN_ABANDONED, {**self._stamp(2), "run": self.run})]
        return [opened, stamped(RUN_CLOSED, {**self._stamp(2), "run": self.run, "close": self._closed().to_record()})]

    def _stamp(self, place: int) -> Record:
        late = place > 1 and self.closed_ns is not None
        return {"event": _ksuid(self.number, place), "time": self.closed_ns if late else self.started_ns + place}

    def _opened(self) -> RunOpened:
        return RunOpened(
            id=self.run,
            pipeline=self.pipeline,
            step=self.step,
            parent=None,
            started_ns=self.started_ns,
            author=self.author,
            host=HOST,
            argv=("python", "my train.py"),
            cwd=".",
            code=self.code,
            params=self.params,
            policy_env=(),
            environment=self.environment,
            inputs=self.inputs,
            outputs=tuple(PlannedOutput(o.role, o.repo, o.repo_name, o.branch) for o in self.outputs),
            labels=(),
            how="command",
            policy=self.policy,
        )

    def _closed(self) -> RunClosed:
        failed = self.status == "failed"
        return RunClosed(
            ended_ns=self.started_ns + 2 * 10**9,
            status="failed" if failed else "succeeded",
            exit_code=1 if failed else 0,
            signal=None,
            error="it broke" if failed else None,
            inputs=self.inputs,
            outputs=self.outputs,
            metrics=self.metrics,
            moves=(),
            streams=None,
            resources=None,
            sql=self.sql,
        )

    def but(self, **changes: object) -> "Told":
        """The same with other fields."""
        return replace(self, **changes)  # type: ignore[arg-type]


def _ksuid(number: int, place: int) -> str:
    return new_ksuid(START_NS + number * 10**9, b"run-" + number.to_bytes(8, "big") + place.to_bytes(4, "big"))


def read_of(repo: Repo, bundle: Bundle, ref: str = "main") -> InputRecord:
    """A run's read of a whole bundle through a branch."""
    return InputRecord(repo.name, repo.id, repo.name, ref, "branch", bundle.id, bundle.content)


def write_of(repo: Repo, bundle: Bundle, branch: str = "main") -> OutputRecord:
    """A run's write of a bundle."""
    return OutputRecord(repo.name, repo.id, repo.name, branch, bundle.id, bundle.content)
