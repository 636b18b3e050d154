"""Options that several commands share, each spelled and explained once."""

from typing import Annotated

import typer

from datamon.cli.completing import branch_names, label_names, repo_names
from datamon.cli.globals import Format

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
