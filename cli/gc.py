"""`datamon gc`: frees the bytes that no bundle needs."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from datamon.cli.durations import duration_ns
from datamon.cli.opening import open_configured, settings_of
from datamon.cli.options import FormatOption
from datamon.cli.output import Listing, Row, note, show
from datamon.cli.progress import watching
from datamon.cli.rows import moment
from datamon.errors import Invalid

if TYPE_CHECKING:
    from datamon.store.gc.collect import Amount, Collected

GC_COLUMNS = ("part", "packs", "keys", "bytes", "until")

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def gc(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what would go.")] = False,
    grace: Annotated[
        str,
        typer.Option(
            "--grace",
            metavar="TIME",
            help="Spare what was deleted or begun so recently: 0, 90m, 24h, 7d. [24h]",
            show_default=False,
        ),
    ] = "24h",
    form: FormatOption = None,
) -> None:
    """Free the bytes that no bundle needs any more: those of deleted bundles and repos, and of uploads that never ended.

    May run while others upload, read, delete or collect. The grace is a courtesy to those who still read what was deleted, or are
    still uploading; what is live is safe without it. A line is part , packs , metadata keys , stored bytes: what was condemned
    (nothing may rely on it any more), repacked (copied out of packs that were mostly needless), freed, kept (condemned, but
    needed again just before) and spared, with the time at which all of that may go.

    \b
    Examples:
      datamon gc --dry-run
      datamon gc --grace 7d
    """
    from datamon.store.gc.collect import GcRequest, collect  # these bring pyarrow, 0.2 s, which help does not need

    settings = settings_of(ctx)
    if settings.mirror is not None and settings.mirror.terms.degraded and not dry_run:
        message = "a gc deletes on every side of a mirrored store, which --degraded does not need; run it without"
        raise Invalid("usage", message)
    request = GcRequest(grace_ns=duration_ns(grace), dry_run=dry_run)
    with watching() as progress:
        collected = collect(open_configured(ctx), request, progress=progress)
    show(Listing(GC_COLUMNS, _rows(collected), _line), form)
    if dry_run:
        note("nothing was changed")


def _rows(collected: "Collected") -> list[Row]:
    until = moment(collected.spared_until_ns) if collected.spared_until_ns is not None else None
    return [
        _row("condemned", collected.condemned),
        _row("repacked", collected.repacked),
        _row("freed", collected.swept),
        _row("kept", collected.kept),
        _row("spared", collected.spared, until),
    ]


def _row(part: str, amount: "Amount", until: datetime | None = None) -> Row:
    return part, amount.packs, amount.keys, amount.size_bytes, until


def _line(row: Row) -> str:
    part, packs, keys, size_bytes, until = row
    line = f"{part} , {packs} packs , {keys} keys , {size_bytes} bytes"
    return f"{line} , until {until:%Y-%m-%dT%H:%M:%S.%fZ}" if isinstance(until, datetime) else line
