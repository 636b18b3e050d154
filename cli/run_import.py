"""`datamon run import`: runs that other systems tell of."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.opening import open_configured, policy_of, settings_of
from datamon.cli.output import note
from datamon.cli.progress import watching


class ImportFormat(StrEnum):
    """What runs can be told in."""

    OPENLINEAGE = "openlineage"


def import_(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Files of events, a line each.")],
    form: Annotated[ImportFormat, typer.Option("--format", help="In which words.")],
    strict: Annotated[bool, typer.Option("--strict", help="Import nothing when a line is no event.")] = False,
) -> None:
    """Take in runs that other systems tell of; importing twice adds nothing.

    openlineage: events of runs, in any order and any number of files. Each run whose end is told comes in whole; its datasets
    become repos, with a bundle for each version that says what is known of it. Lines that are no events are told of and skipped.

    \b
    Examples:
      datamon run import events.ndjson --format openlineage
      datamon run import day1.ndjson day2.ndjson --format openlineage --strict
    """
    from datamon.lineage.interchange.importing import import_events  # brings pyarrow, which `run record` may not need

    importers = {ImportFormat.OPENLINEAGE: import_events}
    redactor = policy_of(settings_of(ctx)).redactor
    store = open_configured(ctx)
    with watching() as progress:
        done = importers[form](store, files, strict=strict, redactor=redactor, progress=progress)
    for bad in done.bad:
        note(f"skipped {bad}")
    if done.bad_lines > len(done.bad):
        note(f"skipped {done.bad_lines - len(done.bad):,} more lines that are no events")
    note(
        f"imported {done.runs:,} runs of {done.events:,} events; {done.known:,} runs were here, "
        f"{done.unended:,} have no end, {done.others:,} events are of no run"
    )
