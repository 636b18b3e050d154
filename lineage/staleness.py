"""What is stale and why: the definition, once, as a pure function over `facts`.

**Subjects** are the bundles that branches and unfrozen labels point at. A subject that a successful run wrote is
stale when at least one cause holds for that run; a bundle that a person committed has no cause but `missing`. The
causes:

- `input`: a part was read through a ref, and that ref gives other content for it now (None: the ref or the path is
  gone).
- `appeared`: a path that the run looked for in an input, and did not find, is there now.
- `code`: the step's fingerprint now differs from the run's. Now is the working tree where the code root is at hand,
  elsewhere the newest successful run of the slot.
- `param`: a value from a file or a default left alone is another there now.
- `superseded`: the newest later run of the slot with the same params put other content.
- `missing`: the bundle's own bytes are gone.
- `upstream`: the bundle that an input's ref gives now is itself stale.

A slot's newest run is the successful one whose output stands last (`SlotOrder`), whatever its times say. Runs that
did not succeed change nothing but `last_status`. Content that several runs of one repo produced is fresh when any
of them is fresh, so a rerun that gives the same content ends the matter for all that lies below (early cut-off).
Pinned inputs, and inputs through a frozen label unless frozen ones are judged, pass nothing on.

Staleness is the *least* set that these sentences force: two bundles that would be stale only because of each other
are fresh, and cycles end. A step that moves the very branch it read has other input now than it read, so it is
stale until a run of it changes nothing; that it is then also upstream of itself is not said again.

The cost is linear in the runs, plus the inputs of whatever produced the content that refs give now.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from datamon.lineage.facts import (
    CAUSES,
    BundleFact,
    Cause,
    Facts,
    InputFact,
    OutputFact,
    Part,
    RefFact,
    RunFact,
    Slot,
    Stale,
    Subject,
)
from datamon.lineage.records import Status


def stale(facts: Facts, subjects: Iterable[Subject] | None = None, *, frozen: bool = False) -> list[Stale]:
    """One row for each subject and cause, nearest first, then by ref; the same rows whatever the order of the facts.

    `subjects` (default: `subjects_of(facts, frozen=frozen)`) are judged even where they are frozen or no ref holds them.
    `frozen` lets frozen labels, too, pass on what they point at.
    """
    chosen = subjects_of(facts, frozen=frozen) if subjects is None else list(subjects)
    judgement = _Judgement(_History(facts), frozen)
    judgement.reach(subject.bundle for subject in chosen)
    judgement.spread()
    judgement.measure()
    rows = {row for subject in chosen for row in judgement.rows(subject)}
    return sorted(rows, key=_row_order)


def subjects_of(facts: Facts, *, frozen: bool = False) -> list[Subject]:
    """What is judged when nothing is asked for: what branches and unfrozen labels point at; with `frozen`, all labels."""
    return [Subject(ref.bundle, ref.reference) for ref in facts.refs if frozen or not ref.frozen]


@dataclass(frozen=True, slots=True)
class _Change:
    """A cause that needs no other bundle to be stale."""

    cause: Cause
    subject: str
    old: str | None
    new: str | None


@dataclass(frozen=True, eq=False)
class _Production:
    """A successful run's writing of one output. Each is made once, so it is told apart by identity."""

    run: RunFact
    output: OutputFact

    @cached_property
    def slot(self) -> Slot:
        """Where it was put."""
        return self.run.slot(self.output)

    @cached_property
    def params(self) -> frozenset[tuple[str, str]]:
        """What the run was given, from wherever."""
        return frozenset((param.name, param.value) for param in self.run.params)


_NEVER = (-1, "")


