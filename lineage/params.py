"""Params that come from somewhere else than the command: what their files and defaults say, then and now."""

import ast
import json
import re
import tomllib
from collections.abc import Callable, Hashable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Final

import yaml

from datamon.errors import Denied, Invalid, NotFound
from datamon.lineage.locate import StepName, find_function, find_step
from datamon.lineage.modules import Definition, Project, Sources
from datamon.lineage.param_values import param_value
from datamon.lineage.records import CodeVersion, Param, ParamValue
from datamon.lineage.syntax import dotted

MOST_VALUES = 100_000
"""A params file with more values than this, aliases followed, is refused."""
DEEPEST = 50
"""A params file nested deeper than this is refused; so is one that contains itself."""
_TOML_LINE = re.compile(r"\(at line (\d+), column \d+\)")


class Unstated(Enum):
    """Why a param has no value now."""

    GONE = "gone"
    """Its file, or its name in the file, is not there."""
    UNKNOWN = "unknown"
    """It cannot be told without running code."""


def read_params_file(path: Path) -> dict[str, ParamValue]:
    """The values of a YAML, TOML or JSON file (by its suffix), each under its dotted name, in the file's order.

    A list is one value, and so is a mapping inside a list; an empty mapping is a value too. An empty YAML file has none.
    Raises NotFound (`path-not-found`), Denied (`unreadable`), Invalid (`bad-params`, whose `line` is the line at fault or None).
    """
    parse = _PARSERS.get(path.suffix.lower())
    if parse is None:
        raise _bad(path, None, "is of an unknown kind; name it .yaml, .yml, .toml or .json")
    text = _text(path)
    try:
        content = parse(text)
    except _Unreadable as error:
        raise _bad(path, error.line, error.reason) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise _bad(path, 1, "holds no names; write NAME: VALUE")
    flat: dict[str, ParamValue] = {}
    for name, value in _leaves(path, content):
        if name in flat:
            raise _bad(path, None, f"names {name!r} twice; keep one")
        flat[name] = value
    return flat


def current_value(
    param: Param,
    root: Path,
    *,
    code: CodeVersion | None = None,
    name: StepName | None = None,
    sources: Sources | None = None,
) -> ParamValue | Unstated:
    """The value that the source of `param` gives now in the working tree at `root`.

    From a file: what the file says under the param's key, GONE when the file cannot be read as one or does not say it. From a
    default: that of the function of `code`, found as the step `name`, where it is a literal or a name that its module binds
    once, to a literal; GONE when the parameter has no default any more, UNKNOWN when only running the code would tell. An
    explicit value does not move. Raises Denied (`unreadable`).
    """
    if param.source == "explicit":
        return param.value
    if param.source == "file":
        return _value_in_file(param, root)
    sources = sources or Sources()
    place = find_step(code, root, name, sources) if code else None
    module = sources.module(place.path) if place else None
    function = find_function(module, place.qualname) if place and module else None
    if place is None or function is None:
        return Unstated.UNKNOWN
    default = _default(function, param.key or param.name)
    return Unstated.GONE if default is None else _literal(Project(root, place.path, sources), place.path, default)


def _value_in_file(param: Param, root: Path) -> ParamValue | Unstated:
    if param.file is None:
        return Unstated.UNKNOWN
    try:
        return read_params_file(root / param.file).get(param.key or param.name, Unstated.GONE)
    except (NotFound, Invalid):
        return Unstated.GONE


