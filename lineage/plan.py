"""What to run again, and in which order, so that an output is fresh: a pure function over `facts`.

The step behind a bundle is done again as the newest successful run of its slot did it. It is in the plan when one of its
outputs that is asked for, or that a later step of the plan reads through a ref, is stale. Only the newest run of a slot is
ever done again: an older one would move its branch back. What is stale and is helped by no step of the plan is *left*, with
the reason: a ref that points at an older output, a branch that somebody moved by hand, bytes that no run wrote.

A plan says what may have to be run. A step that comes out with the same content makes what lies below it fresh, so who
carries a plan out asks again after each step (`rebuilding`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from datamon.lineage.facts import Facts, InputFact, OutputFact, RefFact, RunFact, Slot, SlotOrder, Stale, Subject
from datamon.lineage.staleness import stale, subjects_of

_MOST_CAUSES = 3
StepKey = tuple[str, str, frozenset[Slot]]
"""What stays the same of a step when it is run again: its pipeline, its name, its slots."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step to run again. `run` is the run that is done again, `because` the causes of its stale outputs, nearest first,
    `after` the positions of the steps whose outputs it reads."""

    position: int
    run: RunFact
    because: tuple[Stale, ...]
    after: tuple[int, ...]

    @property
    def key(self) -> StepKey:
        """The step, whichever run of it is meant."""
        return key_of(self.run)

    @property
    def has_own_cause(self) -> bool:
        """Whether running it can help by itself: something that it reads or is has changed, or its bytes are gone."""
        return any(row.cause not in ("upstream", "superseded") for row in self.because)


@dataclass(frozen=True, slots=True)
class Left:
    """A stale bundle that no step of the plan makes fresh, and why."""

    subject: Subject
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in an order in which each comes after those it reads from, and what they do not help."""

    steps: tuple[PlannedStep, ...] = ()
    left: tuple[Left, ...] = ()


def because(step: PlannedStep) -> str:
    """The nearest causes of a step: those of its own, else those it has through what it reads."""
    nearest = min((row.distance for row in step.because), default=0)
    told = (
        f"{row.cause} {row.subject}{f' via {row.via}' if row.via else ''}"
        for row in step.because
        if row.distance == nearest
    )
    causes = list(dict.fromkeys(told))
    more = len(causes) - _MOST_CAUSES
    return ", ".join(causes[:_MOST_CAUSES]) + (f" and {more} more" if more > 0 else "")


def key_of(run: RunFact) -> StepKey:
    """The step that a run is of."""
    return run.pipeline, run.step, frozenset(run.slot(output) for output in run.outputs)


def plan_of(facts: Facts, subjects: Iterable[Subject] | None = None, *, frozen: bool = False) -> Plan:
    """The plan that makes `subjects` fresh (default: `subjects_of(facts, frozen=frozen)`) and whatever they read through refs,
    all the way up. Steps that read each other's outputs in a circle stand in the order of their runs."""
    chosen = subjects_of(facts, frozen=frozen) if subjects is None else list(subjects)
    walk = _Walk(_Known(facts), frozen)
    walk.reach(chosen)
    rows: dict[str, list[Stale]] = defaultdict(list)
    for row in stale(facts, walk.judged(), frozen=frozen):
        rows[row.output].append(row)
    needed = [again for again in walk.steps.values() if any(bundle in rows for bundle in again.bundles)]
    left = [each for each in walk.left if each.subject.bundle in rows]
    helped = {again.run.id for again in needed}
    left += [
        Left(subject, f"it is an older output of {run.pipeline}/{run.step}, whose newest is fresh: move the ref there")
        for subject, run in walk.older
        if subject.bundle in rows and run.id not in helped
    ]
    before = {
        run: {walk.behind[each] for each in reads if each in walk.behind} - {run} for run, reads in walk.reads.items()
    }
    return Plan(tuple(_in_order(needed, before, rows)), tuple(sorted(left, key=_left_order)))


def _left_order(left: Left) -> tuple[str, str]:
    return left.subject.ref or "", left.subject.bundle


@dataclass
class _Again:
    """A run that may have to be done again, and those of its outputs that somebody wants."""

    run: RunFact
    bundles: set[str] = field(default_factory=set)

    @property
    def order(self) -> tuple[SlotOrder, str]:
        return max(output.order for output in self.run.outputs), self.run.id