class _History:
    """The facts, indexed by what the sentences ask for."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.refs: dict[tuple[str, str], RefFact] = {(ref.repo, ref.name): ref for ref in facts.refs}
        self.bundles: dict[str, BundleFact] = {bundle.id: bundle for bundle in facts.bundles}
        self.of_slot: dict[Slot, list[_Production]] = defaultdict(list)
        self.of_content: dict[tuple[str, str], list[_Production]] = defaultdict(list)
        self.of_bundle: dict[str, list[_Production]] = defaultdict(list)
        for run in facts.runs:
            for output in run.outputs if run.status == "succeeded" else ():
                self._add(_Production(run, output))
        for productions in self.of_slot.values():
            productions.sort(key=lambda each: each.output.order)

    def _add(self, production: _Production) -> None:
        bundle = self.bundles.get(production.output.bundle or "")
        if bundle is not None:
            self.of_slot[production.slot].append(production)
            self.of_content[bundle.repo, bundle.content].append(production)
            self.of_bundle[bundle.id].append(production)

    def content(self, bundle: str | None) -> str | None:
        """The content of a bundle; None when there is no such bundle."""
        known = self.bundles.get(bundle or "")
        return known.content if known else None

    def writer(self, bundle: str) -> _Production | None:
        """The successful run that wrote this very bundle; of several (imported) the one that it names, else the
        newest."""
        productions = self.of_bundle.get(bundle, [])
        named = self.bundles[bundle].run if productions else None
        return max(productions, key=lambda each: (each.run.id == named, each.output.order, each.run.id), default=None)

    def part_now(self, read: InputFact, part: Part) -> str | None:
        """The content that the ref of `read` gives for `part` now; None when the ref or the path is gone."""
        ref = self.refs.get((read.repo, read.ref or ""))
        if ref is None:
            return None
        if ref.bundle == read.bundle:
            return part.content
        return self.facts.contents.get((ref.bundle, part.path)) if part.path else self.content(ref.bundle)

    @cached_property
    def last_runs(self) -> dict[Slot | tuple[str, str], tuple[tuple[int, str], Status]]:
        """The last started run of each slot; under (pipeline, step), of those that name no output at all."""
        last: dict[Slot | tuple[str, str], tuple[tuple[int, str], Status]] = {}
        for run in self.facts.runs:
            places: list[Slot | tuple[str, str]] = [run.slot(output) for output in run.outputs]
            for place in places or [(run.pipeline, run.step)]:
                last[place] = max(last.get(place, (_NEVER, run.status)), ((run.started_ns, run.id), run.status))
        return last

    def last_status(self, slot: Slot) -> Status | None:
        """Of the slot's last started run; one that failed before it named an output counts for every slot of its step."""
        found = [self.last_runs[place] for place in (slot, (slot.pipeline, slot.step)) if place in self.last_runs]
        return max(found)[1] if found else None


def _own_changes(history: _History, production: _Production) -> Iterator[_Change]:
    for read in production.run.inputs:
        yield from _input_changes(history, read)
    yield from _code_change(history, production)
    yield from _param_changes(history, production.run)
    yield from _superseded(history, production)


def _input_changes(history: _History, read: InputFact) -> Iterator[_Change]:
    for part in read.parts if read.follows_ref else ():
        now = history.part_now(read, part)
        if now != part.content:
            yield _Change("input" if part.content else "appeared", _reference(read, part), part.content, now)


def _code_change(history: _History, production: _Production) -> Iterator[_Change]:
    run = production.run
    if run.id in history.facts.code_now:
        now, known = history.facts.code_now[run.id], True
    else:
        now = history.of_slot[production.slot][-1].run.fingerprint
        known = now is not None
    if known and run.fingerprint is not None and now != run.fingerprint:
        yield _Change("code", f"{run.pipeline}/{run.step}", run.fingerprint, now)


def _param_changes(history: _History, run: RunFact) -> Iterator[_Change]:
    for param in run.params:
        if param.source != "explicit" and (run.id, param.name) in history.facts.params_now:
            now = history.facts.params_now[run.id, param.name]
            if now != param.value:
                yield _Change("param", param.name, param.value, now)


def _superseded(history: _History, production: _Production) -> Iterator[_Change]:
    params = production.params
    newest = next(each for each in reversed(history.of_slot[production.slot]) if each.params == params)
    old, new = history.content(production.output.bundle), history.content(newest.output.bundle)
    if old != new:
        yield _Change("superseded", f"{production.output.repo}@{production.output.branch}", old, new)


def _reference(read: InputFact, part: Part | None = None) -> str:
    return f"{read.repo}@{read.ref}" + (f":{part.path}" if part and part.path else "")


