"""`step`: a function whose calls are recorded runs."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, Protocol, TypeVar, get_type_hints

from datamon.errors import Invalid
from datamon.lineage.binding import input_to, output_to
from datamon.lineage.calls import RETURN, Declared, handed_as
from datamon.lineage.environment_policy import check_parts
from datamon.lineage.inside import Named, Recorder
from datamon.lineage.param_values import is_exact, param_value
from datamon.lineage.recording import Policy, RunPlace
from datamon.lineage.records import Level, Param, ParamSource
from datamon.lineage.secrets import Redactor
from datamon.lineage.shapes import is_generator, shaped
from datamon.lineage.values import Write
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
        environment: Sequence[str] = (),
        level: Level | None = None,
        retries: int = 0,
        write: Write | None = None,
        reuse: bool = False,
        wait: bool = True,
    ) -> StepDecorator:
        """A decorator that makes a function's calls runs of the step `name` (default: the function's name).

        `inputs` names for parameters what is read (`repo[@ref][:path]`), `outputs` what is written (`repo[@branch]`). Each of
        these parameters gets the path of a directory: an input's holds its files, an output's is empty and is committed when the
        function returns; both are gone afterwards. Every other argument is recorded as a param. When the function raises, the
        run is recorded as failed, nothing is committed, no ref moves, and the exception goes on.

        The output `return` is the returned value: tables, lists and mappings of plain values, text, bytes and paths are kept as a
        file of the bundle (`values`), others by `write(value, directory)`; None writes nothing. Given to another step, such a
        value is an input of that run. An input whose parameter is annotated as anything but a path is read into such a value.

        Async functions are recorded while they are awaited, generators until they are exhausted; one that is closed before is
        recorded as failed. `retries` is how often a plain or async function that raised is run again, each attempt a run of its
        own. `environment` names the parts of the environment that count for it, `level` what it is within its pipeline's run.

        With `reuse` a call that does what an earlier one did (same code, params and contents of inputs) is not made: the outputs
        are those of the earlier call, committed again, and what that returned is returned. A call that returned something that
        JSON cannot say exactly is made again. Plain and async functions (in asyncio) can be spared, generators cannot: what they
        gave is not kept. Of several calls at once that would do the same one is made and the others wait for it.

        Without `wait`, a call does not wait until its record is on the disk: a power cut may lose the runs of the last second;
        the end of the process, whatever its cause, loses none.
        """


def make_step(open_store: Callable[[], Store], *, policy: Callable[[], Policy] = Policy) -> Step:
    """The decorator `step` for the store that `open_store` gives at each call of a decorated function."""

    def step(
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
        *,
        pipeline: str = DEFAULT_PIPELINE,
        label: str | None = None,
        name: str | None = None,
        environment: Sequence[str] = (),
        level: Level | None = None,
        retries: int = 0,
        write: Write | None = None,
        reuse: bool = False,
        wait: bool = True,
    ) -> StepDecorator:
        if callable(inputs):
            raise Invalid("bad-argument", "the decorator needs its brackets; write @datamon.step(inputs=…, outputs=…)")

        place = RunPlace(level=level)
        labels = () if label is None else (label,)
        counts = check_parts(environment, Redactor())

        def decorate(function: Callable[..., R]) -> Callable[..., R]:
            step_name = name or str(getattr(function, "__name__", "step"))
            named = Named(pipeline, step_name, "decorator", labels, counts, place)
            declared = _declare(function, inputs or {}, outputs or {}, named)
            declared = replace(declared, retries=retries, write=write, reuse=reuse, wait=wait)
            if retries and is_generator(inspect.unwrap(function)):
                raise Invalid("bad-argument", f"the step {step_name!r} gives values before it ends; leave retries out")
            if reuse and is_generator(inspect.unwrap(function)):
                raise Invalid(
                    "bad-argument", f"the step {step_name!r} yields values, and those are not kept; leave reuse out"
                )

            def prepare(
                args: tuple[Any, ...], kwargs: dict[str, Any]
            ) -> tuple[Recorder, inspect.BoundArguments, tuple[Param, ...]]:
                given = _bind(declared, args, kwargs)
                recorder = Recorder(open_store(), policy())
                return recorder, given, _params(recorder.store, given)

            recorded = shaped(declared, prepare)
            recorded.__signature__ = declared.open_signature  # type: ignore[attr-defined]  # what inspect.signature shows
            return recorded

        return decorate

    return step


def _declare(
    function: Callable[..., Any], inputs: Mapping[str, str], outputs: Mapping[str, str], named: Named
) -> Declared:
    check_name("pipeline", named.pipeline)
    check_name("step", named.step)
    for label in named.labels:
        check_name("label", label)
    signature = inspect.signature(function)
    for parameter in (*inputs, *outputs):
        if parameter not in signature.parameters and (parameter != RETURN or parameter in inputs):
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
    if RETURN in outputs and is_generator(inspect.unwrap(function)):
        raise Invalid(
            "bad-argument", f"the step {named.step!r} returns no value but yields several; write them to a directory"
        )
    without = signature.replace(parameters=rest)
    return Declared(function, inputs, outputs, named, signature, without, loads=_loads(function, inputs))


def _loads(function: Callable[..., Any], inputs: Mapping[str, str]) -> dict[str, object]:
    """The inputs whose parameters are annotated as something else than a path."""
    try:
        hints = get_type_hints(inspect.unwrap(function))
    except Exception:  # noqa: BLE001 (an annotation is any code; one that cannot be read says nothing)
        return {}
    return {name: hints[name] for name in inputs if hints.get(name, Path) not in (Path, PurePath, Any, object)}


def _bind(declared: Declared, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
    given = next((name for name in (*declared.inputs, *declared.outputs) if name in kwargs), None)
    if given is not None:
        raise Invalid(
            "bad-argument",
            f"the directory {given!r} of step {declared.named.step!r} is given by datamon; leave it out of the call",
            parameter=given,
        )
    return declared.open_signature.bind(*args, **kwargs)


def _params(store: Store, given: inspect.BoundArguments) -> tuple[Param, ...]:
    """Each argument, those of `**kwargs` apart; one that was left out is its default. Of what
    other steps returned it is told where it came from: an input says the rest."""
    explicit = dict(given.arguments)
    given.apply_defaults()
    params: list[Param] = []
    for name, value in given.arguments.items():
        kind = given.signature.parameters[name].kind
        handed = handed_as(store, value)
        if handed is not None:
            params.append(Param(name, handed, exact=False))
        elif kind is inspect.Parameter.VAR_KEYWORD:
            params += [Param(key, param_value(each), exact=is_exact(each)) for key, each in value.items()]
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            params += [Param(name, param_value(value), exact=is_exact(list(value)))] if value else []
        else:
            source: ParamSource = "explicit" if name in explicit else "default"
            params.append(Param(name, param_value(value), source, exact=source == "default" or is_exact(value)))
    return tuple(params)
