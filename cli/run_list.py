"""`datamon run list`: the runs there are, newest first."""

from enum import StrEnum
from typing import Annotated

import typer

from datamon.cli.globals import Format
from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption
from datamon.cli.output import Listing, Row, show

LIST_COLUMNS = (
    *("id", "pipeline", "step", "status", "parent", "started", "ended", "duration_s", "author", "host"),
    *("command", "code", "exit_code", "signal", "error", "how", "level", "retry_of", "attempt"),
)


class StatusChoice(StrEnum):
    """What a run's status may be."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABANDONED = "abandoned"


def list_(
    ctx: typer.Context,
    pipeline: Annotated[str | None, typer.Option("--pipeline", metavar="P", help="Only runs of this pipeline.")] = None,
    step: Annotated[str | None, typer.Option("--step", metavar="S", help="Only runs of this step.")] = None,
    status: Annotated[StatusChoice | None, typer.Option("--status", help="Only runs of this status.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the newest N.")] = None,
    tree: Annotated[
        bool, typer.Option("--tree", help="Each run below the one it is part of; --limit then counts trees.")
    ] = False,
    form: FormatOption = None,
) -> None:
    """List runs, newest first: id , start , status , pipeline/step , seconds.

    \b
    Examples:
      datamon run list --pipeline churn --status failed --limit 10
      datamon run list --tree --limit 1
    """
    given = {"pipeline": pipeline, "step": step, "status": status.value if status else None}
    params = {name: value for name, value in given.items() if value is not None}
    if tree:
        _show_trees(ctx, params, limit, form)
        return
    where = " AND ".join(f"{name} = ${name}" for name in params)
    statement = (
        f"SELECT {', '.join(LIST_COLUMNS)} FROM runs"  # noqa: S608 (names of ours; every value is a parameter)
        f"{f' WHERE {where}' if where else ''} ORDER BY started DESC, id DESC{f' LIMIT {limit}' if limit else ''}"
    )
    from datamon.cli.asking import ask_here  # brings duckdb, 80 ms, which `run record` beside it does not need

    answer = ask_here(open_configured(ctx), statement, params)
    show(Listing(LIST_COLUMNS, answer.rows, _line), form)


def _show_trees(ctx: typer.Context, params: dict[str, str], limit: int | None, form: Format | None) -> None:
    """The runs that these values choose with all that is part of them; `depth` is 0 for those that are part of no other here."""
    from datamon.cli.asking import ask_here  # as above
    from datamon.cli.run_tree import branches

    statement = f"SELECT {', '.join(LIST_COLUMNS)} FROM runs ORDER BY started DESC, id DESC"  # noqa: S608 (as above)
    rows = ask_here(open_configured(ctx), statement, {}).rows
    at = {name: LIST_COLUMNS.index(name) for name in (*params, "parent")}
    chosen = {row[0] for row in rows if all(row[at[name]] == value for name, value in params.items())}
    drawn = list(branches(rows, at["parent"], chosen, limit))
    lines = {each.row[0]: each.drawn + _branch_line(each.row) for each in drawn}
    found = [(*each.row, each.depth) for each in drawn]
    show(Listing((*LIST_COLUMNS, "depth"), found, lambda row: lines[row[0]]), form)


def _branch_line(row: Row) -> str:
    known = dict(zip(LIST_COLUMNS, row, strict=True))
    level = f" , {known['level']}" if known["level"] else ""
    attempt = f" , attempt {known['attempt']}" if known["retry_of"] else ""
    return _line(row) + level + attempt


def _line(row: Row) -> str:
    known = dict(zip(LIST_COLUMNS, row, strict=True))
    seconds = known["duration_s"]
    took = f"{seconds:.3f} s" if isinstance(seconds, float) else ""
    started = f"{known['started']:%Y-%m-%dT%H:%M:%S.%fZ}"
    return f"{known['id']} , {started} , {known['status']} , {known['pipeline']}/{known['step']} , {took}".rstrip()
