"""Rebuild: the stale steps above an output are done again in order, and what comes out fresh on the way is not.

After each step the plan is made anew from what is recorded by then (early cut-off): a step is started when everything that it
reads from has been settled and it still has a cause of its own. Each is started at most once. A step that fails stops those
that depend on it and no others. The rebuild is a run itself, the parent of the steps' runs.
"""

import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

from datamon.errors import DatamonError
from datamon.lineage.again import Again, again
from datamon.lineage.capture.code import find_code
from datamon.lineage.children import Answer, Child, Children, Program
from datamon.lineage.facts import Facts, RunFact, Subject
from datamon.lineage.nesting import PARENT_VARIABLE, parent_for, parent_text
from datamon.lineage.plan import Left, Plan, PlannedStep, StepKey, plan_of
from datamon.lineage.recording import Ending, Policy, Recording, RunIntent
from datamon.lineage.records import RunOpened
from datamon.lineage.working_tree import WorkingTree
from datamon.lineage.workplace import scratch
from datamon.store.ids import RunId
from datamon.store.opening import Store

State = Literal["waiting", "running", "changed", "same", "fresh", "failed", "left"]
"""Of a step: not begun, under way, done with other or with the same content, not needed any more, failed, or left stale."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """How a step stands. `after` are the steps that it reads from, `run` is the run that was made, `reason` why it failed or is
    left stale, `printed` the end of what a failed step printed."""

    step: PlannedStep
    state: State
    after: tuple[StepKey, ...] = ()
    run: RunId | None = None
    seconds: float = 0.0
    reason: str | None = None
    notes: tuple[str, ...] = ()
    printed: str = ""

    @property
    def name(self) -> str:
        """As people write it: `pipeline/step`."""
        return f"{self.step.run.pipeline}/{self.step.run.step}"


class Listener(Protocol):
    """Who follows a rebuild."""

    def report(self, reports: Sequence[StepReport]) -> None:
        """All steps as they stand now, in the plan's order; called after each change."""


@dataclass(frozen=True, slots=True)
class Known:
    """Where facts come from: `look` gives them as they are at the call, `records` the openings of runs."""

    look: Callable[[], Facts]
    records: Callable[[Collection[str]], Mapping[str, RunOpened]]
    subjects: Callable[[Facts], Sequence[Subject] | None]


@dataclass(frozen=True, slots=True)
class RebuildRequest:
    """What to make fresh, told by `known.subjects`, and how: with at most `jobs` steps at once."""

    known: Known
    program: Program
    argv: tuple[str, ...]
    host: str
    jobs: int = 1
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of it. `run` is the rebuild's own, None when there was nothing to run; `stopped_by` the signal that ended it."""

    run: RunId | None
    reports: tuple[StepReport, ...]
    left: tuple[Left, ...]
    stopped_by: signal.Signals | None = None

    @property
    def succeeded(self) -> bool:
        """Whether no step failed or had to be left stale."""
        return self.stopped_by is None and not any(each.state in ("failed", "left") for each in self.reports)


@dataclass(frozen=True, slots=True)
class Prospect:
    """A step of a plan as it would be done here: `meant`, or `obstacle`, the sentence that says why it cannot be."""

    step: PlannedStep
    meant: Again | None
    obstacle: str | None = None


def prospects(store: Store, request: RebuildRequest) -> tuple[list[Prospect], tuple[Left, ...]]:
    """The steps that may have to be run now, with what doing each again means, and what no step helps. Runs nothing."""
    work = _Work(store, request, _Nobody())
    work.look()
    return [work.prospect(step) for step in work.plan.steps], work.plan.left