class _Known:
    """The facts, indexed by what the walk asks for."""

    def __init__(self, facts: Facts) -> None:
        self.refs: dict[tuple[str, str], RefFact] = {(ref.repo, ref.name): ref for ref in facts.refs}
        self.bundles = {bundle.id: bundle for bundle in facts.bundles}
        self.written: dict[str, list[tuple[RunFact, OutputFact]]] = defaultdict(list)
        self.newest: dict[Slot, tuple[SlotOrder, str, RunFact]] = {}
        for run in facts.runs:
            for output in run.outputs if run.status == "succeeded" else ():
                if output.bundle in self.bundles:
                    self.written[output.bundle].append((run, output))
                    slot, standing = run.slot(output), (output.order, run.id, run)
                    self.newest[slot] = max(self.newest.get(slot, standing), standing, key=lambda each: each[:2])

    def writer(self, bundle: str) -> tuple[RunFact, OutputFact] | None:
        """The successful run that wrote this very bundle, as `staleness` has it."""
        fact = self.bundles.get(bundle)
        return max(
            self.written.get(bundle, ()),
            key=lambda each: (fact is not None and each[0].id == fact.run, each[1].order, each[0].id),
            default=None,
        )

    def given(self, read: InputFact, frozen: bool) -> RefFact | None:
        """The ref that an input follows, where it passes staleness on."""
        ref = self.refs.get((read.repo, read.ref or "")) if read.follows_ref else None
        return ref if ref is not None and (frozen or not ref.frozen) else None


class _Walk:
    """What is asked for, and all that it was made from through refs as they stand now."""

    def __init__(self, known: _Known, frozen: bool) -> None:
        self.known = known
        self.frozen = frozen
        self.steps: dict[str, _Again] = {}
        self.reads: dict[str, set[str]] = {}
        self.left: list[Left] = []
        self.older: list[tuple[Subject, RunFact]] = []
        self.seen: dict[str, Subject] = {}
        self.behind: dict[str, str] = {}

    def judged(self) -> list[Subject]:
        """The bundles whose staleness decides."""
        own = {bundle for again in self.steps.values() for bundle in again.bundles}
        return [*self.seen.values(), *(Subject(bundle, None) for bundle in sorted(own - self.seen.keys()))]

    def reach(self, subjects: Sequence[Subject]) -> None:
        """Takes in the subjects, the steps behind them, what those read, and so on up."""
        waiting = list(subjects)
        while waiting:
            subject = waiting.pop()
            if subject.bundle in self.seen:
                continue
            self.seen[subject.bundle] = subject
            run = self._step_behind(subject)
            if run is not None:
                self.behind[subject.bundle] = run.id
            if run is not None and run.id not in self.reads:
                given = [self.known.given(read, self.frozen) for read in run.inputs]
                self.reads[run.id] = {ref.bundle for ref in given if ref}
                waiting += [Subject(ref.bundle, ref.reference) for ref in given if ref]

    def _step_behind(self, subject: Subject) -> RunFact | None:
        written = self.known.writer(subject.bundle)
        if written is None:
            self.left.append(Left(subject, "no recorded run wrote it: upload it again, or have it repaired"))
            return None
        writer, output = written
        *_, newest = self.known.newest[writer.slot(output)]
        reason = self._in_the_way(writer, newest)
        if reason is not None:
            self.left.append(Left(subject, reason))
            return None
        again = self.steps.setdefault(newest.id, _Again(newest))
        again.bundles |= {each.bundle for each in newest.outputs if each.bundle and each.role == output.role}
        if newest is not writer:
            self.older.append((subject, newest))
        return newest

    def _in_the_way(self, writer: RunFact, newest: RunFact) -> str | None:
        if _values(writer) != _values(newest):
            return (
                f"a later run of {newest.pipeline}/{newest.step}, {newest.id}, was given other params; run again, the older would"
                " move the branch back"
            )
        for output in newest.outputs:
            branch = self.known.refs.get((output.repo, output.branch))
            head = self.known.writer(branch.bundle) if branch and branch.kind == "branch" else None
            moved_on = branch and branch.bundle != output.bundle
            if moved_on and (head is None or head[0].slot(head[1]) != newest.slot(output)):
                return f"{output.repo}@{output.branch} was moved to another bundle since, not by {newest.pipeline}/{newest.step}"
        return None


def _values(run: RunFact) -> frozenset[tuple[str, str]]:
    """What a run was told from outside. Values of files and defaults are read anew when it is done again."""
    return frozenset((param.name, param.value) for param in run.params if param.source == "explicit")


def _in_order(
    needed: Sequence[_Again], reads_from: Mapping[str, set[str]], rows: Mapping[str, Sequence[Stale]]
) -> Iterable[PlannedStep]:
    """The steps, each after those it reads from; of those that could come next the one whose run is oldest."""
    waiting = sorted(needed, key=lambda again: again.order)
    planned = {again.run.id for again in needed}
    positions: dict[str, int] = {}
    while waiting:
        ready = (again for again in waiting if reads_from[again.run.id] & planned <= positions.keys())
        again = next(ready, waiting[0])  # in a circle, the oldest
        waiting.remove(again)
        run = again.run
        after = tuple(sorted(positions[each] for each in reads_from[run.id] if each in positions))
        positions[run.id] = len(positions) + 1
        because = sorted((row for bundle in again.bundles for row in rows.get(bundle, ())), key=_nearest)
        yield PlannedStep(positions[run.id], run, tuple(because), after)


def _nearest(row: Stale) -> tuple[int, str, str, str]:
    return row.distance, row.cause, row.subject, row.via or ""