def _default(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> ast.expr | None:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    without = len(positional) - len(arguments.defaults)
    defaults = [*[None] * without, *arguments.defaults, *arguments.kw_defaults]
    names = [each.arg for each in (*positional, *arguments.kwonlyargs)]
    return dict(zip(names, defaults, strict=True)).get(name)


def _literal(project: Project, path: Path, node: ast.expr) -> ParamValue | Unstated:
    """The value of a literal, or of a name that stands for one."""
    try:
        return param_value(ast.literal_eval(node))
    except (ValueError, TypeError, RecursionError, MemoryError):
        named = dotted(node)
    targets = project.resolve(path, named) if named else []
    if len(targets) != 1 or not isinstance(targets[0], Definition):
        return Unstated.UNKNOWN
    module = project.module(targets[0].module)
    statements = module.statements[targets[0].name] if module else []
    only = statements[0] if len(statements) == 1 else None
    simple = isinstance(only, ast.Assign) and all(isinstance(each, ast.Name) for each in only.targets)
    value = only.value if isinstance(only, ast.AnnAssign) or (isinstance(only, ast.Assign) and simple) else None
    try:
        return Unstated.UNKNOWN if value is None else param_value(ast.literal_eval(value))
    except (ValueError, TypeError, RecursionError, MemoryError):
        return Unstated.UNKNOWN


class _Unreadable(Exception):  # noqa: N818 (a fault of the text, turned into ours where the file is known)
    def __init__(self, line: int | None, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise NotFound(
            "path-not-found", f"there is no params file {path}; give the path of one", path=str(path)
        ) from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise _bad(path, line, "is not UTF-8 text; save it as UTF-8") from None
    except IsADirectoryError:
        raise _bad(path, None, "is a directory; give the path of a file") from None
    except PermissionError:
        raise Denied(
            "unreadable", f"the params file {path} may not be read; grant the right to read it", path=str(path)
        ) from None


def _bad(path: Path, line: int | None, reason: str) -> Invalid:
    where = f"{path}, line {line}," if line else f"{path}"
    return Invalid("bad-params", f"the params file {where} {reason}", path=str(path), line=line)


class _NamedAsWritten(yaml.SafeLoader):
    """YAML's safe values under names as they are written: `on` and `1` are names, not a truth and a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        self.flatten_mapping(node)
        found: dict[Hashable, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a name must be one word", key.start_mark)
            found[key.value] = self.construct_object(value, deep=deep)
        return found


def _parse_yaml(text: str) -> object:
    try:
        return yaml.load(text, _NamedAsWritten)  # noqa: S506 (a safe loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _Unreadable(mark.line + 1 if mark else None, f"is not YAML ({error.problem}); correct it") from None
    except yaml.YAMLError as error:
        raise _Unreadable(None, f"is not YAML ({str(error).splitlines()[0]}); correct it") from None
    except (ValueError, RecursionError) as error:  # a date that does not exist, nesting without end
        raise _Unreadable(None, f"is not YAML that can be read ({error}); correct it") from None


def _parse_toml(text: str) -> object:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        line = int(found[1]) if found else text.count("\n") + 1  # the other form says "at end of document"
        reason = str(error).partition(" (at ")[0]
        raise _Unreadable(line, f"is not TOML ({reason}); correct it") from None
    except RecursionError:
        raise _Unreadable(None, "is nested too deep; flatten it") from None


def _parse_json(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise _Unreadable(error.lineno, f"is not JSON ({error.msg}); correct it") from None
    except (ValueError, RecursionError) as error:
        raise _Unreadable(None, f"is not JSON that can be read ({error}); correct it") from None


_PARSERS: Final[dict[str, Callable[[str], object]]] = {
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
    ".toml": _parse_toml,
    ".json": _parse_json,
}


def _leaves(path: Path, content: dict[Any, Any]) -> Iterator[tuple[str, ParamValue]]:
    """The dotted names of a mapping with their values, bounded in number and depth."""
    seen = 0
    waiting: list[tuple[str, object]] = [("", content)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict) and (value or not name):
            if name.count(".") >= DEEPEST:
                raise _bad(path, None, f"is nested deeper than {DEEPEST}; flatten it")
            inner = [(f"{name}.{key}" if name else str(key), each) for key, each in value.items()]
            waiting.extend(reversed(inner))
            seen += len(inner)
        else:
            seen += _weigh(path, value, MOST_VALUES - seen)
            yield name, param_value(value)
        if seen > MOST_VALUES:
            raise _bad(path, None, f"holds more than {MOST_VALUES} values; keep the big ones in a data file")


def _weigh(path: Path, value: object, allowed: int) -> int:
    """How many values there are in a value; stops soon after `allowed`."""
    weight, waiting = 0, [(value, 0)]
    while waiting and weight <= allowed:
        each, depth = waiting.pop()
        weight += 1
        if depth > DEEPEST:
            raise _bad(path, None, f"is nested deeper than {DEEPEST}; flatten it")
        if isinstance(each, dict):
            waiting.extend((inner, depth + 1) for inner in each.values())
        elif isinstance(each, list | set):
            waiting.extend((inner, depth + 1) for inner in each)
    return weight
