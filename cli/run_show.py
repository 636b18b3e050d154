"""`datamon run show` and `datamon run logs`: one run's record, and what it wrote to its streams."""

from enum import StrEnum
from typing import Annotated

import typer

from datamon.cli.fact_tree import fact_lines
from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption
from datamon.cli.output import note, pass_on, screen, show_record
from datamon.cli.rows import moment
from datamon.cli.run_facts import Beside, run_facts
from datamon.cli.run_portrait import child_records, run_record
from datamon.lineage.finding import environment_of, find_run, runs_within, stream_pieces, tombstones

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Id of a run, or its unique start or end of 4 characters or more.")
]


class Stream(StrEnum):
    """What a command writes to."""

    STDOUT = "stdout"
    STDERR = "stderr"


def show(ctx: typer.Context, run: RunArgument, form: FormatOption = None) -> None:
    """Show everything that is recorded of a run: its code, params, inputs, outputs, metrics, environment, host.

    \b
    Example:
      datamon run show 7c2e
    """
    store = open_configured(ctx)
    found = find_run(store, run)
    environment = environment_of(store, found)
    gone = tombstones(store, found)
    within = runs_within(store, found)
    children = [each for each in within if each.opened.parent == found.id]
    record = {**run_record(found, environment, gone), "children": child_records(children)}
    facts = run_facts(found, Beside(environment, gone, within), moment(store.clock()))
    show_record(record, form, fact_lines(facts, screen()))


def logs(
    ctx: typer.Context,
    run: RunArgument,
    stream: Annotated[Stream, typer.Option("--stream", help="Which of its streams.")] = Stream.STDOUT,
) -> None:
    """Print what a run wrote, as it wrote it, with secrets masked.

    \b
    Example:
      datamon run logs 7c2e --stream stderr
    """
    store = open_configured(ctx)
    found = find_run(store, run)
    if found.closed is None:
        note(f"run {found.id} is {found.status}: its streams are kept when it ends")
        return
    if found.closed.streams is None:
        note(f"run {found.id} kept no streams: it is no command's, or its command did not start")
        return
    for piece in stream_pieces(store, found.closed.streams, stream.value):
        pass_on(piece)
