"""`datamon check`: finds what is damaged or missing in the store."""

from typing import TYPE_CHECKING, Annotated

import typer

from datamon.cli.opening import places_of, settings_of
from datamon.cli.options import FormatOption
from datamon.cli.output import Listing, Row, note, show
from datamon.cli.progress import watching
from datamon.cli.sampling import ReadDataOption, Sampling, SeedOption, sample_of
from datamon.cli.settings import Settings
from datamon.errors import EXIT_CODES, Corrupt
from datamon.store.backend import Backend
from datamon.store.mirror.opening import Mirror, open_mirror
from datamon.store.opening import backends_at, sides_of

if TYPE_CHECKING:
    from datamon.store.check.findings import Finding

FINDING_COLUMNS = ("severity", "code", "key", "repo", "bundle", "path", "message")
DAMAGE_EXIT = EXIT_CODES[Corrupt][0]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Sampling)
def check(
    ctx: typer.Context,
    read_data: ReadDataOption = None,
    seed: SeedOption = None,
    external: Annotated[
        bool, typer.Option("--external", help="Read what bundles link to, too, where it lies, and compare it.")
    ] = False,
    form: FormatOption = None,
) -> int:
    """Find what is damaged or missing in the store, and which files that hits; exit code 8 when anything is.

    Changes nothing, and may run while others work. Records, manifests and the chunk index are always read and verified, and the
    end of every pack; with --read-data every byte; with --external what bundles only link to. A line is severity , code ,
    message; a notice is harmless.

    \b
    Examples:
      datamon check
      datamon check --read-data
      datamon check --read-data=5% --format jsonl
    """
    from datamon.lineage.checking import check_runs  # these bring pyarrow, 0.2 s, which help does not need
    from datamon.store.check.check import check as check_store
    from datamon.store.check.external import check_external
    from datamon.store.check.identity import open_to_check

    sample = sample_of(read_data, seed)
    settings = settings_of(ctx)
    mirror = mirror_of(settings)
    backends = backends_of(settings) if mirror is None else (mirror.metadata, mirror.blob)
    opened = open_to_check(*backends, settings.author, key=settings.encryption_key)
    with watching() as progress:
        found = [*opened.findings]
        if mirror is not None:
            from datamon.store.mirror.compare import compare  # only where there are sides

            sides = sides_of(opened.store.metadata, opened.store.blob, opened.store.cover)
            found += compare(sides, opened.store, sample)
        found += [*check_store(opened.store, sample, progress=progress), *check_runs(opened.store)]
        found += check_external(opened.store, progress=progress) if external else ()
    show(Listing(FINDING_COLUMNS, map(finding_row, found), _line), form)
    damage = sum(finding.is_damage for finding in found)
    note(_summary(damage, len(found) - damage))
    return DAMAGE_EXIT if damage else 0


def backends_of(settings: Settings) -> tuple[Backend, Backend]:
    """The two backends that the settings name; nothing is made or asked there."""
    return backends_at(places_of(settings))


def mirror_of(settings: Settings) -> Mirror | None:
    """The mirrored store that the settings name, if they name one; nothing is made or asked there."""
    places = places_of(settings).mirror
    return None if places is None else open_mirror(places)


def finding_row(finding: "Finding") -> Row:
    """One finding in the order of `FINDING_COLUMNS`."""
    return tuple(getattr(finding, column) for column in FINDING_COLUMNS)


def _line(row: Row) -> str:
    return f"{row[0]} , {row[1]} , {row[-1]}"


def _summary(damage: int, notices: int) -> str:
    if damage:
        return f"{damage:,} findings of damage; `datamon repair` mends what it can"
    return f"no damage was found ({notices:,} notices)"
