"""`datamon run import`: runs that were recorded elsewhere, or that other systems tell of."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.opening import open_configured, policy_of, settings_of
from datamon.cli.output import note
from datamon.cli.progress import watching
from datamon.cli.run_lines_in import import_lines


class ImportFormat(StrEnum):
    """What files of runs hold."""

    NDJSON = "ndjson"
    OPENLINEAGE = "openlineage"


def import_(
    ctx: typer.Context,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Files, a run or an event a line; - is stdin (ndjson).")
    ],
    strict: Annotated[bool, typer.Option("--strict", help="Add nothing when one line would be refused.")] = False,
    form: Annotated[ImportFormat, typer.Option("--format", help="What the files hold.")] = ImportFormat.NDJSON,
) -> None:
    """Add the runs of files to the store, marked as imported; importing twice adds nothing.

    ndjson: what `datamon run export` writes (docs/run-records.md). A line that holds no run, or another run under an id that is
    here, is told with its number, and the other lines count; then the exit code is not 0. Bundles that the runs name and that are
    not in this store stay named.

    openlineage: events of runs, in any order and any number of files. Each run whose end is told comes in whole; its datasets
    become repos, with a bundle for each version that says what is known of it. Lines that are no events are told of and skipped.

    \b
    Examples:
      datamon run import runs.ndjson
      datamon run export --all | ssh host datamon run import --strict -
      datamon run import day1.ndjson day2.ndjson --format openlineage
    """
    if form is ImportFormat.OPENLINEAGE:
        _import_events(ctx, files, strict=strict)
        return
    store = open_configured(ctx)
    for file in files:
        import_lines(store, file, strict=strict)


def _import_events(ctx: typer.Context, files: Sequence[str], *, strict: bool) -> None:
    from datamon.lineage.interchange.importing import import_events  # brings pyarrow, which `run record` may not need

    redactor = policy_of(settings_of(ctx)).redactor
    store = open_configured(ctx)
    with watching() as progress:
        done = import_events(store, [Path(file) for file in files], strict=strict, redactor=redactor, progress=progress)
    for bad in done.bad:
        note(f"skipped {bad}")
    if done.bad_lines > len(done.bad):
        note(f"skipped {done.bad_lines - len(done.bad):,} more lines that are no events")
    note(
        f"imported {done.runs:,} runs of {done.events:,} events; {done.known:,} runs were here, "
        f"{done.unended:,} have no end, {done.others:,} events are of no run"
    )
