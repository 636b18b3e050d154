"""`with run(…)`: a block of code that is a recorded run."""

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import CodeType, TracebackType
from typing import Protocol, Self

from datamon.errors import Invalid
from datamon.lineage.binding import InputBinding, OutputBinding, input_to, output_to
from datamon.lineage.capture.resources import since, usage_here
from datamon.lineage.endpoints import Source, plan_output, plan_outputs, resolve_input
from datamon.lineage.in_place import tell_of_changes
from datamon.lineage.inside import Named, Recorder, begin, known, locate_block
from datamon.lineage.nesting import inside
from datamon.lineage.param_values import param_value
from datamon.lineage.recording import Ending, Policy, Recording
from datamon.lineage.records import Metric, Param
from datamon.lineage.workplace import Workplace
from datamon.store.ids import RunId
from datamon.store.names import check_name
from datamon.store.opening import Store

DEFAULT_PIPELINE = "default"


class RunBlock:
    """A run that is open inside its `with` block. Outputs are committed and refs moved when the block ends well; when an
    exception leaves it, the run is recorded as failed and no ref moves."""

    def __init__(
        self, recorder: Callable[[], Recorder], named: Named, params: Mapping[str, object], code: CodeType
    ) -> None:
        self._open = recorder
        self._named = named
        self._params = tuple(Param(name, param_value(value)) for name, value in params.items())
        self._code = code
        self._stack = ExitStack()
        self._recording: Recording | None = None
        self._inputs: dict[str, tuple[InputBinding, Source]] = {}
        self._outputs: dict[str, OutputBinding] = {}
        self._metrics: dict[str, float] = {}

    @property
    def id(self) -> RunId:
        """The run's id. Raises Invalid (`bad-argument`) before the block begins."""
        return self._opened().run

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should be told of the run."""
        return tuple(self._opened().notes)

    def input(self, reference: str) -> Path:
        """The directory of the files of `repo[@ref][:path]`, as it is now; gone when the block ends. Raises as `resolve` and
        `checkout` do."""
        recording = self._opened()
        if reference not in self._inputs:
            binding = input_to(reference, self._workplace.directory(reference.partition(":")[0]))
            source = resolve_input(recording.store, binding, binding.repo)
            self._workplace.fill(source)
            self._inputs[reference] = (binding, source)
            recording.inputs = [each.record for each in self._sources()]
            if source.note:
                recording.notes.append(source.note)
        return self._inputs[reference][1].directory

    def output(self, reference: str) -> Path:
        """An empty directory whose files become a bundle of `repo[@branch]` when the block ends well. Raises NotFound
        (`repo-not-found`), Conflict (`ref-frozen`, `ref-exists`), Invalid."""
        recording = self._opened()
        wanted = output_to(reference, Path())
        name = f"{wanted.repo}@{wanted.branch}"
        if name not in self._outputs:
            others = [*self._outputs.values(), wanted]
            plan_outputs(recording.store, others, self._named.labels)
            self._outputs[name] = replace(wanted, directory=self._workplace.directory(name))
        return self._outputs[name].directory

    def metric(self, name: str, value: float) -> None:
        """Records a number under `name`; the last one given counts."""
        self._opened()
        self._metrics[name] = float(value)

    def __enter__(self) -> Self:
        if self._recording is not None:
            raise Invalid("bad-argument", "this run was recorded already; call datamon.run(…) again for another one")
        recorder = self._open()
        located = locate_block(self._code)
        with ExitStack() as stack:
            self._workplace = stack.enter_context(Workplace(recorder.store, recorder.host))
            self._recording = begin(recorder, known(recorder, self._named, located, self._params))
            stack.enter_context(inside(recorder.store, self._recording.run))
            self._stack = stack.pop_all()
        self._began_ns, self._before = recorder.store.clock(), usage_here()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        recording = self._opened()
        with self._stack, recording:
            recording.resources = since(self._before, recording.store.clock() - self._began_ns)
            recording.metrics = tuple(Metric(name, value) for name, value in self._metrics.items())
            tell_of_changes(self._workplace.changed, recording, self._sources(), "run")
            if error is not None:
                recording.__exit__(kind, error, trace)
                return
            repos = Counter(binding.repo for binding in self._outputs.values())
            for binding in self._outputs.values():
                target = plan_output(recording.store, binding, self._named.labels, repos[binding.repo] > 1)
                recording.commit_output(target, binding.directory)
            recording.end(Ending("succeeded", metrics=recording.metrics, resources=recording.resources))

    def _opened(self) -> Recording:
        if self._recording is None:
            raise Invalid("bad-argument", "the run is not open; use it inside `with datamon.run(…) as run:`")
        return self._recording

    def _sources(self) -> list[Source]:
        """The inputs so far, under the roles that they have together."""
        repos = Counter(binding.repo for binding, _ in self._inputs.values())
        return [
            source
            if repos[binding.repo] == 1
            else replace(source, record=replace(source.record, role=binding.reference))
            for binding, source in self._inputs.values()
        ]


class RunOpener(Protocol):
    """What `make_run` makes: `datamon.run`."""

    def __call__(
        self,
        name: str,
        *,
        pipeline: str = DEFAULT_PIPELINE,
        params: Mapping[str, object] | None = None,
        label: str | None = None,
    ) -> RunBlock:
        """A block that is a run of the step `name`; `label` is set on each of its outputs. Raises Invalid (`bad-name`)."""


def make_run(open_store: Callable[[], Store], *, policy: Callable[[], Policy] = Policy) -> RunOpener:
    """The function `run` for the store that `open_store` gives when a block begins."""

    def run(
        name: str,
        *,
        pipeline: str = DEFAULT_PIPELINE,
        params: Mapping[str, object] | None = None,
        label: str | None = None,
    ) -> RunBlock:
        labels = () if label is None else (check_name("label", label),)
        named = Named(check_name("pipeline", pipeline), check_name("step", name), "context", labels)
        caller = sys._getframe(1).f_code
        return RunBlock(lambda: Recorder(open_store(), policy()), named, params or {}, caller)

    return run