class _Judgement:
    """Which bundles are stale, how far from a cause of their own, and what that cause is."""

    def __init__(self, history: _History, frozen: bool) -> None:
        self.history = history
        self.frozen = frozen
        self.changes: dict[_Production, tuple[_Change, ...]] = {}
        self.producers: dict[str, list[_Production]] = {}
        self.stale: set[str] = set()
        self.distance: dict[str, int] = {}
        self.nearest: dict[str, frozenset[tuple[str, _Change]]] = {}

    def reach(self, bundles: Iterable[str]) -> None:
        """Takes in the bundles, all that produced their content, the bundles that those runs' refs give now, and so on
        up."""
        waiting = deque(bundles)
        while waiting:
            bundle = waiting.popleft()
            if bundle in self.producers or bundle not in self.history.bundles:
                continue
            fact, written = self.history.bundles[bundle], bundle in self.history.of_bundle
            self.producers[bundle] = self.history.of_content[fact.repo, fact.content] if written else []
            for production in self.producers[bundle]:
                if production not in self.changes:
                    self.changes[production] = tuple(_own_changes(self.history, production))
                    waiting.extend(given for _, given in self.given(production))

    def given(self, production: _Production) -> list[tuple[InputFact, str]]:
        """The inputs of a run that pass staleness on, each with the bundle that its ref gives now."""
        found = []
        for read in production.run.inputs:
            ref = self.history.refs.get((read.repo, read.ref or "")) if read.follows_ref else None
            if ref is not None and (self.frozen or not ref.frozen):
                found.append((read, ref.bundle))
        return found

    def spread(self) -> None:
        """Finds the least set of stale bundles: from those with causes of their own along the refs, until nothing is
        added."""
        readers: dict[str, list[_Production]] = defaultdict(list)
        content_of: dict[_Production, list[str]] = defaultdict(list)
        fresh = {bundle: len(productions) for bundle, productions in self.producers.items()}
        for production in self.changes:
            for _, given in self.given(production):
                readers[given].append(production)
        for bundle, productions in self.producers.items():
            for production in productions:
                content_of[production].append(bundle)
        settled: set[_Production] = set()
        bundles = deque(bundle for bundle in self.producers if bundle in self.history.facts.missing)
        causes = deque(production for production, changes in self.changes.items() if changes)
        while bundles or causes:
            if bundles:
                bundle = bundles.popleft()
                if bundle not in self.stale:
                    self.stale.add(bundle)
                    causes.extend(readers[bundle])
                continue
            production = causes.popleft()
            if production not in settled:
                settled.add(production)
                for bundle in content_of[production]:
                    fresh[bundle] -= 1
                    if not fresh[bundle]:
                        bundles.append(bundle)

    def own(self, bundle: str) -> tuple[_Change, ...]:
        """The causes that a stale bundle has by itself, through the run that wrote it."""
        history = self.history
        gone: tuple[_Change, ...] = ()
        if bundle in history.facts.missing:
            gone = (_Change("missing", bundle, history.content(bundle), None),)
        writer = history.writer(bundle)
        settled = writer is not None and (bundle not in history.facts.missing or self.all_stale(bundle))
        return (*gone, *self.changes[writer]) if writer and settled else gone

    def all_stale(self, bundle: str) -> bool:
        """Whether a missing bundle would be stale with its bytes there: every producer of its content has a cause."""
        return all(
            self.changes[each] or any(given in self.stale for _, given in self.given(each))
            for each in self.producers[bundle]
        )

    def above(self, bundle: str) -> list[tuple[InputFact, str]]:
        """The inputs of the run that wrote a stale bundle whose refs give a stale bundle now."""
        writer = self.history.writer(bundle)
        if writer is None or (bundle in self.history.facts.missing and not self.all_stale(bundle)):
            return []
        return [(read, given) for read, given in self.given(writer) if given in self.stale]

    def measure(self) -> None:
        """Sets how many hops each stale bundle is from the nearest causes, and which those are."""
        below: dict[str, list[str]] = defaultdict(list)
        layer = []
        for bundle in self.stale:
            for _, given in self.above(bundle):
                below[given].append(bundle)
            own = self.own(bundle)
            if own:
                layer.append(bundle)
                self.distance[bundle] = 0
                self.nearest[bundle] = frozenset((bundle, change) for change in own)
        hops = 0
        while layer:
            hops += 1
            reached: dict[str, set[tuple[str, _Change]]] = defaultdict(set)
            for bundle in layer:
                for reader in below[bundle]:
                    if reader not in self.distance:
                        reached[reader] |= self.nearest[bundle]
            for reader, causes in reached.items():
                self.distance[reader] = hops
                self.nearest[reader] = frozenset(causes)
            layer = list(reached)

    def rows(self, subject: Subject) -> Iterator[Stale]:
        """The rows of one subject; none when it is fresh."""
        bundle = subject.bundle
        if bundle not in self.stale:
            return
        writer = self.history.writer(bundle)
        status = self.history.last_status(writer.slot) if writer else None
        for own in self.own(bundle):
            yield Stale(bundle, subject.ref, own.cause, own.subject, own.old, own.new, None, 0, status)
        for read, given in self.above(bundle):
            hops = self.distance[given] + 1
            for root, far in self.nearest[given]:
                if root != bundle:
                    via = _reference(read)
                    yield Stale(bundle, subject.ref, "upstream", far.subject, far.old, far.new, via, hops, status)


def _row_order(row: Stale) -> tuple[object, ...]:
    return (
        row.distance,
        row.ref or "",
        row.output,
        CAUSES.index(row.cause),
        row.subject,
        row.via or "",
        row.old or "",
        row.new or "",
    )
