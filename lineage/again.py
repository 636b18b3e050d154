"""A recorded run as something to be done again: the same command or call, with what its refs, files and defaults give now."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from datamon.errors import Invalid, NotFound
from datamon.lineage.binding import InputBinding, OutputBinding
from datamon.lineage.calling import Call
from datamon.lineage.command import CommandRequest
from datamon.lineage.environment_policy import from_root
from datamon.lineage.locate import StepName, find_step, plain_qualname
from datamon.lineage.modules import Sources
from datamon.lineage.param_values import plain
from datamon.lineage.recording import RunPlace
from datamon.lineage.records import InputRecord, PlannedOutput, RunOpened
from datamon.lineage.secrets import MASK
from datamon.lineage.working_tree import WorkingTree
from datamon.store.ids import RepoId
from datamon.store.opening import Store
from datamon.store.resolve import Reference, resolve


@dataclass(frozen=True, slots=True)
class Again:
    """What to do to do a run again: a command to record or a function to call, in the directory `cwd`. `directories` are those
    that its inputs and outputs lie in."""

    work: CommandRequest | Call
    cwd: Path
    directories: tuple[Path, ...] = ()

    @property
    def text(self) -> str:
        """The command line, or the function with its file."""
        if isinstance(self.work, Call):
            return f"{self.work.file.name}:{self.work.qualname}"
        return " ".join(self.work.argv)


def again(store: Store, run: RunOpened, tree: WorkingTree) -> Again:
    """What doing this run again in this working tree means.

    Branches and labels are followed to where they stand now; an input that was given by id or as an ancestor is given by the id
    of the bundle that it was. Params of files and defaults are read anew, explicit ones given as they were. Raises Invalid
    (`not-repeatable`), whose message says why, and NotFound when an input or the repo of an output is gone.
    """
    if run.how == "command":
        return _command(store, run, _root(run, tree))
    if run.how == "decorator" and run.code.method == "function":
        return _call(run, _root(run, tree), tree.sources)
    what = {
        "context": "a block in a program",
        "cell": "a cell of a notebook",
        "decorator": "a function of a notebook",
    }.get(run.how, f"a run of the kind {run.how}")
    raise _refusal(run, f"it was {what}, which datamon cannot start; run the program again")


def exactly(store: Store, run: RunOpened, root: Path) -> Again:
    """What doing this run again as it was means, its code root being at `root`: its inputs by the ids of what it read, and its
    params as recorded, whatever files and defaults say. Labels are not set. Raises as `again`."""
    if run.how == "decorator":
        return _call(run, root, Sources())
    return _command(store, run, root, exactly=True)


def _root(run: RunOpened, tree: WorkingTree) -> Path:
    root = tree.root_of(run)
    if root is not None:
        return root
    where = run.code.remote or f"{run.code.host_path} on {run.host.name}"
    raise _refusal(run, f"its code is not in this working tree but in {where}; go there and ask again")


def _refusal(run: RunOpened, reason: str) -> Invalid:
    name = f"{run.pipeline}/{run.step}"
    return Invalid("not-repeatable", f"{name} cannot be run again: {reason}", step=name, run=run.id, reason=reason)


def _command(store: Store, run: RunOpened, root: Path, *, exactly: bool = False) -> Again:
    if any(MASK in word for word in run.argv):
        raise _refusal(run, "a secret was taken out of its command line; run it by hand")
    cwd = root / run.cwd
    inputs = tuple(_inputs(store, run, root, pinned=exactly))
    outputs = tuple(
        OutputBinding(_name_now(store, each.repo, each.repo_name), each.branch, _directory(run, each, root))
        for each in run.outputs
    )
    request = CommandRequest(
        argv=run.argv,
        cwd=cwd,
        pipeline=run.pipeline,
        step=run.step,
        inputs=inputs,
        outputs=outputs,
        labels=() if exactly else run.labels,
        given=tuple(
            replace(each, source="explicit", file=None, key=None)
            for each in run.params
            if exactly or each.source == "explicit"
        ),
        params_files=() if exactly else tuple(dict.fromkeys(root / each.file for each in run.params if each.file)),
        metrics_files=tuple(root / file for file in run.metrics_files),
        code=tuple(root / path for path in run.code.paths) if run.code.method == "paths" else (),
        keep=run.keep,
        counts=tuple(from_root((part.name for part in run.policy), lambda file: str(root / file))),
        run_place=RunPlace(run.level),
    )
    return Again(request, cwd, (*(each.directory for each in inputs), *(each.directory for each in outputs)))


def _inputs(store: Store, run: RunOpened, root: Path, *, pinned: bool) -> Iterator[InputBinding]:
    for read in run.inputs:
        if read.how == "declared":
            repo = _name_now(store, read.repo, read.repo_name)
            ref = read.ref if read.ref_kind in ("branch", "label") and not pinned else read.bundle
            resolve(store, Reference(repo, ref, read.path))
            yield InputBinding(repo, ref, read.path, _directory(run, read, root))


def _directory(run: RunOpened, place: InputRecord | PlannedOutput, root: Path) -> Path:
    if place.directory is None or MASK in place.directory:
        raise _refusal(run, f"its record does not say where the files of {place.role!r} lay; run it by hand")
    return root / place.directory


def _name_now(store: Store, repo: RepoId, recorded: str) -> str:
    """The name that the repo has now. Raises NotFound when it was deleted."""
    standing = store.logs.store().repos.get(repo)
    if standing is None:
        raise NotFound("repo-not-found", f"the repo {recorded!r} was deleted; the step needs it", repo=recorded)
    return standing.name


def _call(run: RunOpened, root: Path, sources: Sources) -> Again:
    place = find_step(run.code, root, StepName(run.pipeline, run.step), sources)
    if place is None:
        raise _refusal(run, f"the function {run.code.function} is not found in the working tree any more")
    given = [param for param in run.params if param.source == "explicit"]
    lost = next((param.name for param in given if not param.exact or MASK in plain(param.value)), None)
    if lost is not None:
        raise _refusal(
            run, f"the record does not hold the very value of its argument {lost!r}; call the function again"
        )
    qualname = ".".join(plain_qualname(place.qualname))
    return Again(Call(place.path, qualname, {param.name: param.value for param in given}), root / run.cwd)