def rebuild(store: Store, request: RebuildRequest, listener: Listener) -> Rebuilt:
    """The steps that had to be run have been run when this returns, or failed, or could not be; each is recorded. A request to
    stop (SIGINT, SIGTERM, SIGHUP) is passed on to the steps under way, whose ends are awaited. Raises as `Recording.open`."""
    work = _Work(store, request, listener)
    work.look()
    if not work.ready():
        work.settle()
        return Rebuilt(None, work.reports(), work.plan.left)
    with (
        scratch(store) as folder,
        Recording.open(store, _intent(store, request, work.plan), request.policy) as recording,
    ):
        children = Children(request.program, folder)
        with children.asked_to_stop() as asked:
            work.run(children, {PARENT_VARIABLE: parent_text(store, recording.run)})
        work.settle()
        stopped_by = asked[0] if asked else None
        recording.end(_ending(work.reports(), stopped_by))
    return Rebuilt(recording.run, work.reports(), work.plan.left, stopped_by)


def _intent(store: Store, request: RebuildRequest, plan: Plan) -> RunIntent:
    pipelines = {step.run.pipeline for step in plan.steps}
    place = find_code(request.program.cwd)
    return RunIntent(
        pipeline=pipelines.pop() if len(pipelines) == 1 else "default",
        step="rebuild",
        how="rebuild",
        argv=request.argv,
        cwd=place.relative(request.program.cwd),
        code=place.version(),
        parent=parent_for(store, request.policy.variables),
    )


def _ending(reports: Sequence[StepReport], stopped_by: signal.Signals | None) -> Ending:
    wrong = [f"{each.name}: {each.reason}" for each in reports if each.state in ("failed", "left")]
    if stopped_by is None and not wrong:
        return Ending("succeeded")
    return Ending("failed", None, stopped_by.name if stopped_by else None, "; ".join(wrong) or "stopped")


class _Nobody:
    def report(self, reports: Sequence[StepReport]) -> None:
        """Nobody follows."""


@dataclass(frozen=True, slots=True)
class _UnderWay:
    step: PlannedStep
    meant: Again
    began_ns: int


