"""Finding code: a function in a file, the steps that decorators make, and a step again in a working tree that has moved on."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from datamon.lineage.modules import OWN_PACKAGE, Definition, Module, Outside, Project, Sources
from datamon.lineage.records import CodeVersion
from datamon.lineage.syntax import dotted

DEFAULT_PIPELINE = "default"
STEP = "step"
"""What datamon's decorator is called, where the sources do not say what a decorator is."""


@dataclass(frozen=True, slots=True)
class Place:
    """A function in a source file. `qualname` is Python's, with or without its `<locals>`."""

    path: Path
    qualname: str


@dataclass(frozen=True, slots=True)
class StepMark:
    """A function that datamon's decorator makes a step. `pipeline` is None where it is not spelled out."""

    place: Place
    step: str
    pipeline: str | None


def plain_qualname(qualname: str) -> tuple[str, ...]:
    """The names on the way to a function.

    >>> plain_qualname("main.<locals>.prepare")
    ('main', 'prepare')
    """
    return tuple(part for part in qualname.split(".") if part != "<locals>")


def definitions(tree: ast.AST, way: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], ast.stmt]]:
    """Every function and class of a tree, outer before inner, each with the names on the way to it."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield (*way, child.name), child
            yield from definitions(child, (*way, child.name))
        elif not isinstance(child, ast.expr):
            yield from definitions(child, way)


def find_function(module: Module, qualname: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The last function of this name in a module; None when there is none."""
    wanted, found = plain_qualname(qualname), None
    for way, node in definitions(module.tree):
        if way == wanted and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found = node
    return found


def is_step(project: Project, module: Path, decorator: ast.expr) -> bool:
    """Whether a decorator is datamon's `step`: imported from datamon, made by a function of datamon, or, where the sources do
    not tell, called `step`."""
    name = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
    if name is None:
        return False
    if (project.module(module) or _EMPTY).binds(name[0]):
        return any(_is_ours(project, target) for target in project.resolve(module, name))
    return name[-1] == STEP


_EMPTY = Module(Path(), ast.Module([], []))


def _is_ours(project: Project, target: object) -> bool:
    if isinstance(target, Outside):
        return target.name.partition(".")[0] == OWN_PACKAGE
    module = project.module(target.module) if isinstance(target, Definition) else None
    if module is None or not isinstance(target, Definition):
        return False
    for statement in module.statements[target.name]:
        value = statement.value if isinstance(statement, ast.Assign) else None
        maker = dotted(value.func) if isinstance(value, ast.Call) else None
        if maker and any(
            isinstance(each, Outside) and _is_ours(project, each) for each in project.resolve(module.path, maker)
        ):
            return True
    return False


def steps_in(project: Project, module: Module) -> Iterator[StepMark]:
    """The steps that the decorators of a module make."""
    for way, node in definitions(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if is_step(project, module.path, decorator):
                    yield _mark(Place(module.path, ".".join(way)), node.name, decorator)


def _mark(place: Place, function: str, decorator: ast.expr) -> StepMark:
    given = {each.arg: each.value for each in decorator.keywords} if isinstance(decorator, ast.Call) else {}
    step, pipeline = given.get("name"), given.get("pipeline")
    return StepMark(
        place,
        step.value if isinstance(step, ast.Constant) and isinstance(step.value, str) else function,
        _text(pipeline) if pipeline is not None else DEFAULT_PIPELINE,
    )


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


@dataclass(frozen=True, slots=True)
class StepName:
    """The step that code is looked for as."""

    pipeline: str
    step: str


def find_step(code: CodeVersion, root: Path, name: StepName | None, sources: Sources) -> Place | None:
    """Where the function of `code` is now in the working tree at `root`: by the name that a decorator gives the step, then by its
    qualified name, then at its path; None when it is in none of these places.

    Of several steps of one name the one at the recorded place goes first, then one in the recorded file, then the first by path.
    """
    if code.function is None or not code.paths:
        return None
    recorded = Place(root / code.paths[0], code.function)
    marks = _marked(recorded, root, name, sources) if name else []
    if marks:
        wanted = plain_qualname(recorded.qualname)
        return min(
            marks,
            key=lambda mark: (
                mark.place.path != recorded.path,
                plain_qualname(mark.place.qualname) != wanted,
                str(mark.place.path),
                mark.place.qualname,
            ),
        ).place
    return _qualified(recorded, root, sources)


def _marked(recorded: Place, root: Path, name: StepName, sources: Sources) -> list[StepMark]:
    """The steps of this name: those in the recorded file, else those in any file of the tree."""
    found = _named(recorded.path, root, name, sources)
    if found:
        return found
    for path in sources.python_files(root):
        if path != recorded.path and _mentions(path, name.step):
            found += _named(path, root, name, sources)
    return found


def _mentions(path: Path, step: str) -> bool:
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return step.encode() in content and b"@" in content


def _named(path: Path, root: Path, name: StepName, sources: Sources) -> list[StepMark]:
    module = sources.module(path)
    if module is None:
        return []
    marks = steps_in(Project(root, path, sources), module)
    return [mark for mark in marks if mark.step == name.step and mark.pipeline in (None, name.pipeline)]


def _qualified(recorded: Place, root: Path, sources: Sources) -> Place | None:
    """The function at its recorded path, else in the one file whose module has the longest tail of its name in common."""
    module = sources.module(recorded.path)
    if module and find_function(module, recorded.qualname):
        return recorded
    if recorded.path.is_file():
        return None  # the module is where it was, and the function is not in it
    best: list[Path] = []
    for path in sources.python_files(root):
        common = _common_tail(path, recorded.path)
        if common and (not best or common >= _common_tail(best[0], recorded.path)):
            candidate = sources.module(path)
            if candidate and find_function(candidate, recorded.qualname):
                best = [*best, path] if best and common == _common_tail(best[0], recorded.path) else [path]
    return Place(best[0], recorded.qualname) if len(best) == 1 else None


def _common_tail(one: Path, other: Path) -> int:
    count = 0
    for left, right in zip(reversed(one.parts), reversed(other.parts), strict=False):
        if left != right:
            break
        count += 1
    return count
