"""What holds of a plan for every pipeline: carried out in order, it makes all fresh, and runs no step twice or for nothing."""

from dataclasses import dataclass, field, replace

from hypothesis import given
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
    Subject,
    at_position,
)
from datamon.lineage.plan import Plan, plan_of
from datamon.lineage.staleness import stale, subjects_of

Wiring = list[set[int]]
"""For each step the repos that it reads, all before the one that it writes. Repo 0 is a person's."""


@dataclass
class World:
    """A pipeline whose steps give one of three contents for what they read and are, so that other code often gives the same."""

    wiring: Wiring
    codes: list[int]
    facts: Facts = field(default_factory=Facts)

    def upload(self, content: str) -> None:
        self.commit(0, content, None)

    def run(self, step: int) -> None:
        reads = tuple(self._read(repo) for repo in sorted(self.wiring[step]))
        seed = sum(ord(read.parts[0].content) for read in reads) * 7 + self.codes[step]
        name = f"run-{len(self.facts.runs)}"
        bundle = self.commit(step + 1, "abc"[seed % 3], name)
        output = OutputFact("out", f"r{step + 1}", "main", bundle, at_position(len(self.facts.bundles)))
        params = (ParamFact("p", "1"),)
        code = str(self.codes[step])
        run = RunFact(name, "p", f"s{step}", "succeeded", len(self.facts.runs), code, reads, (output,), params)
        self.facts = replace(self.facts, runs=(*self.facts.runs, run))
        self.look()

    def look(self) -> None:
        """The working tree is asked."""
        now = {run.id: str(self.codes[int(run.step[1:])]) for run in self.facts.runs}
        self.facts = replace(self.facts, code_now=now)

    def _read(self, repo: int) -> InputFact:
        ref = next(ref for ref in self.facts.refs if ref.repo == f"r{repo}")
        content = next(bundle.content for bundle in self.facts.bundles if bundle.id == ref.bundle)
        return InputFact(f"r{repo}", f"r{repo}", "main", "branch", ref.bundle, (Part("", content),))

    def commit(self, repo: int, content: str, run: str | None) -> str:
        bundle = BundleFact(f"b{len(self.facts.bundles)}", f"r{repo}", content, run)
        others = tuple(ref for ref in self.facts.refs if ref.repo != bundle.repo)
        refs = (*others, RefFact(bundle.repo, "main", "branch", bundle.id))
        self.facts = replace(self.facts, bundles=(*self.facts.bundles, bundle), refs=refs)
        return bundle.id


@st.composite
def worlds(draw: st.DrawFn) -> World:
    count = draw(st.integers(1, 6))
    wiring = [draw(st.sets(st.integers(0, step), min_size=1, max_size=3)) for step in range(count)]
    world = World(wiring, [0] * count)
    world.upload("a")
    for step in range(count):
        world.run(step)
    for step in draw(st.sets(st.integers(0, count - 1))):
        world.codes[step] = draw(st.integers(0, 6))
    if draw(st.booleans()):
        world.upload(draw(st.sampled_from("abc")))
    world.look()
    return world


def carry_out(world: World, subjects: list[str] | None = None) -> list[str]:
    """Runs the first step of the plan that has a cause of its own, and asks again, until there is none."""
    ran: list[str] = []
    while True:
        plan = plan_of(world.facts, wanted(world, subjects))
        ready = [step for step in plan.steps if step.has_own_cause]
        if not ready:
            return ran
        ran.append(ready[0].run.step)
        assert len(ran) <= len(world.wiring), ran
        world.run(int(ready[0].run.step[1:]))


def wanted(world: World, repos: list[str] | None) -> list[Subject] | None:
    if repos is None:
        return None
    return [Subject(ref.bundle, ref.reference) for ref in world.facts.refs if ref.repo in repos]


@given(worlds())
def test_a_plan_that_is_carried_out_makes_everything_fresh_and_runs_each_step_once_at_most(world: World) -> None:
    planned = {step.run.step for step in plan_of(world.facts).steps}
    ran = carry_out(world)
    assert stale(world.facts) == []
    assert len(set(ran)) == len(ran)
    assert set(ran) <= planned


@given(worlds(), st.data())
def test_only_what_lies_above_what_was_asked_for_is_planned_and_it_is_fresh_afterwards(
    world: World, data: st.DataObject
) -> None:
    step = data.draw(st.integers(0, len(world.wiring) - 1))
    above, waiting = set[int](), [step]
    while waiting:
        each = waiting.pop()
        above.add(each)
        waiting += [repo - 1 for repo in world.wiring[each] if repo]
    repos = [f"r{step + 1}"]
    assert {int(each.run.step[1:]) for each in plan_of(world.facts, wanted(world, repos)).steps} <= above
    carry_out(world, repos)
    assert stale(world.facts, wanted(world, repos)) == []


@given(worlds())
def test_each_step_stands_after_all_planned_steps_that_it_reads_from(world: World) -> None:
    plan = plan_of(world.facts)
    positions = {int(each.run.step[1:]): each.position for each in plan.steps}
    for each in plan.steps:
        reads = {positions[repo - 1] for repo in world.wiring[int(each.run.step[1:])] if repo - 1 in positions}
        assert set(each.after) == reads
        assert all(position < each.position for position in each.after)
    assert [each.position for each in plan.steps] == list(range(1, len(plan.steps) + 1))


@given(worlds())
def test_a_plan_does_not_depend_on_the_order_of_the_facts(world: World) -> None:
    facts = world.facts
    shuffled = replace(
        facts,
        runs=facts.runs[::-1],
        bundles=facts.bundles[::-1],
        refs=tuple(sorted(facts.refs, key=lambda r: r.bundle)),
    )
    assert plan_of(shuffled).steps == plan_of(facts).steps


@given(worlds())
def test_a_stale_subject_is_behind_a_planned_step_or_left_with_a_reason(world: World) -> None:
    plan = plan_of(world.facts)
    served = {row.output for step in plan.steps for row in step.because} | {each.subject.bundle for each in plan.left}
    assert {row.output for row in stale(world.facts, subjects_of(world.facts))} <= served


def test_steps_that_read_each_other_in_a_circle_are_planned_in_the_order_of_their_runs() -> None:
    world = World([{0}, {1}], [0, 0])
    world.upload("a")
    world.run(0)
    world.run(1)
    world.wiring[0] = {2}
    world.run(0)
    world.run(1)
    world.codes[:] = [1, 1]
    world.look()
    plan = plan_of(world.facts)
    assert [(step.run.step, step.after) for step in plan.steps] == [("s0", ()), ("s1", (1,))]


def test_where_a_person_moved_the_branch_the_step_is_left() -> None:
    world = World([{0}], [0])
    world.upload("a")
    world.run(0)
    made = next(ref.bundle for ref in world.facts.refs if ref.repo == "r1")
    world.commit(1, "z", None)
    world.facts = replace(world.facts, refs=(*world.facts.refs, RefFact("r1", "good", "label", made)))
    world.codes[0] = 1
    world.look()
    plan = plan_of(world.facts)
    assert plan.steps == ()
    assert [(each.subject.ref, "was moved to another bundle since" in each.reason) for each in plan.left] == [
        ("r1@good", True)
    ]


def test_where_nothing_is_stale_the_plan_is_empty() -> None:
    world = World([{0}, {1}], [0, 0])
    world.upload("a")
    world.run(0)
    world.run(1)
    assert plan_of(world.facts) == Plan()
