"""The options of `datamon query` that say how an answer is written."""

from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.globals import AnswerFormat

AnswerFormatOption = Annotated[
    AnswerFormat | None,
    typer.Option(
        "--format",
        metavar="FORM",
        help="table, json, jsonl, csv, parquet or arrow; of a GRAPH json, dot, mermaid or svg. [table; of a GRAPH a tree]",
    ),
]
ToOption = Annotated[
    Path | None,
    typer.Option(
        "--to", metavar="FILE", help="Write the answer to FILE, whole or not at all; its suffix says the form, too."
    ),
]
PagerOption = Annotated[
    bool, typer.Option("--pager/--no-pager", help="Show an answer longer than the terminal in $PAGER, or less.")
]
