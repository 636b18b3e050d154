"""`datamon run replay`: a run is done again exactly, and what comes out is compared bit by bit."""

from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.environment import working_directory
from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption
from datamon.cli.output import Listing, Row, note, say, show
from datamon.cli.run_show import RunArgument
from datamon.cli.step_program import step_program
from datamon.lineage.capture.git import find_top
from datamon.lineage.replay.place import find_repeatable
from datamon.lineage.replay.replaying import Replayed, ReplayRequest, replay
from datamon.lineage.replays import Replay, ReplayedOutput

COLUMNS = ("run", "verdict", "output", "result", "path", "change", "old", "new", "error")
_LAST_LINES = 20


def replay_(
    ctx: typer.Context,
    run: RunArgument,
    packages: Annotated[
        bool,
        typer.Option("--packages", help="Install the recorded packages for it, in a fresh virtual environment."),
    ] = False,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="Leave the clean tree, outputs and all, in this new directory."),
    ] = None,
    form: FormatOption = None,
) -> int:
    """Run a recorded run again exactly, and compare what it writes with what it wrote, bit by bit.

    It runs in a clean tree: the recorded code, with the recorded inputs and params, on a view of the store, so that no ref moves
    and nothing is committed. The verdict is recorded and is a row of the relation `replays`: matched, differed (with the first
    differing file of each output) or failed. The exit code is 0 when it matched, else 1.

    \b
    Examples:
      datamon run replay 7c2e
      datamon run replay 7c2e --packages --keep /tmp/again
    """
    store = open_configured(ctx)
    found = find_repeatable(store, run)
    cwd = working_directory()
    note(f"replaying run {found.id} of {found.opened.pipeline}/{found.opened.step}")
    kept = cwd / keep if keep is not None else None
    done = replay(store, ReplayRequest(found, step_program(ctx), find_top(cwd), packages, kept))
    for sentence in done.notes:
        note(sentence)
    _tell(found.id, done, form)
    return 0 if done.replay.verdict == "matched" else 1


def _tell(run: str, done: Replayed, form: FormatOption) -> None:
    if done.replay.verdict == "failed":
        for line in done.printed.splitlines()[-_LAST_LINES:]:
            note(f"| {line}")
    if form is not None:
        show(Listing(COLUMNS, _rows(run, done.replay)), form)
        return
    for each in done.replay.outputs:
        say(f"{each.repo_name}@{each.branch}: {output_line(each)}")
    end = f": {done.replay.error}" if done.replay.error else ""
    say(f"run {run} {done.replay.verdict}{end}")


def output_line(output: ReplayedOutput) -> str:
    """What came of one output, in words."""
    if output.verdict == "matched":
        return "matched bit by bit"
    if output.verdict == "missing":
        return "nothing was written"
    if output.path is not None:
        return f"differed first in {output.path} ({output.change})"
    return "written by the replay alone" if output.change == "added" else "differed"


def _rows(run: str, done: Replay) -> list[Row]:
    outputs = done.outputs or (None,)
    return [
        (
            run,
            done.verdict,
            each.role if each else None,
            each.verdict if each else None,
            each.path if each else None,
            each.change if each else None,
            each.old if each else None,
            each.new if each else None,
            done.error,
        )
        for each in outputs
    ]
