"""What the ways of recording inside a process share: where the code is, what is known when it begins, how it ends."""

import inspect
import linecache
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType

from datamon.errors import DatamonError
from datamon.lineage.capture.code import CodePlace, find_code
from datamon.lineage.capture.host import capture_host
from datamon.lineage.capture.packages import capture_environment
from datamon.lineage.endpoints import Source
from datamon.lineage.environment_policy import Here, values_of
from datamon.lineage.fingerprint import Fingerprint, fingerprint_cell, fingerprint_function, fingerprint_script
from datamon.lineage.nesting import parent_for
from datamon.lineage.recording import How, Policy, Recording, RunIntent, RunPlace
from datamon.lineage.records import CodeVersion, Host, Param
from datamon.lineage.ref_moves import Target
from datamon.store.opening import Store


@dataclass(frozen=True, slots=True)
class Recorder:
    """An opened store with what its recordings keep and hide."""

    store: Store
    policy: Policy

    @property
    def host(self) -> Host:
        """The host that records."""
        return self.policy.host or capture_host()


@dataclass(frozen=True, slots=True)
class Named:
    """What a run is an execution of."""

    pipeline: str
    step: str
    how: How
    labels: tuple[str, ...]
    counts: tuple[str, ...] = ()
    """The parts of the environment that count (`environment_policy`)."""
    run_place: RunPlace = RunPlace()  # noqa: RUF009 (frozen)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a run before it begins, and what a person should be told of it."""

    intent: RunIntent
    notes: tuple[str, ...]


def known(
    recorder: Recorder,
    named: Named,
    located: "tuple[CodePlace, CodeVersion]",
    params: Sequence[Param],
    ends: "tuple[Sequence[Source], Sequence[Target]]" = ((), ()),
) -> Known:
    """What is known of a run of the code at `located`, with these inputs and outputs if they are known by now."""
    place, code = located
    sources, targets = ends
    policy = recorder.policy
    environment, notes = capture_environment(None, policy.variables, policy.kept_variables)
    intent = RunIntent(
        pipeline=named.pipeline,
        step=named.step,
        how=named.how,
        argv=tuple(sys.argv),
        cwd=place.relative(Path.cwd()),
        code=code,
        params=tuple(params),
        environment=environment,
        inputs=tuple(source.record for source in sources),
        targets=tuple(targets),
        labels=named.labels,
        parent=parent_for(recorder.store, policy.variables),
        environment_policy=values_of(named.counts, Here(environment, place.root, policy.variables)),
        place=named.run_place,
    )
    return Known(intent, tuple(notes))


def begin(recorder: Recorder, known: Known) -> Recording:
    """The run is open when this returns."""
    recording = Recording.open(recorder.store, known.intent, replace(recorder.policy, host=recorder.host))
    recording.notes += known.notes
    return recording


def locate_function(function: Callable[..., object]) -> tuple[CodePlace, CodeVersion]:
    """Where a function's source is and its fingerprint: that of the function in its file, else of its text as a notebook cell."""
    plain = inspect.unwrap(function)
    file = _file(getattr(plain, "__code__", None))
    if file is not None:
        place = find_code(file.parent)
        try:
            return place, place.version(fingerprint_function(file, plain.__qualname__, place.root))
        except DatamonError:  # made at run time: its file does not define it
            return place, place.version(_text_fingerprint(plain))
    place = find_code(Path.cwd())
    return place, place.version(_text_fingerprint(plain))


def locate_block(code: CodeType) -> tuple[CodePlace, CodeVersion]:
    """Where the code around a `with` block is and its fingerprint: that of the file as a script, else of the notebook cell."""
    file = _file(code)
    if file is not None:
        place = find_code(file.parent)
        return place, place.version(fingerprint_script(file, place.root))
    place = find_code(Path.cwd())
    text = "".join(linecache.getlines(code.co_filename))
    return place, place.version(fingerprint_cell(text) if text else None)


def _file(code: CodeType | None) -> Path | None:
    """The source file that code was compiled from; None for a notebook's cell and what has no file."""
    if code is None:
        return None
    path = Path(code.co_filename)
    return path.resolve() if path.suffix == ".py" and path.is_file() else None


def _text_fingerprint(function: Callable[..., object]) -> Fingerprint | None:
    try:
        return fingerprint_cell(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError):
        return None
