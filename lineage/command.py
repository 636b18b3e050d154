"""Records the run of a command line: its inputs put in place, the command run, what it wrote committed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from datamon.errors import Conflict, DatamonError, Invalid
from datamon.lineage import metrics
from datamon.lineage.binding import InputBinding, OutputBinding
from datamon.lineage.capture.code import CodePlace, find_code
from datamon.lineage.capture.packages import capture_environment, interpreter_of
from datamon.lineage.capture.resources import of_command
from datamon.lineage.capture.streams import Sinks
from datamon.lineage.capture.trace.choosing import Method
from datamon.lineage.capture.trace.watching import watching
from datamon.lineage.endpoints import Source, check_apart, plan_outputs, resolve_inputs
from datamon.lineage.environment_policy import Here, check_parts, from_root, values_of
from datamon.lineage.execution import Execution, execute
from datamon.lineage.fingerprint import fingerprint_paths, fingerprint_script
from datamon.lineage.holding import holding
from datamon.lineage.in_place import clear_outputs, fill_inputs, tell_of_use
from datamon.lineage.known_texts import KnownTexts, known_texts
from datamon.lineage.nesting import PARENT_VARIABLE, parent_for, parent_text
from datamon.lineage.papermill import papermill_params
from datamon.lineage.param_values import parse_param
from datamon.lineage.params import read_params_file
from datamon.lineage.placing import Placing, ShowAt, placed
from datamon.lineage.recording import Ending, Policy, Recording, RunIntent, RunPlace
from datamon.lineage.records import CodeVersion, Metric, OutputRecord, Param, Status
from datamon.lineage.ref_moves import Target
from datamon.lineage.reuse.claim import claimed, last_parts
from datamon.lineage.reuse.parts import Parts, obstacle, parts_of
from datamon.lineage.reuse.reuse import Reused, Reusing, keep_outcome, reuse
from datamon.lineage.scripts import script_of
from datamon.lineage.sql_told import heard, listening
from datamon.lineage.workplace import scratch
from datamon.store.ids import RunId, is_ksuid
from datamon.store.names import check_name
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress

DEFAULT_PIPELINE = "default"
_SILENT_SINKS = Sinks()
_NOT_IN_NAMES = re.compile(r"[^\w.\-]+|^[^\w]+|^_+")


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """What is to be run and recorded. Relative paths are relative to `cwd`. `params` are texts NAME=VALUE, `given` such that
    were read before; those of the files are recorded too, and give way to them. `code` are the paths to fingerprint instead of
    the script in `argv`. With `reuse` the outputs of a run that did the same are taken, if there is one; `trace` says how its use
    of files is watched. `counts` are the parts of the environment that count; without `parent` the run is part of the one that it
    is inside."""

    argv: tuple[str, ...]
    cwd: Path
    pipeline: str = DEFAULT_PIPELINE
    step: str | None = None
    inputs: tuple[InputBinding, ...] = ()
    outputs: tuple[OutputBinding, ...] = ()
    labels: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    params_files: tuple[Path, ...] = ()
    metrics_files: tuple[Path, ...] = ()
    code: tuple[Path, ...] = ()
    keep: bool = False
    reuse: bool = False
    given: tuple[Param, ...] = ()
    trace: Method = "off"
    policy: Policy = field(default_factory=Policy)
    counts: tuple[str, ...] = ()
    parent: RunId | None = None
    run_place: RunPlace = RunPlace()  # noqa: RUF009 (frozen)
    show: ShowAt | None = None


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """How it went. `exit_code` is the command's own as a shell gives it, `notes` what a person should be told. `reused` is the
    run whose outputs these are where the command was not run."""

    run: RunId
    status: Status
    exit_code: int
    outputs: tuple[OutputRecord, ...]
    notes: tuple[str, ...]
    reused: RunId | None = None


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A request that was checked: every reference means something, every ref can be moved, every file can be read."""

    request: CommandRequest
    sources: tuple[Source, ...]
    targets: tuple[tuple[Target, Path], ...]
    params: tuple[tuple[Param, Path | None], ...]
    notes: tuple[str, ...]

    @property
    def directories(self) -> list[Path]:
        return [*(source.directory for source in self.sources), *(directory for _, directory in self.targets)]


