"""The params that a papermill command gives its notebook, as papermill reads its own command line."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from datamon.lineage.param_values import parse_value
from datamon.lineage.records import ParamValue

_PROGRAM = "papermill"
_TAKE_ONE = frozenset(
    {
        *("-k", "--kernel", "-l", "--language", "--cwd", "--engine", "--log-level"),
        *("--execution-timeout", "--start-timeout", "--start_timeout", "--execution_timeout", "--autosave-cell-every"),
        *("-b", "--parameters_base64", "--stdout-file", "--stderr-file"),
    }
)


@dataclass(frozen=True, slots=True)
class Given:
    """What one option gives: a value under a name, or all of a file."""

    name: str = ""
    value: ParamValue = None
    file: Path | None = None


def papermill_params(argv: Sequence[str]) -> Iterator[Given]:
    """What `-p`, `-r`, `-y` and `-f` of a papermill command give, in the order in which papermill itself applies them:
    files, YAML, plain values, raw texts. Nothing for another command. What `-b` gives is part of the command only.

    >>> [(each.name, each.value) for each in papermill_params("papermill a b -p x 1 -r y 1".split())]
    [('x', 1), ('y', '1')]
    """
    words = _arguments(argv)
    found: dict[str, list[Given]] = {"f": [], "y": [], "p": [], "r": []}
    rest = iter(words)
    for word in rest:
        flag, joined, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if flag in ("-f", "--parameters_file"):
            found["f"].append(Given(file=Path(value if joined else next(rest, ""))))
        elif flag in ("-y", "--parameters_yaml"):
            found["y"] += _of_yaml(value if joined else next(rest, ""))
        elif flag in ("-p", "--parameters"):
            name = value if joined else next(rest, "")
            found["p"].append(Given(name, _plain(next(rest, ""))))
        elif flag in ("-r", "--parameters_raw"):
            name = value if joined else next(rest, "")
            found["r"].append(Given(name, next(rest, "")))
        elif flag in _TAKE_ONE and not joined:
            next(rest, None)
    for several in found.values():
        yield from (each for each in several if each.name or each.file)


def _arguments(argv: Sequence[str]) -> Sequence[str]:
    """What stands behind the program's name."""
    for number, word in enumerate(argv):
        if os.path.basename(word) == _PROGRAM:  # noqa: PTH119 (a word of a command, which may be no path)
            return argv[number + 1 :]
    return ()


def _of_yaml(text: str) -> Iterator[Given]:
    read = parse_value(text)
    if isinstance(read, dict):
        yield from (Given(str(name), value) for name, value in read.items())


def _plain(text: str) -> ParamValue:
    """As papermill takes a value of `-p`: a truth, nothing, a number, else the text."""
    words: dict[str, ParamValue] = {"True": True, "False": False, "None": None}
    if text in words:
        return words[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
