"""One call of a step, recorded: its directories made and filled, its run opened before the function runs and ended after."""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datamon.errors import NotFound
from datamon.lineage.binding import input_to, output_to
from datamon.lineage.capture.resources import since, usage_here
from datamon.lineage.endpoints import Source, plan_outputs, resolve_input, resolve_inputs
from datamon.lineage.inside import Named, Recorder, begin, locate_function, look_again
from datamon.lineage.nesting import inside
from datamon.lineage.origins import ORIGINS, Origin
from datamon.lineage.recording import Ending, Recording
from datamon.lineage.records import OutputRecord, Param
from datamon.lineage.values import Write, read_value, write_value
from datamon.lineage.workplace import Workplace
from datamon.store.opening import Store

RETURN = "return"
"""The output that the returned value is, in place of a directory."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What the decorator was told of a function, checked against its signature."""

    function: Callable[..., Any]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    named: Named
    signature: inspect.Signature
    open_signature: inspect.Signature
    """What callers give: the signature without the directories."""
    retries: int = 0
    write: Write | None = None
    loads: Mapping[str, object] = field(default_factory=dict)
    """The inputs that the function takes as values, with the class that each is to be."""


@dataclass
class Call:
    """A call whose run is open. `returned` is what the function gave, once it has."""

    declared: Declared
    recording: Recording
    arguments: inspect.BoundArguments
    returned: Any = None
    has_failed: bool = False
    outputs: dict[str, OutputRecord] = field(default_factory=dict)

    def begin(self) -> Any:
        """Calls the function, which for an async one or a generator only makes what is to be run."""
        return self.declared.function(*self.arguments.args, **self.arguments.kwargs)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Inside, the function's own code runs."""
        try:
            with inside(self.recording.store, self.recording.run):
                yield
        except BaseException:
            self.has_failed = True
            raise


@contextmanager
def recorded(
    recorder: Recorder, declared: Declared, given: inspect.BoundArguments, params: Sequence[Param]
) -> Iterator[Call]:
    """A run that is open while the block lasts; when the block ends well, its outputs are committed and its refs moved. What
    other steps returned, among the arguments, is an input of the run. Raises as `datamon.step` says."""
    store = recorder.store
    with Workplace(store, recorder.host) as workplace:
        places = {name: workplace.directory(name) for name in (*declared.inputs, *declared.outputs)}
        outputs = {name: output_to(reference, places[name]) for name, reference in declared.outputs.items()}
        targets = plan_outputs(store, list(outputs.values()), declared.named.labels)
        sources = resolve_inputs(store, [input_to(each, places[name]) for name, each in declared.inputs.items()])
        for source in sources:
            workplace.fill(source)
        handed = _handed(store, given, {source.record.role for source in sources})
        located = locate_function(declared.function)
        with begin(recorder, declared.named, located, params, ((*sources, *handed), targets)) as recording:
            call = Call(declared, recording, _arguments(declared, given, places))
            process, began_ns, before = os.getpid(), store.clock(), usage_here()
            try:
                yield call
            finally:
                if os.getpid() == process:
                    recording.resources = since(before, store.clock() - began_ns)
                    look_again(recording, workplace, sources)
            if os.getpid() != process:
                return  # forked off inside the function: the run's own process ends it
            if RETURN in outputs and call.returned is not None:
                (declared.write or write_value)(call.returned, places[RETURN])
            for target, (name, binding) in zip(targets, outputs.items(), strict=True):
                output = recording.commit_output(target, binding.directory)
                call.outputs |= {} if output is None else {name: output}
            recording.end(Ending("succeeded", resources=recording.resources))
    kept = call.outputs.get(RETURN)
    if kept is not None:
        origin = Origin(store.id, recording.run, kept.repo_name, kept.branch, kept.bundle)
        call.returned = ORIGINS.remember(call.returned, origin)


def are_handed(store: Store, value: object) -> bool:
    """Whether an argument is nothing but values that steps returned, so that it is an input and no param."""
    if ORIGINS.of(value) is not None:
        return _is_of(store, ORIGINS.of(value))
    inner = list(value.values()) if isinstance(value, dict) else value
    return isinstance(inner, list | tuple) and bool(inner) and all(_is_of(store, ORIGINS.of(each)) for each in inner)


def _is_of(store: Store, origin: Origin | None) -> bool:
    return origin is not None and origin.store == store.id


def _handed(store: Store, given: inspect.BoundArguments, taken: set[str]) -> list[Source]:
    """The arguments that other steps returned, as inputs: read through the branch that they were put on, or, when that has moved
    on since, pinned. One whose bundle was deleted since is none."""
    found: dict[str, Source] = {}
    for name, value in given.arguments.items():
        for called, origin in ORIGINS.among(name, value):
            role = called if called not in taken else f"{called} (value)"
            source = _source(store, origin, role) if _is_of(store, origin) else None
            if source is not None:
                found[role] = source
    return list(found.values())


def _source(store: Store, origin: Origin, role: str) -> Source | None:
    try:
        through_branch = resolve_input(store, input_to(f"{origin.repo}@{origin.branch}", Path()), role)
        if through_branch.bundle.id == origin.bundle:
            return through_branch
    except NotFound:
        pass
    try:
        return resolve_input(store, input_to(f"{origin.repo}@{origin.bundle}", Path()), role)
    except NotFound:
        return None


def _arguments(declared: Declared, given: inspect.BoundArguments, places: Mapping[str, Path]) -> inspect.BoundArguments:
    whole = declared.signature.bind_partial()
    for name in declared.signature.parameters:
        if name in declared.loads:
            whole.arguments[name] = read_value(places[name], declared.loads[name])
        elif name in places:
            whole.arguments[name] = places[name]
        elif name in given.arguments:
            whole.arguments[name] = given.arguments[name]
    return whole


def again(declared: Declared, call: Call) -> Declared:
    """The same for the next attempt at it."""
    opened = call.recording.opened
    place = replace(declared.named.run_place, retry_of=opened.id, attempt=opened.attempt + 1)
    return replace(declared, named=replace(declared.named, run_place=place))