class _Work:
    """A rebuild as far as it is."""

    def __init__(self, store: Store, request: RebuildRequest, listener: Listener) -> None:
        self.store = store
        self.request = request
        self.listener = listener
        self.plan = Plan()
        self._facts = Facts()
        self._prospects: dict[str, Prospect] = {}
        self._reports: dict[StepKey, StepReport] = {}
        self._running: dict[Child, _UnderWay] = {}

    def look(self) -> None:
        """The plan is what it is by now; steps that are not needed any more are fresh."""
        self._facts = self.request.known.look()
        self.plan = plan_of(self._facts, self.request.known.subjects(self._facts))
        # What the working tree says is asked anew: a step may have changed a file that another is made of.
        self._tree = WorkingTree(self.request.program.cwd, self.request.host)
        unknown = [step.run.id for step in self.plan.steps if step.run.id not in self._prospects]
        records = self.request.known.records(unknown) if unknown else {}
        for step in self.plan.steps:
            if step.run.id in records:
                self._prospects[step.run.id] = self._prospect(step, records[step.run.id])
            if self._state(step) in (None, "waiting", "fresh"):
                known = self._reports[step.key].after if step.key in self._reports else ()
                after = (self.plan.steps[position - 1].key for position in step.after)
                self._reports[step.key] = StepReport(step, "waiting", tuple(dict.fromkeys((*known, *after))))
        needed = {step.key for step in self.plan.steps}
        for key, report in self._reports.items():
            if report.state == "waiting" and key not in needed:
                self._reports[key] = replace(report, state="fresh")

    def prospect(self, step: PlannedStep) -> Prospect:
        """What doing this step again means here."""
        found = self._prospects.get(step.run.id)
        return Prospect(step, found.meant, found.obstacle) if found else Prospect(step, None, "its record is not found")

    def _prospect(self, step: PlannedStep, record: RunOpened) -> Prospect:
        try:
            return Prospect(step, again(self.store, record, self._tree))
        except DatamonError as error:
            return Prospect(step, None, error.message)

    def reports(self) -> tuple[StepReport, ...]:
        """All steps that were ever in the plan."""
        return tuple(self._reports.values())

    def ready(self) -> list[Prospect]:
        """The steps that can be begun now, in order."""
        found: list[Prospect] = []
        settled: dict[int, bool] = {}
        for step in self.plan.steps:
            state, prospect = self._state(step), self.prospect(step)
            waits = not all(settled[position] for position in step.after)
            able = step.has_own_cause and prospect.meant is not None
            # A step that nothing can be done for holds nobody up: what reads it is judged by causes of its own.
            settled[step.position] = not waits and (state in ("changed", "same") or (state == "waiting" and not able))
            if state == "waiting" and able and not waits:
                found.append(prospect)
        return found

    def run(self, children: Children, variables: Mapping[str, str]) -> None:
        """Nothing can be begun any more, and nothing is under way."""
        while True:
            if not children.requests:
                for prospect in self.ready():
                    self._begin(children, prospect, variables)
            if not self._running:
                return
            ended = children.next_ended()
            for child in ended:
                self._end(self._running.pop(child), child.ended())
            if ended:
                self.look()
                self._tell()

    def settle(self) -> None:
        """Every step that still waits is said to be left, and why."""
        failed: dict[int, str] = {}
        for step in self.plan.steps:
            report = self._reports[step.key]
            if report.state == "failed":
                failed[step.position] = report.name
            upon = next((failed[position] for position in step.after if position in failed), None)
            if upon is not None:
                failed.setdefault(step.position, upon)
            if report.state == "waiting":
                self._reports[step.key] = replace(report, state="left", reason=self._why_left(step, upon))
        self._tell()

    def _why_left(self, step: PlannedStep, upon: str | None) -> str:
        if upon is not None:
            return f"it reads from {upon}, which failed"
        obstacle = self.prospect(step).obstacle
        if obstacle is not None:
            return obstacle
        if step.has_own_cause:
            return "the rebuild was stopped before it"
        via = next((row.via for row in step.because if row.via), None)
        return (
            f"only what it reads is stale ({via}), and that stayed so" if via else "its ref points at an older output"
        )

    def _state(self, step: PlannedStep) -> State | None:
        report = self._reports.get(step.key)
        return report.state if report else None

    def _begin(self, children: Children, prospect: Prospect, variables: Mapping[str, str]) -> None:
        meant = prospect.meant
        busy = [directory for each in self._running.values() for directory in each.meant.directories]
        if meant is None or len(self._running) >= self.request.jobs or _collide(meant.directories, busy):
            return
        step = prospect.step
        (record,) = self.request.known.records([step.run.id]).values()
        child = children.start(record, variables)
        self._running[child] = _UnderWay(step, meant, self.store.clock())
        self._reports[step.key] = replace(self._reports[step.key], step=step, state="running")
        self._tell()

    def _end(self, work: _UnderWay, answer: Answer) -> None:
        seconds = (self.store.clock() - work.began_ns) / 1e9
        state: State = "failed" if answer.error else "same"
        if state == "same":
            self._facts = self.request.known.look()
            made = next((run for run in self._facts.runs if run.id == answer.run), None)
            if made is None or self._contents(made) != self._contents(work.step.run):
                state = "changed"
        after, printed = self._reports[work.step.key].after, answer.printed if answer.error else ""
        self._reports[work.step.key] = StepReport(
            work.step, state, after, answer.run, seconds, answer.error, answer.notes, printed
        )

    def _contents(self, run: RunFact) -> dict[tuple[str, str, str], str]:
        contents = {bundle.id: bundle.content for bundle in self._facts.bundles}
        return {
            (output.role, output.repo, output.branch): contents[output.bundle]
            for output in run.outputs
            if output.bundle in contents
        }

    def _tell(self) -> None:
        self.listener.report(self.reports())


def _collide(directories: Sequence[Path], busy: Sequence[Path]) -> bool:
    mine, theirs = ([path.resolve() for path in paths] for paths in (directories, busy))
    return any(one.is_relative_to(other) or other.is_relative_to(one) for one in mine for other in theirs)
