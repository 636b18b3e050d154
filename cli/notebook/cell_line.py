"""The line of `%%datamon_run`: what a cell is recorded as."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from datamon.errors import Invalid
from datamon.lineage.binding import parse_input, parse_output
from datamon.lineage.param_values import parse_param
from datamon.lineage.recorded_cell import CellRequest

MAGIC = "datamon_run"


@dataclass(frozen=True, slots=True)
class CellOption:
    """An option of the magic."""

    flag: str
    form: str
    many: bool
    meaning: str


OPTIONS = (
    CellOption("--step", "S", False, "the step's name; without it, one made of the cell's text"),
    CellOption("--pipeline", "P", False, "the pipeline it belongs to; without it, default"),
    CellOption("--input", "REPO[@REF][:PATH]=DIR", True, "a bundle, or a part of one, to put into DIR"),
    CellOption("--output", "REPO[@BRANCH]=DIR", True, "what the cell leaves in DIR is a new bundle"),
    CellOption("--param", "K=V", True, "a parameter to record"),
    CellOption("--label", "L", True, "a label to set on every output"),
)
_BY_FLAG = {option.flag: option for option in OPTIONS}


def read_cell_line(line: str, cell: str, cwd: Path, earlier: Sequence[str] = ()) -> CellRequest:
    """What the line asks for. Raises Invalid (`bad-argument`) for what is no option of it, and as `parse_input`, `parse_output`
    and `parse_param`."""
    given: dict[str, list[str]] = {option.flag: [] for option in OPTIONS}
    words = _words(line)
    for flag, value in _pairs(words):
        if given[flag] and not _BY_FLAG[flag].many:
            raise Invalid("bad-argument", f"%%{MAGIC} has {flag} twice; give it once", argument=flag)
        given[flag].append(value)
    if given["--label"] and not given["--output"]:
        said = f"the label {given['--label'][0]!r} has no output to be set on; name one with --output"
        raise Invalid("bad-argument", said, argument="--label")
    return CellRequest(
        cell=cell,
        words=(f"%%{MAGIC}", *words),
        cwd=cwd,
        earlier=earlier,
        pipeline=next(iter(given["--pipeline"]), "default"),
        step=next(iter(given["--step"]), None),
        inputs=tuple(map(parse_input, given["--input"])),
        outputs=tuple(map(parse_output, given["--output"])),
        labels=tuple(dict.fromkeys(given["--label"])),
        params=tuple({param.name: param for param in map(parse_param, given["--param"])}.values()),
    )


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise Invalid("bad-argument", f"the line of %%{MAGIC} cannot be read: {error}", argument=line) from None


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    rest = iter(words)
    for word in rest:
        flag, joined, value = word.partition("=")
        option = _BY_FLAG.get(flag)
        if option is None:
            known = ", ".join(f"{each.flag} {each.form}" for each in OPTIONS)
            raise Invalid("bad-argument", f"%%{MAGIC} has no option {word!r}; it has {known}", argument=word)
        if not joined:
            following = next(rest, None)
            if following is None:
                raise Invalid(
                    "bad-argument", f"{flag} of %%{MAGIC} has no value; write {flag} {option.form}", argument=flag
                )
            value = following
        yield flag, value