def record_command(
    store: Store, request: CommandRequest, *, streams: Sinks = _SILENT_SINKS, progress: Progress = SILENT
) -> CommandOutcome:
    """The command has run and its run is recorded when this returns, whether it succeeded, failed, was killed or could not be
    started; only after exit code 0 are its output directories committed and refs moved.

    What is wrong with the request is raised before the command starts and before a run is recorded: NotFound, Invalid, Conflict
    (`local-edits`, `destination-not-empty`, `directory-in-use`, `ref-frozen`, `ref-exists`), Invalid (`cannot-trace`). What fails
    after the command has ended (Unavailable, Invalid for a file that cannot be kept) is raised when the run has been recorded as
    failed.
    """
    prepared = _prepare(store, request)
    with (
        holding(store, [directory for _, directory in prepared.targets]),
        placed(store, request.show, progress) as placing,
    ):
        work = _Work(store, prepared, placing, streams, progress)
        return _record_or_reuse(work) if request.reuse else _record(work)


@dataclass(frozen=True, slots=True)
class _Work:
    """A request that is carried out, and who hears of it."""

    store: Store
    prepared: _Prepared
    placing: Placing
    streams: Sinks
    progress: Progress


def _record_or_reuse(work: _Work) -> CommandOutcome:
    """The outputs of a run that did the same are this run's; where there is none, the command has run."""
    store, prepared = work.store, work.prepared
    if _code_is_input(prepared):
        fill_inputs(work.placing, prepared.sources)
    intent, notes = _intent(store, prepared)
    why = obstacle(intent)
    if why is not None:
        outcome = _record(work)
        return replace(outcome, notes=(f"nothing is reused: {why}", *outcome.notes))
    parts = _parts(prepared, intent)
    waited: list[str] = []
    with claimed(store, parts.key, lambda: waited.append("waited for another process that computed the same")):
        reusing = Reusing(store, intent, prepared.request.policy, prepared.targets, work.progress)
        found = reuse(reusing, parts.key)
        if isinstance(found, Reused):
            spared = found.recording
            said = (*notes, *waited, *spared.notes)
            return CommandOutcome(spared.run, "succeeded", 0, tuple(spared.outputs), said, spared.reused)
        told = (*waited, *found, *_why_not(store, intent, parts))
        outcome = _record(work)
        return replace(outcome, notes=(*told, *outcome.notes))


def _record(work: _Work) -> CommandOutcome:
    store, prepared, request = work.store, work.prepared, work.prepared.request
    fill_inputs(work.placing, prepared.sources)
    clear_outputs(store, [directory for _, directory in prepared.targets], keep=request.keep)
    intent, notes = _intent(store, prepared)
    parts = _parts(prepared, intent) if obstacle(intent) is None else None
    intent = replace(intent, reuse_key=parts.key if parts else None)
    written_before = {path: metrics.stamp(path) for path in (request.cwd / file for file in request.metrics_files)}
    with (
        watching(store, request.trace, request.policy.variables) as watch,
        listening(store, request.argv) as ear,
        Recording.open(store, intent, request.policy) as recording,
    ):
        recording.notes += notes
        variables: Mapping[str, str] = {
            **request.policy.variables,
            **ear.variables,
            PARENT_VARIABLE: parent_text(store, recording.run),
        }
        began_ns = store.clock()
        argv, variables = watch.start(request.argv, request.cwd, variables)
        work.placing.begin()
        execution = execute(argv, request.cwd, variables, work.streams, recording.redactor)
        wall_ns = store.clock() - began_ns
        recording.notes += execution.notes
        if execution.used is None and execution.error:
            recording.notes.append(execution.error)
        _keep_streams(recording, execution)
        tell_of_use(work.placing, recording, prepared.sources, "command")
        work.placing.check()
        watch.finish(recording, prepared.directories, Path(intent.code.host_path or request.cwd))
        found = _metrics(written_before, recording.notes)
        for target, directory in prepared.targets:
            if execution.succeeded:
                recording.commit_output(target, directory, remember=True, progress=work.progress)
            else:
                recording.remember_uncommitted(directory)
        if execution.succeeded and prepared.targets:
            recording.sql = heard(ear, recording.inputs, prepared.targets[0][0].planned.role, recording.notes)
        closed = recording.end(_ending(execution, wall_ns, found))
        if parts is not None and execution.succeeded:
            keep_outcome(recording, closed, parts)
    return CommandOutcome(recording.run, closed.status, execution.shell_code, closed.outputs, tuple(recording.notes))


