"""A notebook's cell as a recorded run: its inputs put in place, the cell run, what it wrote committed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from datamon.lineage.binding import InputBinding, OutputBinding
from datamon.lineage.capture.code import find_code
from datamon.lineage.capture.resources import since, usage_here
from datamon.lineage.cell_code import cell_name, code_of_cell
from datamon.lineage.endpoints import check_apart, plan_outputs, resolve_inputs
from datamon.lineage.holding import holding
from datamon.lineage.in_place import clear_outputs, fill_inputs, tell_of_use
from datamon.lineage.inside import Named, Recorder, begin, known
from datamon.lineage.nesting import inside
from datamon.lineage.placing import Copies
from datamon.lineage.recording import Ending, Recording
from datamon.lineage.records import Param
from datamon.store.names import check_name


@dataclass(frozen=True, slots=True)
class CellRequest:
    """A cell, and what it is to be recorded as. `earlier` are the texts of the cells that were run before it, in that order;
    `words` is what the person wrote to have it recorded; relative paths are relative to `cwd`."""

    cell: str
    words: tuple[str, ...]
    cwd: Path
    earlier: Sequence[str] = ()
    pipeline: str = "default"
    step: str | None = None
    inputs: tuple[InputBinding, ...] = ()
    outputs: tuple[OutputBinding, ...] = ()
    labels: tuple[str, ...] = ()
    params: tuple[Param, ...] = ()


@contextmanager
def recorded_cell(recorder: Recorder, request: CellRequest) -> Iterator[Recording]:
    """Inside, the run is open, its inputs lie in their directories, and its outputs' directories are empty. When the block ends
    well these are committed and refs moved; an exception that leaves it is a failed run, which moves none, and goes on.

    What is wrong with the request is raised before a run is recorded: NotFound, Invalid, Conflict (`local-edits`,
    `destination-not-empty`, `directory-in-use`, `ref-frozen`, `ref-exists`).
    """
    store, cwd = recorder.store, request.cwd
    named = Named(
        check_name("pipeline", request.pipeline),
        check_name("step", request.step or cell_name(request.cell)),
        "cell",
        tuple(check_name("label", label) for label in request.labels),
    )
    inputs = [replace(each, directory=cwd / each.directory) for each in request.inputs]
    outputs = [replace(each, directory=cwd / each.directory) for each in request.outputs]
    directories = [each.directory for each in outputs]
    check_apart([*(each.directory for each in inputs), *directories])
    targets = plan_outputs(store, outputs, named.labels)
    sources = resolve_inputs(store, inputs)
    placing = Copies(store)
    with holding(store, directories):
        fill_inputs(placing, sources)
        clear_outputs(store, directories)
        place = find_code(cwd, [*(source.directory for source in sources), *directories])
        code = code_of_cell(request.cell, request.earlier, cwd, place.root)
        version = place.version(code.fingerprint)
        told = [
            replace(each, record=replace(each.record, directory=place.relative(each.directory))) for each in sources
        ]
        planned = [
            replace(target, planned=replace(target.planned, directory=place.relative(directory)))
            for target, directory in zip(targets, directories, strict=True)
        ]
        before = known(recorder, named, (place, version), request.params, (told, planned))
        before = replace(before, intent=replace(before.intent, argv=request.words, cell=code.program))
        began_ns, usage = store.clock(), usage_here()
        with begin(recorder, before) as recording, inside(store, recording.run):
            recording.notes += [source.note for source in sources if source.note]
            try:
                yield recording
            finally:
                recording.resources = since(usage, store.clock() - began_ns)
                tell_of_use(placing, recording, sources, "cell")
            for target, directory in zip(targets, directories, strict=True):
                recording.commit_output(target, directory, remember=True)
            recording.end(Ending("succeeded", resources=recording.resources))
