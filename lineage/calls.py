"""One call of a step, recorded: its directories made and filled, its run opened before the function runs and ended after."""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datamon.errors import NotFound
from datamon.lineage.binding import input_to, output_to
from datamon.lineage.capture.code import CodePlace
from datamon.lineage.capture.resources import since, usage_here
from datamon.lineage.endpoints import Source, plan_outputs, resolve_input, resolve_inputs
from datamon.lineage.in_place import tell_of_changes
from datamon.lineage.inside import Named, Recorder, begin, known, locate_function
from datamon.lineage.nesting import inside
from datamon.lineage.origins import ORIGINS, Origin
from datamon.lineage.recording import Ending, Recording
from datamon.lineage.records import CodeVersion, OutputRecord, Param, ParamValue
from datamon.lineage.remembering import Remembered
from datamon.lineage.reuse.claim import claimed
from datamon.lineage.reuse.parts import obstacle, parts_of
from datamon.lineage.reuse.reuse import Reused, Reusing, exact_json, keep_outcome, reuse
from datamon.lineage.values import Write, read_value, write_value
from datamon.lineage.workplace import Workplace
from datamon.store.opening import Store, unhurried

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
    located: Remembered[tuple[CodePlace, CodeVersion]] = field(default_factory=Remembered)
    """Where the code is, and its version."""
    reuse: bool = False
    wait: bool = True


@dataclass
class Call:
    """A call whose run is open, or, where it has not begun, was spared. `returned` is what the function gave, once it has."""

    declared: Declared
    recording: Recording
    arguments: inspect.BoundArguments
    returned: Any = None
    has_failed: bool = False
    has_begun: bool = True
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
    recorder: Recorder,
    declared: Declared,
    given: inspect.BoundArguments,
    params: Sequence[Param],
    waiting: Callable[[], None] = lambda: None,
) -> Iterator[Call]:
    """A run that is open while the block lasts; when the block ends well, its outputs are committed and its refs moved. What
    other steps returned, among the arguments, is an input of the run. `waiting` is called before this waits for another that
    computes the same, and what it raises goes on, with nothing recorded. Raises as `datamon.step` says."""
    if not declared.wait:
        recorder = replace(recorder, store=unhurried(recorder.store))
    store = recorder.store
    with Workplace(store, recorder.host) as workplace, ExitStack() as stack:
        places = {name: workplace.directory(name) for name in (*declared.inputs, *declared.outputs)}
        outputs = {name: output_to(reference, places[name]) for name, reference in declared.outputs.items()}
        targets = plan_outputs(store, list(outputs.values()), declared.named.labels)
        sources = resolve_inputs(store, [input_to(each, places[name]) for name, each in declared.inputs.items()])
        handed = _handed(store, given, {source.record.role for source in sources})
        located = declared.located.now(store.clock(), lambda: locate_function(declared.function))
        ahead = known(recorder, declared.named, located, params, ((*sources, *handed), targets))
        redactor = recorder.policy.redactor.learning((), ahead.intent.params)
        parts = parts_of(ahead.intent, redactor) if obstacle(ahead.intent) is None else None
        if declared.reuse and parts is not None:
            stack.enter_context(claimed(store, parts.key, waiting))
            sparing = Reusing(
                store, ahead.intent, recorder.policy, [(each, None) for each in targets], needs_returned=True
            )
            reused = reuse(sparing, parts.key)
            if isinstance(reused, Reused):
                outputs_now = {output.role: output for output in reused.recording.outputs}
                kept_now = {name: outputs_now[each.planned.role] for each, name in zip(targets, outputs, strict=True)}
                spared = Call(declared, reused.recording, given, reused.returned, has_begun=False, outputs=kept_now)
                _remember(store, spared)
                yield spared
                return
        ahead = replace(ahead, intent=replace(ahead.intent, reuse_key=parts.key if parts else None))
        for source in sources:
            workplace.fill(source)
        with begin(recorder, ahead) as recording:
            call = Call(declared, recording, _arguments(declared, given, places))
            process, began_ns, before = os.getpid(), store.clock(), usage_here()
            try:
                yield call
            finally:
                if os.getpid() == process:
                    recording.resources = since(before, store.clock() - began_ns)
                    tell_of_changes(workplace.changed, recording, sources, "run")
            if os.getpid() != process:
                return  # forked off inside the function: the run's own process ends it
            if RETURN in outputs and call.returned is not None:
                (declared.write or write_value)(call.returned, places[RETURN])
            for target, (name, binding) in zip(targets, outputs.items(), strict=True):
                output = recording.commit_output(target, binding.directory)
                call.outputs |= {} if output is None else {name: output}
            closed = recording.end(Ending("succeeded", resources=recording.resources))
            if parts is not None:
                keep_outcome(recording, closed, parts, exact_json(call.returned))
    _remember(store, call)


def _remember(store: Store, call: Call) -> None:
    """Whoever is handed the returned value can be told where it came from."""
    kept = call.outputs.get(RETURN)
    if kept is not None:
        origin = Origin(store.id, call.recording.run, kept.repo_name, kept.branch, kept.bundle)
        call.returned = ORIGINS.remember(call.returned, origin)


def handed_as(store: Store, value: object) -> ParamValue | None:
    """Where an argument that is nothing but values that steps returned came from, in place of what it is; None for any other."""
    if isinstance(value, dict) and value:
        inner = {str(key): _told(store, each) for key, each in value.items()}
        return _told(store, value) or (None if None in inner.values() else {**inner})
    if isinstance(value, list | tuple) and value:
        several = [_told(store, each) for each in value]
        return _told(store, value) or (None if None in several else [*several])
    return _told(store, value)


def _told(store: Store, value: object) -> str | None:
    origin = ORIGINS.of(value)
    return f"{origin.repo}@{origin.branch}" if origin is not None and _is_of(store, origin) else None


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