def _prepare(store: Store, request: CommandRequest) -> _Prepared:
    if not request.argv:
        raise Invalid("bad-argument", "there is no command to run; write it after --")
    check_name("pipeline", request.pipeline)
    if request.step is not None:
        check_name("step", request.step)
    request = replace(
        request,
        labels=tuple(dict.fromkeys(check_name("label", label) for label in request.labels)),
        counts=check_parts(request.counts, request.policy.redactor),
    )
    if request.labels and not request.outputs:
        raise Invalid(
            "bad-argument", f"the label {request.labels[0]!r} has no output to be set on; name one with --output"
        )
    inputs = [replace(each, directory=request.cwd / each.directory) for each in request.inputs]
    outputs = [replace(each, directory=request.cwd / each.directory) for each in request.outputs]
    check_apart([*(each.directory for each in inputs), *(each.directory for each in outputs)])
    targets = plan_outputs(store, outputs, request.labels)
    sources = resolve_inputs(store, inputs)
    directories = (output.directory for output in outputs)
    return _Prepared(request, sources, tuple(zip(targets, directories, strict=True)), *_read_params(request))


def _read_params(request: CommandRequest) -> tuple[tuple[tuple[Param, Path | None], ...], tuple[str, ...]]:
    """The params with the file each came from, one name once, the last one given; and which files that the command itself reads
    as params could not be read as such, which is no fault of the command's."""
    found: dict[str, tuple[Param, Path | None]] = {}
    notes = []

    def take(path: Path) -> None:
        for name, value in read_params_file(path).items():
            found[name] = (Param(name, value, "file", None, name), path)

    for file in request.params_files:
        take(request.cwd / file)
    by_command = list(papermill_params(request.argv))
    for path in (request.cwd / each.file for each in by_command if each.file is not None):
        try:
            take(path)
        except DatamonError as error:
            notes.append(f"the command's params of a file are not recorded: {error.message}")
    found.update({each.name: (Param(each.name, each.value), None) for each in by_command if each.file is None})
    for param in (*request.given, *map(parse_param, request.params)):
        found[param.name] = (param, None)
    return tuple(found.values()), tuple(notes)


def _code_is_input(prepared: _Prepared) -> bool:
    """Whether what is fingerprinted, or may be, lies in an input's directory, so that it is there only once that is filled."""
    request, cwd = prepared.request, prepared.request.cwd.resolve()
    script = script_of(request.argv, cwd, find_code(cwd, prepared.directories).root)
    paths = [cwd / path for path in request.code] or ([script] if script else [])
    inputs = [source.directory.resolve() for source in prepared.sources]
    return not paths or any(path.resolve().is_relative_to(directory) for path in paths for directory in inputs)


def _parts(prepared: _Prepared, intent: RunIntent) -> Parts:
    return parts_of(intent, prepared.request.policy.redactor.learning(intent.argv, intent.params))


def _why_not(store: Store, intent: RunIntent, parts: Parts) -> list[str]:
    """Why nothing was reused, as far as the last run of the step on this machine tells."""
    last = last_parts(store, f"{intent.pipeline}/{intent.step}")
    if last is None:
        return ["nothing is reused: no earlier run of this step is known here"]
    run, earlier = last
    differences = parts.differences(earlier)
    return [f"nothing is reused: unlike in run {run}, {'; '.join(differences[:5])}"] if differences else []


