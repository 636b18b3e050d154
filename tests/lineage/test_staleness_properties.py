"""What holds of staleness for every history."""

import random
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.lineage.facts import (
    BundleFact,
    Facts,
    InputFact,
    OutputFact,
    ParamFact,
    Part,
    RefFact,
    RunFact,
    Stale,
    at_position,
)
from datamon.lineage.staleness import stale, subjects_of

REPOS = ("raw", "clean", "model", "report")


@dataclass
class World:
    """A store in which steps of a fixed wiring run and people commit; contents are single letters."""

    facts: Facts = field(default_factory=Facts)

    def ref(self, repo: str, name: str) -> RefFact | None:
        return next((ref for ref in self.facts.refs if (ref.repo, ref.name) == (repo, name)), None)

    def point(self, ref: RefFact) -> None:
        others = tuple(each for each in self.facts.refs if (each.repo, each.name) != (ref.repo, ref.name))
        self.facts = replace(self.facts, refs=(*others, ref))

    def commit(self, repo: str, content: str, run: str | None = None) -> str:
        bundle = f"{repo}.{len(self.facts.bundles)}"
        self.facts = replace(self.facts, bundles=(*self.facts.bundles, BundleFact(bundle, repo, content, run)))
        self.point(RefFact(repo, "main", "branch", bundle))
        return bundle

    def content(self, bundle: str) -> str:
        return next(each.content for each in self.facts.bundles if each.id == bundle)

    def read(self, repo: str, name: str) -> InputFact | None:
        ref = self.ref(repo, name)
        if ref is None:
            return None
        return InputFact(repo, repo, name, ref.kind, ref.bundle, (Part("", self.content(ref.bundle)),))

    def run(self, reads: tuple[tuple[str, str], ...], repo: str, content: str, code: str, seed: str) -> RunFact:
        number = len(self.facts.runs)
        inputs = tuple(each for each in (self.read(*place) for place in reads) if each)
        bundle = self.commit(repo, content, f"run-{number}")
        output = OutputFact(repo, repo, "main", bundle, at_position(len(self.facts.bundles)))
        params = (ParamFact("seed", seed),)
        run = RunFact(f"run-{number}", "default", f"make-{repo}", "succeeded", number, code, inputs, (output,), params)
        self.facts = replace(self.facts, runs=(*self.facts.runs, run))
        return run


