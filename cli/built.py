"""Commands of the command line that are built from a table of options."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from datamon.cli.words import Option

_KINDS: dict[str, Any] = {
    "flag": bool,
    "text": str | None,
    "path": Path | None,
    "texts": list[str] | None,
    "paths": list[Path] | None,
}


def takes(options: Sequence[Option]) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """A decorator: the function, whose last parameter `given` collects their values, takes these options on the command line.
    What is not said is as `Option.unsaid` has it; several values come as a tuple."""

    def made(function: Callable[..., int]) -> Callable[..., int]:
        def called(*args: Any, **said: Any) -> int:
            own = {name: said.pop(name) for name in own_names if name in said}
            values = {option.name: _value(option, said[option.name]) for option in options}
            return function(*args, **own, given=values)

        signature = inspect.signature(function)
        own_names = [name for name in signature.parameters if name != "given"]
        parameters = [signature.parameters[name].replace(kind=inspect.Parameter.KEYWORD_ONLY) for name in own_names]
        called.__signature__ = signature.replace(parameters=[*parameters, *map(_parameter, options)])  # type: ignore[attr-defined]
        kept = {name: kind for name, kind in function.__annotations__.items() if name != "given"}
        called.__annotations__ = kept | {option.name: _kind(option) for option in options}
        called.__doc__, called.__name__ = function.__doc__, function.__name__
        return called

    return made


def _value(option: Option, said: Any) -> object:
    return tuple(said or ()) if option.kind in ("texts", "paths") else said


def _kind(option: Option) -> Any:
    kind = _KINDS[option.kind]
    if option.choices:
        chosen: Any = Literal.__getitem__(option.choices)
        kind = chosen if option.default else chosen | None
    elif option.kind == "text" and option.default is not None:
        kind = str
    shown = bool(option.default) or not option.choices
    return Annotated[kind, typer.Option(option.flag, metavar=option.metavar, help=option.help, show_default=shown)]


def _parameter(option: Option) -> inspect.Parameter:
    default = None if option.kind in ("texts", "paths") else option.unsaid
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=_kind(option))
