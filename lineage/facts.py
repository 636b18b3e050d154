"""The plain records that staleness is defined over: what was recorded, where refs stand, and what is known of now.

Nothing here reads a store or a working tree: who asks gathers the facts, `staleness.stale` only reasons. A repo is named by
one spelling throughout (its name now); contents and fingerprints are compared as texts and shown as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from datamon.lineage.records import InputRefKind, ParamSource, Status
from datamon.store.bundle import RefKind

Cause = Literal["missing", "input", "appeared", "code", "param", "env", "superseded", "upstream"]
CAUSES: tuple[Cause, ...] = ("missing", "input", "appeared", "code", "param", "env", "superseded", "upstream")
"""Every cause, in the order in which the causes of one output are listed."""

SlotOrder = tuple[int, int, str]
"""Where an output stands among those of its slot; made by `at_position` and `at_end`."""


def at_position(number: int) -> SlotOrder:
    """The order of an output that entry `number` of its repo's log committed."""
    return (1, number, "")


def at_end(ended_ns: int, run: str) -> SlotOrder:
    """The order of an imported run's output, which no log entry committed: by the recorded end, then the run's id.

    >>> at_end(5, "b") < at_end(9, "a") < at_position(1)
    True
    """
    return (0, ended_ns, run)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a step's successive outputs go."""

    pipeline: str
    step: str
    role: str
    repo: str
    branch: str


@dataclass(frozen=True, slots=True)
class Part:
    """What a run read of an input: the part at `path` ("": the whole bundle), and its content then."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class InputFact:
    """A run's read. `parts` are the files it read where capture knows them (those that its ref still gives may be left out), else
    the one part that was declared; `absent` are paths in the bundle that it looked for and that were not there."""

    role: str
    repo: str
    ref: str | None
    ref_kind: InputRefKind
    bundle: str
    parts: tuple[Part, ...]
    absent: tuple[str, ...] = ()

    @property
    def follows_ref(self) -> bool:
        """Whether it was resolved through a ref. An input given by id or as an ancestor is pinned: it never moves."""
        return self.ref is not None and self.ref_kind in ("branch", "label")


@dataclass(frozen=True, slots=True)
class OutputFact:
    """What a run put into a slot. A run that committed nothing (yet) has only its plans here: `bundle` is None."""

    role: str
    repo: str
    branch: str
    bundle: str | None = None
    order: SlotOrder = (0, 0, "")


@dataclass(frozen=True, slots=True)
class ParamFact:
    """A value a run was given, as text (`params.plain`)."""

    name: str
    value: str
    source: ParamSource = "explicit"


@dataclass(frozen=True, slots=True)
class EnvironmentFact:
    """A part of the environment that counts for a step, and its value when it ran; None when it was not there."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class RunFact:
    """One recorded execution. `fingerprint` is None when its code was not fingerprinted."""

    id: str
    pipeline: str
    step: str
    status: Status
    started_ns: int
    fingerprint: str | None = None
    inputs: tuple[InputFact, ...] = ()
    outputs: tuple[OutputFact, ...] = ()
    params: tuple[ParamFact, ...] = ()
    environment: tuple[EnvironmentFact, ...] = ()

    def slot(self, output: OutputFact) -> Slot:
        """The slot of one of its outputs."""
        return Slot(self.pipeline, self.step, output.role, output.repo, output.branch)


@dataclass(frozen=True, slots=True)
class BundleFact:
    """A bundle, deleted ones included. `run` is None when a person committed it."""

    id: str
    repo: str
    content: str
    run: str | None = None


@dataclass(frozen=True, slots=True)
class RefFact:
    """Where a ref stands. A deleted ref is not among the facts."""

    repo: str
    name: str
    kind: RefKind
    bundle: str
    frozen: bool = False

    @property
    def reference(self) -> str:
        """As a person writes it: `repo@name`."""
        return f"{self.repo}@{self.name}"


@dataclass(frozen=True)
class Facts:
    """All that staleness depends on; the order within its sequences means nothing.

    - `contents`: content of the part at a path of a bundle, for each (bundle that an input's ref gives now, path of a part of
      that input or one that was looked for there in vain); a path that is not in the mapping is not in the bundle. The path ""
      needs no row, nor does a ref that still gives the bundle that was read.
    - `code_now`: fingerprint now of the step of a run, for each run whose code root is at hand; None when the step is not
      found there. A run that is not in the mapping is judged by the newest successful run of its slot.
    - `params_now`: value now of a param from a file or a default, by (run, name); None when file or key are gone. What is not
      in the mapping is not known, and is no cause.
    - `environment_now`: value now of a part of the environment that counts for a run, by (run, part), for each run whose code
      root is at hand; None when it is not there. A part that is not in the mapping is judged by the newest successful run of the
      slot that names it.
    - `missing`: bundles whose bytes are gone (tombstone, absent pack, last check).
    """

    runs: tuple[RunFact, ...] = ()
    bundles: tuple[BundleFact, ...] = ()
    refs: tuple[RefFact, ...] = ()
    contents: Mapping[tuple[str, str], str] = field(default_factory=dict)
    code_now: Mapping[str, str | None] = field(default_factory=dict)
    params_now: Mapping[tuple[str, str], str | None] = field(default_factory=dict)
    environment_now: Mapping[tuple[str, str], str | None] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Subject:
    """A bundle to be judged, and the ref (`repo@name`) that holds it; None when it was asked for by its id."""

    bundle: str
    ref: str | None


@dataclass(frozen=True, slots=True)
class Stale:
    """One cause for which one output is stale.

    `output` is the bundle, `ref` the reference (`repo@name`) that holds it. `subject` is what changed, from `old` to `new`:
    a reference (`input`, `appeared`, `superseded`), a step as `pipeline/name` (`code`), the name of a param or of a part of the
    environment (`env`), a bundle (`missing`); `new` is None when it is gone, `old` when it was not there. An `upstream` row
    repeats what changed at the nearest stale output above: `via` is this output's own input on the way there (as a reference),
    `distance` the number of hops. Every other cause has distance 0 and no `via`.
    `last_status` is that of the slot's last started run, whatever became of it.
    """

    output: str
    ref: str | None
    cause: Cause
    subject: str
    old: str | None
    new: str | None
    via: str | None
    distance: int
    last_status: Status | None
