"""`datamon store`: the store itself: where it lies, its key, and who decides in a mirrored one."""

from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.check import backends_of, mirror_of
from datamon.cli.commands import Phrases
from datamon.cli.opening import settings_of
from datamon.cli.options import FormatOption
from datamon.cli.output import Listing, Row, note, show
from datamon.cli.rows import moment
from datamon.cli.settings import Settings
from datamon.errors import DatamonError, Invalid, NotFound
from datamon.store.encryption_key import new_key, read_key, write_key
from datamon.store.mirror.opening import Mirror, read_epoch, who_and_why
from datamon.store.opening import unlock_mirror

SIDE_COLUMNS = ("side", "metadata", "blob", "answers", "decides", "counts", "epoch")
KeyFile = Annotated[Path, typer.Argument(metavar="FILE", help="The key file.")]

app = typer.Typer(
    cls=Phrases, add_completion=False, rich_markup_mode=None, help="The store itself.", no_args_is_help=True
)


@app.command()
def create_key(file: KeyFile) -> None:
    """Make a new key for an encrypted store, in a file that only you may read; a file that is there is never overwritten.

    A new store is encrypted when a key is set before its first use. Keep a copy of the file in a safe place: nobody can read the
    store without it.

    \b
    Examples:
      datamon store create-key ~/.datamon/store.key
      DATAMON_ENCRYPTION_KEY_FILE=~/.datamon/store.key datamon repo create raw
    """
    write_key(file, new_key())
    note(f"made the key {file}; set encryption.key_file to it in the configuration, and keep a copy in a safe place")


@app.command()
def change_key(ctx: typer.Context, file: KeyFile) -> None:
    """Let the encrypted store be opened by the key in FILE instead of the one that is set now.

    Nothing else is written anew, so whoever has the old key and an old copy of the store can still read that copy: after a theft
    of both, move the data to a new store.

    \b
    Examples:
      datamon store create-key new.key
      datamon store change-key new.key
    """
    from datamon.store.key_change import change_key as change  # brings cryptography, which help does not need

    settings = settings_of(ctx)
    change(backends_of(settings)[0], settings.encryption_key, read_key(file))
    note(f"the store opens by the key in {file} now; set encryption.key_file to it")


@app.command("get")
def get(ctx: typer.Context, form: FormatOption = None) -> None:
    """Show where the store lies; of a mirrored one each side, whether it answers, which decides, and which count.

    A line is side , place of metadata , place of blobs , state. A side that does not count lost the store, is new, or missed a
    promotion; `datamon repair` makes it count.

    \b
    Examples:
      datamon store get
      datamon store get --format json
    """
    settings = settings_of(ctx)
    mirror = mirror_of(settings)
    rows = [_place_row(settings)] if mirror is None else _side_rows(mirror)
    show(Listing(SIDE_COLUMNS, rows, _line), form)
    if mirror is not None:
        _tell_epoch(mirror, settings)


@app.command("promote")
def promote(
    ctx: typer.Context,
    side: Annotated[
        str, typer.Argument(metavar="SIDE", help="The side that is to decide from now on.", show_default=False)
    ],
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; the record keeps it.", show_default=False)
    ] = None,
) -> None:
    """Let another side of a mirrored store decide on its logs, as when the one that decides is lost.

    Everything that was acknowledged without --degraded is kept. What the old side took and nobody else has is, when it comes
    back, told by `datamon check` and set aside by `datamon repair`: bundles are kept, and no ref moves. So many sides must answer
    that no acknowledgement can be missed; with --degraded the side alone is enough. Also records a change of sides or min_sides.

    \b
    Examples:
      datamon store promote us --reason "eu is down"
    """
    from datamon.store.mirror.promote import Promotion
    from datamon.store.mirror.promote import promote as promote_side

    settings = settings_of(ctx)
    mirror = mirror_of(settings)
    if mirror is None:
        raise Invalid(
            "bad-config", "the store has one place, and nothing to promote; set `mirror` in the configuration"
        )
    alone = side if mirror.arbiter.terms.degraded else None
    mirror = unlock_mirror(mirror, settings.encryption_key, alone)
    promoted = promote_side(mirror, Promotion(side, settings.author, reason))
    note(f"{side} decides from epoch {promoted.epoch.number} on; whole are {', '.join(promoted.whole)}")
    if promoted.stranded:
        note(f"{promoted.stranded:,} entries did not count any more; run `datamon repair`, which keeps their bundles")
    if promoted.unreached:
        note(f"run `datamon repair` when {', '.join(promoted.unreached)} can be reached: until then it does not count")


def _place_row(settings: Settings) -> Row:
    return None, settings.metadata, settings.blob, None, None, None, None


def _side_rows(mirror: Mirror) -> list[Row]:
    arbiter, blobs = mirror.arbiter, mirror.blob.sides.backends
    try:
        standing = arbiter.refresh()
    except NotFound:
        return [
            (side.name, side.backend.url, blobs[side.name].url, True, False, False, None) for side in arbiter.sides.all
        ]
    rows: list[Row] = []
    for side in arbiter.sides.all:
        marks = standing.marks.get(side.name)
        place = (side.name, side.backend.url, blobs[side.name].url)
        epoch = marks.epoch.number if marks is not None and marks.epoch is not None else None
        state = marks is not None, side.name == standing.first, side.name in standing.whole
        rows.append((*place, *state, epoch))
    return rows


def _tell_epoch(mirror: Mirror, settings: Settings) -> None:
    """Says since when, by whom and why the side that decides does so, as far as that can be told."""
    try:
        standing = mirror.arbiter.standing
        record = read_epoch(mirror, standing.epoch)
        author, reason = who_and_why(unlock_mirror(mirror, settings.encryption_key), standing.epoch, record)
    except DatamonError:  # nobody has used the store yet, or its key is not at hand
        return
    by = f" by {author.name}" if author is not None else ""
    why = f": {reason}" if reason else ""
    note(f"{standing.first} decides since {moment(record['time']):%Y-%m-%d %H:%M} UTC{by}{why}")


def _line(row: Row) -> str:
    side, metadata, blob, answers, decides, counts, epoch = row
    if side is None:
        return f"{metadata} , {blob}"
    told = [] if answers else ["does not answer"]
    told += ["decides"] if decides else []
    told += ["counts" if counts else "does not count"] if answers else []
    return f"{side} , {metadata} , {blob} , {', '.join(told)}, epoch {epoch or 'unknown'}"