places = st.tuples(st.sampled_from(REPOS), st.sampled_from(("main", "good")))
letters = st.sampled_from("ab")
events = st.one_of(
    st.tuples(st.just("commit"), st.sampled_from(REPOS), letters),
    st.tuples(
        st.just("run"), st.lists(places, max_size=3, unique=True), st.sampled_from(REPOS), letters, letters, letters
    ),
    st.tuples(st.just("label"), st.sampled_from(REPOS), st.booleans()),
    st.tuples(st.just("unref"), places),
    st.tuples(st.just("lose"), st.integers(0, 9)),
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    world = World()
    for event in draw(st.lists(events, min_size=1, max_size=14)):
        perform(world, event)
    known = draw(
        st.dictionaries(st.sampled_from([run.id for run in world.facts.runs] or ["none"]), letters | st.none())
    )
    world.facts = replace(world.facts, code_now=known)
    return world


def perform(world: World, event: tuple[object, ...]) -> None:
    match event:
        case ("commit", str(repo), str(content)):
            world.commit(repo, content)
        case ("run", list(reads), str(repo), str(content), str(code), str(seed)):
            world.run(tuple(reads), repo, content, code, seed)
        case ("label", str(repo), bool(frozen)):
            head = world.ref(repo, "main")
            if head:
                world.point(RefFact(repo, "good", "label", head.bundle, frozen))
        case ("unref", (str(repo), str(name))):
            kept = tuple(ref for ref in world.facts.refs if (ref.repo, ref.name) != (repo, name))
            world.facts = replace(world.facts, refs=kept)
        case ("lose", int(number)):
            lost = {bundle.id for bundle in world.facts.bundles[number : number + 1]}
            world.facts = replace(world.facts, missing=world.facts.missing | lost)


@given(worlds(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_facts_means_nothing(world: World, chance: random.Random) -> None:
    facts = world.facts
    shuffled = replace(
        facts,
        runs=tuple(chance.sample(facts.runs, len(facts.runs))),
        bundles=tuple(chance.sample(facts.bundles, len(facts.bundles))),
        refs=tuple(chance.sample(facts.refs, len(facts.refs))),
    )
    assert stale(shuffled, frozen=True) == stale(facts, frozen=True)


@given(worlds())
@settings(max_examples=60, deadline=None)
def test_the_rows_are_those_of_a_slow_reading_of_the_sentences(world: World) -> None:
    for frozen in (False, True):
        found = {(row.output, row.ref, row.cause, row.subject, row.via) for row in stale(world.facts, frozen=frozen)}
        stale_refs = {(output, ref) for output, ref, *_ in found}
        expected = slowly(world.facts, frozen)
        assert stale_refs == {(output, ref) for output, ref, _ in expected}
        direct = {(output, ref, cause) for output, ref, cause, *_ in found if cause != "upstream"}
        assert direct == {row for row in expected if row[2] != "upstream"}


@given(worlds(), st.sampled_from(REPOS))
@settings(max_examples=60, deadline=None)
def test_running_a_step_again_to_the_same_content_adds_nothing_below_it(world: World, repo: str) -> None:
    again = next((run for run in reversed(world.facts.runs) if run.outputs[0].repo == repo), None)
    head = world.ref(repo, "main")
    if again is None or head is None or head.bundle != again.outputs[0].bundle:
        return
    before = below(stale(world.facts), repo)
    reads = tuple((read.repo, str(read.ref)) for read in again.inputs)
    world.run(reads, repo, world.content(head.bundle), str(again.fingerprint), again.params[0].value)
    assert below(stale(world.facts), repo) <= before


def below(rows: list[Stale], repo: str) -> set[tuple[str, str | None]]:
    return {(row.output, row.ref) for row in rows if not str(row.ref).startswith(f"{repo}@")}


@given(worlds(), st.sampled_from(REPOS))
@settings(max_examples=60, deadline=None)
def test_freezing_a_label_takes_its_rows_away_and_adds_none(world: World, repo: str) -> None:
    label = world.ref(repo, "good")
    if label is None:
        return
    world.point(replace(label, frozen=False))
    before = set(stale(world.facts))
    world.point(replace(label, frozen=True))
    after = set(stale(world.facts))
    assert not {row for row in after if row.ref == label.reference}
    assert {(row.output, row.ref) for row in after} <= {(row.output, row.ref) for row in before}


@given(worlds())
@settings(max_examples=60, deadline=None)
def test_a_row_below_has_its_input_stale_one_hop_nearer(world: World) -> None:
    rows = stale(world.facts, frozen=True)
    nearest: dict[str, int] = {}
    for row in rows:
        nearest[row.output] = min(row.distance, nearest.get(row.output, row.distance))
    held = {ref.reference: ref.bundle for ref in world.facts.refs}
    for row in rows:
        assert (row.cause == "upstream") == (row.distance > 0) == (row.via is not None)
        if row.via is not None:
            assert row.distance == nearest[held[row.via]] + 1


@given(worlds())
@settings(max_examples=60, deadline=None)
def test_a_failed_run_changes_no_row_but_its_last_status(world: World) -> None:
    before = {replace(row, last_status=None) for row in stale(world.facts)}
    latest = world.facts.runs[-1:]
    failed = tuple(replace(run, id="failed", status="failed", started_ns=999, fingerprint="z") for run in latest)
    rows = stale(replace(world.facts, runs=(*world.facts.runs, *failed)))
    assert {replace(row, last_status=None) for row in rows} == before


def slowly(facts: Facts, frozen: bool) -> set[tuple[str, str | None, str]]:
    """Output, ref and cause by the sentences as they stand, asked over and over until nothing is added."""
    content = {bundle.id: bundle.content for bundle in facts.bundles}
    repo = {bundle.id: bundle.repo for bundle in facts.bundles}
    refs = {(ref.repo, ref.name): ref for ref in facts.refs}
    writer = {run.outputs[0].bundle: run for run in facts.runs}
    causes: dict[str, set[str]] = {bundle: {"missing"} for bundle in facts.missing}

    def own(run: RunFact) -> set[str]:
        found = set()
        output = run.outputs[0]
        slot = [each for each in facts.runs if each.step == run.step]
        for read in run.inputs:
            ref = refs.get((read.repo, str(read.ref)))
            if ref is None or content[ref.bundle] != read.parts[0].content:
                found.add("input")
        if facts.code_now.get(run.id, slot[-1].fingerprint) != run.fingerprint:
            found.add("code")
        same = [each for each in slot if each.params == run.params]
        if content[str(same[-1].outputs[0].bundle)] != content[str(output.bundle)]:
            found.add("superseded")
        return found

    def run_causes(run: RunFact) -> set[str]:
        given = (refs.get((read.repo, str(read.ref))) for read in run.inputs)
        above = any(ref and (frozen or not ref.frozen) and ref.bundle in causes for ref in given)
        return own(run) | ({"upstream"} if above else set())

    def twins(one: str, other: str) -> bool:
        return (repo[one], content[one]) == (repo[other], content[other])

    changed = True
    while changed:
        before = {bundle: set(found) for bundle, found in causes.items()}
        for bundle, run in writer.items():
            makers = [each for other, each in writer.items() if twins(str(other), str(bundle))]
            if all(run_causes(maker) for maker in makers):
                causes.setdefault(str(bundle), set()).update(run_causes(run))
        changed = causes != before
    subjects = subjects_of(facts, frozen=frozen)
    return {(each.bundle, each.ref, cause) for each in subjects for cause in causes.get(each.bundle, ())}
