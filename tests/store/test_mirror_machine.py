"""A mirrored store under writers, promotions, repairs, kills and sides that come and go, in every order that Hypothesis can think
of."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from datamon.store.encryption_key import EncryptionKey, new_key
from datamon.store.testing.mirror_world import State, World

WHO = st.integers(0, 3)
WHICH = st.integers(0, 9)
CALLS = st.integers(1, 12) | st.just(1000)
STATE: st.SearchStrategy[State] = st.sampled_from(["there", "lost", "deaf"])
TELLING = ("put_if_absent repos/", "put_if_absent epochs/", "list epochs/", "list repos/", "put stranded/")
"""Calls before which it matters most what others do."""


class MirrorMachine(RuleBasedStateMachine):
    """Two sides that both must have what is acknowledged. Each rule begins work of one process, or lets one go on for some calls
    to sides, or kills one, or changes which sides there are."""

    names, min_sides = "ab", 2
    key: EncryptionKey | None = None

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.names, self.min_sides, self.key)

    @rule(
        who=WHO, label=st.sampled_from([None, "x"]), calls=CALLS, degraded=st.sampled_from([False, False, False, True])
    )
    def commit(self, who: int, label: str | None, calls: int, degraded: bool) -> None:
        process = self.world.process(who, degraded=degraded)
        self.world.commit(process, label)
        process.turns.go_on(calls)

    @rule(who=WHO, which=WHICH, calls=CALLS)
    def promote(self, who: int, which: int, calls: int) -> None:
        process = self.world.process(who)
        self.world.promote(process, self.names[which % len(self.names)])
        process.turns.go_on(calls)

    @rule(who=WHO, calls=CALLS)
    def repair(self, who: int, calls: int) -> None:
        process = self.world.process(who)
        self.world.repair(process)
        process.turns.go_on(calls)

    @rule(which=WHICH, state=STATE)
    def a_side_changes(self, which: int, state: State) -> None:
        self.world.places[self.names[which % len(self.names)]].state = state

    @rule(which=WHICH)
    def a_side_loses_everything(self, which: int) -> None:
        self.world.wipe(self.names[which % len(self.names)])

    @rule(who=WHO, which=WHICH, cut=st.booleans())
    def a_process_is_cut_off(self, who: int, which: int, cut: bool) -> None:
        if self.world.processes:
            process = self.world.processes[who % len(self.world.processes)]
            name = self.names[which % len(self.names)]
            (process.cut.add if cut else process.cut.discard)(name)

    @precondition(lambda self: self.world.busy())
    @rule(which=WHICH, calls=CALLS)
    def go_on(self, which: int, calls: int) -> None:
        busy = self.world.busy()
        busy[which % len(busy)].turns.go_on(calls)
        self.world.check()

    @precondition(lambda self: self.world.busy())
    @rule(which=WHICH, call=st.sampled_from(TELLING), side=WHICH)
    def go_on_to(self, which: int, call: str, side: int) -> None:
        busy = self.world.busy()
        busy[which % len(busy)].turns.go_to(f"{self.names[side % len(self.names)]} {call}")
        self.world.check()

    @precondition(lambda self: self.world.busy())
    @rule(which=WHICH)
    def kill(self, which: int) -> None:
        busy = self.world.busy()
        self.world.kill(busy[which % len(busy)])

    def teardown(self) -> None:
        for process in self.world.busy():
            process.turns.finish()
        self.world.check()
        self.world.check_healed()


class ThreeSidesMachine(MirrorMachine):
    """Three sides, two of which must have what is acknowledged."""

    names = "abc"


def _examples(count: int) -> settings:
    return settings(
        max_examples=count, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )


class SealedMirrorMachine(MirrorMachine):
    """Two sides of an encrypted store."""

    key = new_key()


class LongMirrorMachine(MirrorMachine):
    """The same with many more examples."""


class LongThreeSidesMachine(ThreeSidesMachine):
    """The same with many more examples."""


TestMirrorMachine = MirrorMachine.TestCase
TestMirrorMachine.settings = _examples(60)
TestThreeSidesMachine = ThreeSidesMachine.TestCase
TestThreeSidesMachine.settings = _examples(60)
TestSealedMirrorMachine = SealedMirrorMachine.TestCase
TestSealedMirrorMachine.settings = _examples(20)
TestLongMirrorMachine = pytest.mark.slow(LongMirrorMachine.TestCase)
TestLongMirrorMachine.settings = _examples(2_000)
TestLongThreeSidesMachine = pytest.mark.slow(LongThreeSidesMachine.TestCase)
TestLongThreeSidesMachine.settings = _examples(2_000)
