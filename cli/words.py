"""Options of a command as a table: the command line's help is built from it, and a line that holds nothing else is read by it
without building one, which takes longer than many a command.

What this reader does not take it leaves to the builder of command lines, which says what is wrong with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datamon.cli.globals import GLOBAL_FLAGS, GLOBAL_OPTIONS, Globals

Kind = Literal["flag", "text", "path", "texts", "paths"]
"""Off or on; one value; several."""
Given = Mapping[str, object]
"""Values by the names of options."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a command. `choices` are all that its value may be; none for any text."""

    name: str
    flag: str
    kind: Kind
    help: str
    metavar: str | None = None
    default: str | None = None
    choices: tuple[str, ...] = ()

    @property
    def unsaid(self) -> object:
        """Its value where it is not on the line."""
        return False if self.kind == "flag" else () if self.kind in ("texts", "paths") else self.default


@dataclass(frozen=True, slots=True)
class Line:
    """A line that was read: the program's own options, the command's options, and the words behind them."""

    flags: Globals
    given: dict[str, object]
    rest: tuple[str, ...]


def read_line(words: Sequence[str], command: Sequence[str], options: Sequence[Option]) -> Line | None:
    """The line, when it is `command` with these options and then a word, or `--` and words, that are the rest; None when it is
    anything else, or a value begins with `-`.

    >>> read_line(["run", "record", "--step", "s", "--", "true"], ("run", "record"), (Option("step", "--step", "text", ""),))
    Line(flags=Globals(config=None, context=None, degraded=False), given={'step': 's'}, rest=('true',))
    """
    end = words.index("--") if "--" in words else len(words)
    flags, left = _globals(words[:end])
    if flags is None or tuple(left[: len(command)]) != tuple(command):
        return None
    by_flag = {option.flag: option for option in options}
    given: dict[str, object] = {option.name: option.unsaid for option in options}
    at: int | None = len(command)
    while at is not None and at < len(left) and left[at].startswith("-"):
        at = _take(left, at, by_flag, given)
    if at is None:
        return None
    rest = (*left[at:], *(words[end + 1 :] if at >= len(left) else words[end:]))
    return Line(flags, given, rest) if rest else None


def read_line_of_one(words: Sequence[str], command: Sequence[str], options: Sequence[Option]) -> Line | None:
    """As `read_line`, of a command with one word of its own, which options may stand before or behind.

    >>> read_line_of_one(["query", "FROM runs", "--to=f"], ("query",), (Option("to", "--to", "text", ""),))
    Line(flags=Globals(config=None, context=None, degraded=False), given={'to': 'f'}, rest=('FROM runs',))
    """
    flags, left = _globals(words)
    if "--" in words or flags is None or tuple(left[: len(command)]) != tuple(command):
        return None
    by_flag = {option.flag: option for option in options}
    given: dict[str, object] = {option.name: option.unsaid for option in options}
    rest: list[str] = []
    at: int | None = len(command)
    while at is not None and at < len(left):
        if left[at].startswith("-"):
            at = _take(left, at, by_flag, given)
        else:
            rest.append(left[at])
            at += 1
    return Line(flags, given, tuple(rest)) if at is not None and len(rest) == 1 else None


def _take(left: Sequence[str], at: int, by_flag: Mapping[str, Option], given: dict[str, object]) -> int | None:
    """Where the words behind the option that stands at this place begin, its value given; None when it is not as it should be."""
    flag, equals, value = left[at].partition("=")
    option = by_flag.get(flag)
    if option is None or (equals and option.kind == "flag"):
        return None
    at += 1
    if option.kind == "flag":
        given[option.name] = True
        return at
    if not equals:
        if at >= len(left) or left[at].startswith("-"):
            return None
        value = left[at]
        at += 1
    if option.choices and value not in option.choices:
        return None
    _give(given, option, value)
    return at


def _give(given: dict[str, object], option: Option, text: str) -> None:
    value = Path(text) if option.kind in ("path", "paths") else text
    if option.kind in ("texts", "paths"):
        before = given[option.name]
        assert isinstance(before, tuple)
        given[option.name] = (*before, value)
    else:
        given[option.name] = value


def _globals(words: Sequence[str]) -> tuple[Globals | None, list[str]]:
    """The program's own options, which may stand anywhere, and the other words; None when one of them is not as it should be."""
    said: dict[str, str] = {}
    left: list[str] = []
    degraded = False
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word in GLOBAL_FLAGS:
            degraded = True
        elif word in GLOBAL_OPTIONS:
            if at >= len(words) or words[at].startswith("-"):
                return None, []
            said[word] = words[at]
            at += 1
        elif word.partition("=")[0] in GLOBAL_OPTIONS:
            return None, []
        else:
            left.append(word)
    config = said.get("--config")
    return Globals(Path(config) if config else None, said.get("--context"), degraded), left
