"""`datamon run diff`: in what two runs differ."""

from typing import Annotated

import typer

from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption
from datamon.cli.output import Listing, note, say, show
from datamon.lineage.differences import differences
from datamon.lineage.finding import find_run
from datamon.lineage.run_sides import code_patch, run_side

COLUMNS = ("kind", "name", "change", "old", "new")


def diff(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(metavar="A", help="Id of a run, or its unique start or end.")],
    new: Annotated[str, typer.Argument(metavar="B", help="Another run.")],
    patch: Annotated[bool, typer.Option("--patch", help="Show what changed in the code, line by line.")] = False,
    form: FormatOption = None,
) -> None:
    """Show in what two runs differ: step, command, status, params, inputs, code, environment, outputs, metrics.

    Of inputs and outputs the contents count. What is different in every run, such as ids and times, is left out.

    \b
    Examples:
      datamon run diff 7c2e b1f0
      datamon run diff 7c2e b1f0 --patch
    """
    store = open_configured(ctx)
    one, other = find_run(store, old), find_run(store, new)
    if patch:
        for line in code_patch(store, one, other):
            say(line)
        return
    found = differences(run_side(store, one), run_side(store, other))
    if not found:
        note(f"the runs {one.id} and {other.id} are alike")
    if found or form is not None:
        rows = [(each.kind, each.name, each.change, each.old, each.new) for each in found]
        show(Listing(COLUMNS, rows), form)