def _intent(store: Store, prepared: _Prepared) -> tuple[RunIntent, list[str]]:
    """What is known before the command starts, and notes."""
    request = prepared.request
    cwd = request.cwd.resolve()
    place = find_code(cwd, prepared.directories)
    script = script_of(request.argv, cwd, place.root)
    policy = request.policy
    interpreter = interpreter_of(request.argv, policy.variables, request.cwd)
    environment, notes = capture_environment(interpreter, policy.variables, policy.kept_variables)
    notes += [*prepared.notes, *(source.note for source in prepared.sources if source.note)]
    intent = RunIntent(
        pipeline=request.pipeline,
        step=request.step or _step(request, script),
        how="command",
        argv=request.argv,
        cwd=place.relative(request.cwd),
        code=_code(place, request, script, known_texts(store)),
        params=tuple(replace(p, file=place.relative(file)) if file else p for p, file in prepared.params),
        environment=environment,
        inputs=tuple(replace(each.record, directory=place.relative(each.directory)) for each in prepared.sources),
        targets=tuple(
            replace(target, planned=replace(target.planned, directory=place.relative(directory)))
            for target, directory in prepared.targets
        ),
        labels=request.labels,
        parent=request.parent or parent_for(store, policy.variables),
        metrics_files=tuple(place.relative(request.cwd / file) for file in request.metrics_files),
        keep=request.keep,
        environment_policy=values_of(
            from_root(request.counts, lambda file: place.relative(request.cwd / file)),
            Here(environment, place.root, policy.variables),
        ),
        place=request.run_place,
    )
    return intent, notes


def _code(place: CodePlace, request: CommandRequest, script: Path | None, texts: KnownTexts) -> CodeVersion:
    if request.code:
        paths = [request.cwd.resolve() / path for path in request.code]
        return place.version(fingerprint_paths(paths, place.root, texts=texts))
    return place.version(fingerprint_script(script, place.root) if script else None)


def _step(request: CommandRequest, script: Path | None) -> str:
    name = default_step(request.argv, script)
    redactor = request.policy.redactor.learning(request.argv, ())
    return name if redactor.text(name) == name else "step"


def default_step(argv: Sequence[str], script: Path | None) -> str:
    """The step's name when none is given: the script's stem, else the program's name, with `-` for what no name may have.

    >>> default_step(["python", "my prepare.py"], Path("my prepare.py"))
    'my-prepare'
    """
    stem = script.stem if script else Path(argv[0]).name
    if script and stem == "__main__":
        stem = script.parent.name
    name = _NOT_IN_NAMES.sub("-", stem).lstrip("-.")[:60]
    return name if name and not is_ksuid(name) else "step"


def _metrics(before: Mapping[Path, metrics.FileStamp | None], notes: list[str]) -> tuple[Metric, ...]:
    """The metrics that the command wrote, of one name the last; a file that it did not write, or that cannot be read, is a
    note: the work is done."""
    found: dict[str, Metric] = {}
    for path, stamp in before.items():
        now = metrics.stamp(path)
        if now is not None and now == stamp:
            notes.append(f"the metrics file {path} was not written by the command; its old numbers are not recorded")
            continue
        try:
            found.update((metric.name, metric) for metric in metrics.read_metrics(path))
        except DatamonError as error:
            notes.append(f"no metrics of {path.name} are recorded: {error}")
    return tuple(found.values())


def _keep_streams(recording: Recording, execution: Execution) -> None:
    """What the command wrote to its streams is kept; nothing when there is nothing."""
    try:
        kept = [stream for stream in execution.kept if stream.size_bytes]
        if not kept:
            return
        with scratch(recording.store) as directory:
            for stream in kept:
                stream.copy_to(directory / stream.name)
            recording.keep_streams(directory)
    except Conflict as error:
        recording.notes.append(f"the streams are not kept: {error}")
    finally:
        for stream in execution.kept:
            stream.close()


def _ending(execution: Execution, wall_ns: int, found: tuple[Metric, ...]) -> Ending:
    return Ending(
        status="succeeded" if execution.succeeded else "failed",
        exit_code=execution.exit_code,
        signal=execution.signal,
        error=execution.error,
        metrics=found,
        resources=of_command(wall_ns, execution.used, execution.recorder_rss) if execution.used else None,
    )
