"""`step`: a function whose calls are recorded runs."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from datamon.errors import Invalid
from datamon.lineage.binding import OutputBinding, input_to, output_to
from datamon.lineage.capture.resources import since, usage_here
from datamon.lineage.endpoints import Source, plan_outputs, resolve_inputs
from datamon.lineage.inside import Known, Named, Recorder, begin, known, locate_function, look_again
from datamon.lineage.nesting import inside
from datamon.lineage.param_values import param_value
from datamon.lineage.recording import Ending, Policy
from datamon.lineage.records import Param
from datamon.lineage.ref_moves import Target
from datamon.lineage.reuse.claim import claimed
from datamon.lineage.reuse.parts import Parts, obstacle, parts_of
from datamon.lineage.reuse.reuse import Reused, Reusing, exact_json, keep_outcome, reuse
from datamon.lineage.workplace import Workplace
from datamon.store.names import check_name
from datamon.store.opening import Store

R = TypeVar("R")
DEFAULT_PIPELINE = "default"


class StepDecorator(Protocol):
    """Makes a function a step."""

    def __call__(self, function: Callable[..., R], /) -> Callable[..., R]:
        """The function, recorded at each call; its directories are given by datamon and not by the caller."""


class Step(Protocol):
    """What `make_step` makes: `datamon.step`."""

    def __call__(
        self,
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
        *,
        pipeline: str = DEFAULT_PIPELINE,
        label: str | None = None,
        name: str | None = None,
        reuse: bool = False,
    ) -> StepDecorator:
        """A decorator that makes a function's calls runs of the step `name` (default: the function's name).

        `inputs` names for parameters what is read (`repo[@ref][:path]`), `outputs` what is written (`repo[@branch]`). Each of
        these parameters gets the path of a directory: an input's holds its files, an output's is empty and is committed when the
        function returns; both are gone afterwards. Every other argument is recorded as a param. When the function raises, the
        run is recorded as failed, nothing is committed, no ref moves, and the exception goes on.

        With `reuse` a call that does what an earlier one did (same code, params and contents of inputs) is not made: the outputs
        are those of the earlier call, committed again, and what that returned is returned. A call that returned something that
        JSON cannot say exactly is made again.
        """


@dataclass(frozen=True, slots=True)
class _Declared:
    """What the decorator was told of a function, checked against its signature."""

    function: Callable[..., Any]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    named: Named
    signature: inspect.Signature
    open_signature: inspect.Signature
    """What callers give: the signature without the directories."""
    reuse: bool = False


def make_step(open_store: Callable[[], Store], *, policy: Callable[[], Policy] = Policy) -> Step:
    """The decorator `step` for the store that `open_store` gives at each call of a decorated function."""

    def step(
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
        *,
        pipeline: str = DEFAULT_PIPELINE,
        label: str | None = None,
        name: str | None = None,
        reuse: bool = False,
    ) -> StepDecorator:
        if callable(inputs):
            raise Invalid("bad-argument", "the decorator needs its brackets; write @datamon.step(inputs=…, outputs=…)")

        def decorate(function: Callable[..., R]) -> Callable[..., R]:
            step_name = name or str(getattr(function, "__name__", "step"))
            named = Named(pipeline, step_name, "decorator", () if label is None else (label,))
            declared = replace(_declare(function, inputs or {}, outputs or {}, named), reuse=reuse)

            @functools.wraps(function)
            def recorded(*args: Any, **kwargs: Any) -> R:
                given = _bind(declared, args, kwargs)
                return _call(Recorder(open_store(), policy()), declared, given)  # type: ignore[no-any-return]

            recorded.__signature__ = declared.open_signature  # type: ignore[attr-defined]  # what inspect.signature shows
            return recorded

        return decorate

    return step


def _declare(
    function: Callable[..., Any], inputs: Mapping[str, str], outputs: Mapping[str, str], named: Named
) -> _Declared:
    code = inspect.unwrap(function)
    if inspect.iscoroutinefunction(code) or inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code):
        raise Invalid(
            "bad-argument",
            f"the step {named.step!r} returns before its work is done; write it as a plain function, without async and yield",
        )
    check_name("pipeline", named.pipeline)
    check_name("step", named.step)
    for label in named.labels:
        check_name("label", label)
    signature = inspect.signature(function)
    for parameter in (*inputs, *outputs):
        if parameter not in signature.parameters:
            raise Invalid(
                "bad-argument",
                f"the step {named.step!r} has no parameter {parameter!r}; name a parameter that takes the directory",
                parameter=parameter,
            )
    both = next((parameter for parameter in inputs if parameter in outputs), None)
    if both is not None:
        raise Invalid(
            "bad-argument",
            f"the parameter {both!r} of step {named.step!r} is an input and an output; give each its own",
            parameter=both,
        )
    for reference in inputs.values():
        input_to(reference, Path())
    for reference in outputs.values():
        output_to(reference, Path())
    rest = [each for each in signature.parameters.values() if each.name not in inputs and each.name not in outputs]
    return _Declared(function, inputs, outputs, named, signature, signature.replace(parameters=rest))


def _bind(declared: _Declared, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
    given = next((name for name in (*declared.inputs, *declared.outputs) if name in kwargs), None)
    if given is not None:
        raise Invalid(
            "bad-argument",
            f"the directory {given!r} of step {declared.named.step!r} is given by datamon; leave it out of the call",
            parameter=given,
        )
    return declared.open_signature.bind(*args, **kwargs)


def _params(given: inspect.BoundArguments) -> tuple[Param, ...]:
    """Each argument, those of `**kwargs` apart; one that was left out is its default."""
    explicit = dict(given.arguments)
    given.apply_defaults()
    params: list[Param] = []
    for name, value in given.arguments.items():
        kind = given.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            params += [Param(key, param_value(each), "explicit") for key, each in value.items()]
        elif kind is not inspect.Parameter.VAR_POSITIONAL or value:
            params.append(Param(name, param_value(value), "explicit" if name in explicit else "default"))
    return tuple(params)


def _call(recorder: Recorder, declared: _Declared, given: inspect.BoundArguments) -> Any:
    """Runs the function once, recorded, unless another call's outputs can be taken; what it returns, or returned."""
    store = recorder.store
    with Workplace(store, recorder.host) as workplace:
        places = {name: workplace.directory(name) for name in (*declared.inputs, *declared.outputs)}
        outputs = [output_to(reference, places[name]) for name, reference in declared.outputs.items()]
        targets = plan_outputs(store, outputs, declared.named.labels)
        sources = resolve_inputs(store, [input_to(each, places[name]) for name, each in declared.inputs.items()])
        ahead = known(recorder, declared.named, locate_function(declared.function), _params(given), (sources, targets))
        call = _Call(recorder, declared, given, places, workplace, sources, tuple(zip(targets, outputs, strict=True)))
        return _reused_or_made(call, ahead) if declared.reuse else _made(call, ahead)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of a step, and the directories that were made for it."""

    recorder: Recorder
    declared: _Declared
    given: inspect.BoundArguments
    places: Mapping[str, Path]
    workplace: Workplace
    sources: tuple[Source, ...]
    outputs: tuple[tuple[Target, OutputBinding], ...]


def _reused_or_made(call: _Call, ahead: Known) -> Any:
    if obstacle(ahead.intent) is not None:
        return _made(call, ahead)
    store = call.recorder.store
    key = _parts(call, ahead).key
    with claimed(store, key, lambda: None):
        targets = [(target, None) for target, _ in call.outputs]
        reused = reuse(Reusing(store, ahead.intent, call.recorder.policy, targets, needs_returned=True), key)
        if isinstance(reused, Reused):
            return reused.returned
        return _made(call, ahead)


def _made(call: _Call, ahead: Known) -> Any:
    store = call.recorder.store
    parts = _parts(call, ahead) if obstacle(ahead.intent) is None else None
    ahead = replace(ahead, intent=replace(ahead.intent, reuse_key=parts.key if parts else None))
    for source in call.sources:
        call.workplace.fill(source)
    with begin(call.recorder, ahead) as recording:
        began_ns, before = store.clock(), usage_here()
        try:
            with inside(store, recording.run):
                returned = _run(call.declared, call.given, call.places)
        finally:
            resources = since(before, store.clock() - began_ns)
            recording.resources = resources
            look_again(recording, call.workplace, call.sources)
        for target, binding in call.outputs:
            recording.commit_output(target, binding.directory)
        closed = recording.end(Ending("succeeded", resources=resources))
        if parts is not None:
            keep_outcome(recording, closed, parts, exact_json(returned))
    return returned


def _parts(call: _Call, ahead: Known) -> Parts:
    return parts_of(ahead.intent, call.recorder.policy.redactor.learning((), ahead.intent.params))


def _run(declared: _Declared, given: inspect.BoundArguments, places: Mapping[str, Path]) -> Any:
    whole = declared.signature.bind_partial()
    for name in declared.signature.parameters:
        if name in places:
            whole.arguments[name] = places[name]
        elif name in given.arguments:
            whole.arguments[name] = given.arguments[name]
    return declared.function(*whole.args, **whole.kwargs)
