"""Options that several commands share, each spelled and explained once."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.completing import branch_names, label_names, repo_names

GLOBAL_OPTIONS = ("--config", "--context")
"""Options of the program itself that take a value; `main` lets them stand anywhere."""
GLOBAL_FLAGS = ("--degraded",)
"""Such that take none."""


@dataclass(frozen=True, slots=True)
class Globals:
    """What the program's own options say; each command finds it as `ctx.obj`."""

    config: Path | None = None
    context: str | None = None
    degraded: bool = False


class Format(StrEnum):
    """How an answer is written, in place of the plain lines."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


FormatOption = Annotated[
    Format | None,
    typer.Option("--format", metavar="table|json|jsonl|csv", help="How to write the answer, in place of plain lines."),
]
RepoOption = Annotated[str, typer.Option("--repo", metavar="REPO", help="Name of the repo.", autocompletion=repo_names)]
BundleOption = Annotated[
    str | None,
    typer.Option("--bundle", metavar="ID", help="Id of a bundle, or its unique start or end of 4 characters or more."),
]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why; the tombstone keeps it.", show_default=False)
]
LabelOption = Annotated[
    str | None,
    typer.Option("--label", metavar="LABEL", help="The bundle that a label points at.", autocompletion=label_names),
]
BranchOption = Annotated[
    str | None,
    typer.Option("--branch", metavar="BRANCH", help="The head of a branch. [main]", autocompletion=branch_names),
]
