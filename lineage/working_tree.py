"""What the working tree that a question is asked in says of now: the fingerprints of steps, and the values of their params and of
the parts of the environment that count for them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from datamon.errors import Denied
from datamon.lineage.capture.git import find_root, find_top
from datamon.lineage.capture.packages import capture_environment, interpreter_of
from datamon.lineage.environment_policy import Here, needs_interpreter, values_of
from datamon.lineage.fingerprint import current, is_judged_in_tree
from datamon.lineage.locate import StepName
from datamon.lineage.modules import Sources
from datamon.lineage.noise import NOISE
from datamon.lineage.param_values import plain
from datamon.lineage.params import Unstated, current_value
from datamon.lineage.records import CodeVersion, Environment, EnvironmentPart, Param, ParamValue, RunOpened
from datamon.lineage.secrets import MASK


@dataclass
class Now:
    """What is known of now, as `Facts` takes it: fingerprints by run, texts of values by (run, param) and (run, part). None is
    gone; what is not known is not there."""

    code: dict[str, str | None] = field(default_factory=dict)
    params: dict[tuple[str, str], str | None] = field(default_factory=dict)
    environment: dict[tuple[str, str], str | None] = field(default_factory=dict)


@dataclass
class WorkingTree:
    """The working tree that holds `cwd` on the host of that name, as its files are in this reader's life. `roots` are the roots
    of the code that was looked at; `outside` says that something was asked that lies elsewhere, or is no file."""

    cwd: Path
    host: str
    sources: Sources = field(default_factory=Sources)
    variables: Mapping[str, str] = field(default_factory=dict)
    digests: dict[object, str | None] = field(default_factory=dict)
    values: dict[object, ParamValue | Unstated] = field(default_factory=dict)

    environments: dict[Path | None, Environment] = field(default_factory=dict)
    roots: set[Path] = field(default_factory=set)
    outside: bool = False

    @cached_property
    def top(self) -> Path | None:
        """The top of the git working tree; None when there is none."""
        return find_top(self.cwd)

    @cached_property
    def first_commit(self) -> str | None:
        """The repository's first commit; None when it has none, or is no repository."""
        return find_root(self.top) if self.top else None

    def root_of(self, run: RunOpened) -> Path | None:
        """Where the run's code root lies in this tree; None when it is not at hand. It is known by the repository's first commit,
        and code outside a repository by its host and path."""
        code = run.code
        if code.root is not None:
            return self.top if code.root == self.first_commit else None
        if code.host_path is None or run.host.name != self.host:
            return None
        recorded = Path(code.host_path)
        return recorded if self.cwd.resolve().is_relative_to(recorded) else None

    def fingerprint(self, code: CodeVersion, root: Path, name: StepName) -> str | None:
        """The fingerprint of the step now; None when it is not found. Each code version is looked for once."""
        key = (root, code.method, code.paths, code.function, name)
        if key not in self.digests:
            self.digests[key] = current(code, root, name, sources=self.sources)
        return self.digests[key]

    def value(self, param: Param, code: CodeVersion, root: Path, name: StepName) -> ParamValue | Unstated:
        """The param's value now. Each source of a value is asked once."""
        if param.source == "explicit":
            return Unstated.UNKNOWN
        where = (param.file,) if param.source == "file" else (code.method, code.paths, code.function, name)
        key = (root, param.source, param.key or param.name, where)
        if key not in self.values:
            self.values[key] = current_value(param, root, code=code, name=name, sources=self.sources)
        return self.values[key]

    def part(self, name: str, run: RunOpened, root: Path) -> EnvironmentPart:
        """The part's value here now: for a command's run in the interpreter that the command would have."""
        interpreter = None
        if needs_interpreter(name) and run.how == "command":
            interpreter = interpreter_of(run.argv, self.variables, root / run.cwd)
        if interpreter not in self.environments:
            self.environments[interpreter] = capture_environment(interpreter, self.variables, ())[0]
        [part] = values_of((name,), Here(self.environments[interpreter], root, self.variables))
        return part


def look(tree: WorkingTree, runs: Iterable[RunOpened]) -> Now:
    """What the tree says of each run whose code root is at hand. Files that may not be read say nothing."""
    now = Now()
    for run in runs:
        root = tree.root_of(run)
        if root is not None:
            _look_at(tree, root, run, now)
    return now


def _look_at(tree: WorkingTree, root: Path, run: RunOpened, now: Now) -> None:
    name = StepName(run.pipeline, run.step)
    tree.roots.add(root)
    tree.outside = tree.outside or bool(run.policy) or any(map(_leads_out, _files_of(run)))
    try:
        if is_judged_in_tree(run.code):
            now.code[run.id] = tree.fingerprint(run.code, root, name)
        for param in run.params:
            if MASK in plain(param.value):
                continue  # a secret was taken out: what it is now is not told either
            value = tree.value(param, run.code, root, name)
            if value is Unstated.GONE:
                now.params[run.id, param.name] = None
            elif value is not Unstated.UNKNOWN:
                now.params[run.id, param.name] = plain(value)
        for part in run.policy:
            if MASK not in (part.value or ""):
                now.environment[run.id, part.name] = tree.part(part.name, run, root).value
    except Denied:
        return


def _files_of(run: RunOpened) -> list[str]:
    return [*run.code.paths, *(param.file for param in run.params if param.file)]


def _leads_out(path: str) -> bool:
    """Whether the path is none of a plain file below its root that could be code."""
    parts = path.split("/")
    return path.startswith("/") or ".." in parts or not NOISE.isdisjoint(parts)
