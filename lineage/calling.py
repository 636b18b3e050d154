"""Calls a function again, found by its file and its name, in a process that knew nothing of it."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from datamon.errors import Invalid, NotFound
from datamon.lineage.records import ParamValue


@dataclass(frozen=True, slots=True)
class Call:
    """A function at the top level of a source file (or in a class there), and the arguments that it was given by name. Whatever
    is not among them is left to its default, or to the decorator."""

    file: Path
    qualname: str
    arguments: Mapping[str, ParamValue] = field(default_factory=dict)


def call_again(call: Call) -> object:
    """What the function returns, called with these arguments in this process. Its module is imported under the name that its
    place in a package gives it, with the package's parent first in the module path, and the working directory after it.

    Raises NotFound (`path-not-found`), Invalid (`not-repeatable`) when the file has no such function or the function does not
    take these arguments, and whatever the import and the function raise.
    """
    function = _function(load_module(call.file), call)
    signature = inspect.signature(function)
    bound = signature.bind_partial()
    rest = dict(call.arguments)
    for name, parameter in signature.parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        if name in rest:
            bound.arguments[name] = _as_taken(parameter, rest.pop(name))
    taking_more = [each.name for each in signature.parameters.values() if each.kind is inspect.Parameter.VAR_KEYWORD]
    if rest and not taking_more:
        name = next(iter(rest))
        raise _refusal(call, f"it takes no argument {name!r} any more; call it by hand")
    if rest:
        bound.arguments[taking_more[0]] = rest
    try:
        signature.bind(*bound.args, **bound.kwargs)
    except TypeError as error:
        raise _refusal(call, f"it does not take the recorded arguments any more ({error}); call it by hand") from error
    return function(*bound.args, **bound.kwargs)


def load_module(file: Path) -> ModuleType:
    """The module of a source file. Raises NotFound (`path-not-found`) and whatever its import raises."""
    file = file.resolve()
    if not file.is_file():
        raise NotFound("path-not-found", f"there is no source file {file}", path=str(file))
    top, name = _import_name(file)
    sys.path[:] = [str(top), str(Path.cwd()), *(each for each in sys.path if each not in (str(top), str(Path.cwd())))]
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        module = None
    if module is not None and module.__file__ is not None and Path(module.__file__).resolve() == file:
        return module
    return _load_apart(file)  # another module has its name


def _import_name(file: Path) -> tuple[Path, str]:
    """The directory to be looked into and the module's dotted name there, by the `__init__.py` beside and above it."""
    parts = [] if file.stem == "__init__" else [file.stem]
    directory = file.parent
    while (directory / "__init__.py").is_file():
        parts.insert(0, directory.name)
        directory = directory.parent
    return directory, ".".join(parts)


def _load_apart(file: Path) -> ModuleType:
    name = f"_called_again_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise NotFound("path-not-found", f"{file} is no Python source file", path=str(file))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _function(module: ModuleType, call: Call) -> Callable[..., Any]:
    found: Any = module
    for name in call.qualname.split("."):
        found = getattr(found, name, None)
    if not callable(found):
        raise _refusal(call, "it is not there when its file is imported: it is made when something else runs")
    function: Callable[..., Any] = found
    return function


def _as_taken(parameter: inspect.Parameter, value: ParamValue) -> object:
    return tuple(value) if parameter.kind is inspect.Parameter.VAR_POSITIONAL and isinstance(value, list) else value


def _refusal(call: Call, reason: str) -> Invalid:
    return Invalid(
        "not-repeatable",
        f"the function {call.qualname} of {call.file} cannot be called again: {reason}",
        function=call.qualname,
        path=str(call.file),
        reason=reason,
    )
