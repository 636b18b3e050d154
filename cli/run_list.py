"""`datamon run list`: the runs there are, newest first."""

from enum import StrEnum
from typing import Annotated

import typer

from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption
from datamon.cli.output import Listing, Row, show

LIST_COLUMNS = (
    *("id", "pipeline", "step", "status", "parent", "started", "ended", "duration_s", "author", "host"),
    *("command", "code", "exit_code", "signal", "error", "how"),
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
    form: FormatOption = None,
) -> None:
    """List runs, newest first: id , start , status , pipeline/step , seconds.

    \b
    Example:
      datamon run list --pipeline churn --status failed --limit 10
    """
    given = {"pipeline": pipeline, "step": step, "status": status.value if status else None}
    params = {name: value for name, value in given.items() if value is not None}
    where = " AND ".join(f"{name} = ${name}" for name in params)
    statement = (
        f"SELECT {', '.join(LIST_COLUMNS)} FROM runs"  # noqa: S608 (names of ours; every value is a parameter)
        f"{f' WHERE {where}' if where else ''} ORDER BY started DESC, id DESC{f' LIMIT {limit}' if limit else ''}"
    )
    from datamon.cli.asking import ask_here  # brings duckdb, 80 ms, which `run record` beside it does not need

    answer = ask_here(open_configured(ctx), statement, params)
    show(Listing(LIST_COLUMNS, answer.rows, _line), form)


def _line(row: Row) -> str:
    known = dict(zip(LIST_COLUMNS, row, strict=True))
    seconds = known["duration_s"]
    took = f"{seconds:.3f} s" if isinstance(seconds, float) else ""
    started = f"{known['started']:%Y-%m-%dT%H:%M:%S.%fZ}"
    return f"{known['id']} , {started} , {known['status']} , {known['pipeline']}/{known['step']} , {took}".rstrip()
