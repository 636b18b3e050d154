"""`datamon run export`: the records of runs, for other stores and other programs."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from datamon.cli.durations import duration_ns
from datamon.cli.opening import open_configured
from datamon.cli.output import note, pass_on
from datamon.cli.progress import watching
from datamon.errors import DatamonError, Denied, Invalid, NotFound, Unavailable
from datamon.store.clock import Clock
from datamon.store.opening import Store

if TYPE_CHECKING:
    from datamon.store.ids import RunId


class ExportFormat(StrEnum):
    """What is written."""

    NDJSON = "ndjson"


def export(
    ctx: typer.Context,
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN|REF]...", help="Runs by id, or REPO@REF: the run that wrote that bundle."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every run of the store.")] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="TIME", help="Only runs that began then or later: 7d ago, or 2026-11-01[T12:00]."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Where to write. [stdout]")] = None,
    form: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.NDJSON,
) -> None:
    """Write everything that is recorded of runs: a line of JSON for each, as docs/run-records.md says.

    The runs come in the order of their ids. `datamon run import` reads what this writes.

    \b
    Examples:
      datamon run export 7c2e model@main
      datamon run export --all --since 7d --output runs.ndjson
    """
    assert form is ExportFormat.NDJSON
    if bool(runs) == every:
        raise Invalid("usage", "name the runs to export, or give --all")
    from datamon.lineage.bulk.export import Selection, export_runs  # sqlite3, 10 ms, which `run record` does not need

    store = open_configured(ctx)
    wanted = None if every else frozenset(chosen_runs(store, runs or ()))
    selection = Selection(wanted, None if since is None else since_ns(since, store.clock))
    count = 0
    with watching() as progress, _writing(output) as file:
        for count, line in enumerate(export_runs(store, selection, progress=progress), 1):  # noqa: B007 (counted)
            pass_on(line) if file is None else file.write(line)
    note(f"exported {count:,} runs")


def chosen_runs(store: Store, texts: Iterable[str]) -> "Iterator[RunId]":
    """The runs that are meant: by an id or a part of one, else by a reference to a bundle that a run wrote. Raises NotFound
    (`run-not-found` and as `resolve`), Invalid."""
    from datamon.lineage.bulk.shelf import opened_runs
    from datamon.store.ids import RunId
    from datamon.store.resolve import find_by_part

    known: dict[str, None] | None = None
    for text in texts:
        if "@" not in text:
            known = dict.fromkeys(opened_runs(store)) if known is None else known
            try:
                yield RunId(find_by_part(text, known, kind="run"))
                continue
            except (NotFound, Invalid) as error:
                missing: DatamonError = error
        else:
            missing = NotFound("run-not-found", f"no run wrote {text!r}; `datamon run list` shows the runs", run=text)
        yield _writer(store, text, missing)


def _writer(store: Store, text: str, missing: DatamonError) -> "RunId":
    from datamon.store.resolve import resolve

    try:
        run = resolve(store, text).bundle.run
    except (NotFound, Invalid):
        if "@" in text:
            raise
        raise missing from None
    if run is None:
        raise NotFound("run-not-found", f"{text!r} was written by no run; name another bundle", run=text)
    return run


def since_ns(text: str, clock: Clock) -> int:
    """The time in nanoseconds that a date, a time or a span before now says. Raises Invalid (`bad-argument`).

    >>> since_ns("1970-01-02", lambda: 0) // 10**9, since_ns("5s", lambda: 7 * 10**9) // 10**9
    (86400, 2)
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return clock() - duration_ns(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 10**9


@contextmanager
def _writing(path: Path | None) -> Iterator[BinaryIO | None]:
    """A file that stands under its name when it is whole and durable, and not before."""
    if path is None:
        yield None
        return
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except PermissionError as error:
        raise Denied(
            "unwritable", f"{path} cannot be written ({error.strerror}); name another file", path=str(path)
        ) from error
    except OSError as error:
        raise Unavailable(
            "disk-full", f"{path} cannot be written ({error.strerror}); name another place", path=str(path)
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
