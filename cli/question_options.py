"""The options that an everyday `datamon query TEXT` has."""

from typing import Final

from datamon.cli.globals import AnswerFormat
from datamon.cli.words import Option

COMMAND: Final = ("query",)
OPTIONS: Final = (
    Option(
        "form", "--format", "text", "How the answer is written.", choices=tuple(form.value for form in AnswerFormat)
    ),
    Option("params", "--param", "texts", "A value for $NAME in the statement."),
    Option("unpaged", "--no-pager", "flag", "Show a long answer plainly."),
)
"""Those of the options of `datamon.cli.query` that an everyday question has; a line with others is typer's to read."""
