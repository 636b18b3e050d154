"""A line that its table of options takes means what it means where typer builds the command line."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datamon.cli import program
from datamon.cli.globals import Globals
from datamon.cli.record_options import COMMAND, OPTIONS
from datamon.cli.words import Given, Line, read_line

FLAGS = [option.flag for option in OPTIONS]
ODD = [
    "--",
    "-",
    "-h",
    "--help",
    "--nothing",
    "--tra",
    "--keep=1",
    "--step=",
    "--config",
    "--context",
    "--degraded",
    "--config=x",
]
VALUES = ["a", "b=c", "run", "stage", "off", "strace", "~/x=y", "-x", "", "raw=in", "é"]
WORDS = st.lists(st.sampled_from(FLAGS + ODD + VALUES + [f"{flag}=v" for flag in FLAGS]), max_size=8)
TAKING = [option.flag for option in OPTIONS if option.kind != "flag" and not option.choices]
WHOLE = [("--keep",), ("--reuse",), ("--level", "pod"), ("--trace", "auto"), ("--context", "c"), ("--degraded",)]
LIKELY = st.lists(
    st.tuples(st.sampled_from(TAKING), st.sampled_from(["a", "b=c"])) | st.sampled_from(WHOLE), max_size=6
).map(lambda pairs: [word for pair in pairs for word in pair])


class Typed:
    """What typer makes of a line."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def record(self, flags: Globals, given: Given, command: list[str]) -> int:
        self.lines.append(Line(flags, dict(given), tuple(command)))
        return 0


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Lines run no command; what they would run is kept."""
    typed = Typed()
    monkeypatch.setattr("datamon.cli.run.record_line", typed.record)
    return typed


def check(typed: Typed, words: list[str]) -> bool:
    """Whether the table takes the line; then typer gives the same."""
    line = read_line(words, COMMAND, OPTIONS)
    if line is None:
        return False
    assert program.run(words) == 0
    assert typed.lines.pop() == line
    return True


SHARED = [HealthCheck.function_scoped_fixture]


@settings(suppress_health_check=SHARED, deadline=None, max_examples=150)
@given(words=WORDS, tail=st.lists(st.sampled_from(["true", "--", "-x", "--step"]), max_size=3))
def test_whatever_the_table_takes_typer_takes_as_the_same(typed: Typed, words: list[str], tail: list[str]) -> None:
    check(typed, ["run", "record", *words, *tail])


@settings(suppress_health_check=SHARED, deadline=None, max_examples=60)
@given(words=LIKELY, between=st.sampled_from([[], ["--"]]))
def test_plain_lines_are_taken_by_the_table(typed: Typed, words: list[str], between: list[str]) -> None:
    assert check(typed, ["run", "record", *words, *between, "python", "x.py", "--step", "s"])


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["run", "record"],
        ["run", "record", "--"],
        ["run", "record", "--help"],
        ["run", "record", "--ste", "s", "true"],
        ["run", "record", "--level", "pot", "true"],
        ["run", "record", "--param"],
        ["run", "record", "--param", "--", "true"],
        ["run", "record", "--keep=yes", "true"],
        ["run", "list"],
        ["--version"],
        [],
    ],
)
def test_what_is_not_plain_is_left_to_typer(words: list[str]) -> None:
    assert read_line(words, COMMAND, OPTIONS) is None
