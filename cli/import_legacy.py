"""`datamon import-legacy`: takes over a store of the first datamon."""

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from datamon.cli.check import DAMAGE_EXIT, FINDING_COLUMNS, finding_row
from datamon.cli.globals import Globals
from datamon.cli.opening import open_settled, settings_of
from datamon.cli.options import FormatOption
from datamon.cli.output import Listing, Row, note, show
from datamon.cli.progress import watching
from datamon.cli.settings import Settings
from datamon.errors import Invalid

if TYPE_CHECKING:
    from datamon.store.check.findings import Finding
    from datamon.store.legacy.importing import Tally
    from datamon.store.legacy.sources import LegacyPlaces

DEFAULT_CONTEXT = "dev"
"""The context that the first datamon took when none was named."""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def import_legacy(
    ctx: typer.Context,
    metadata: Annotated[
        str | None, typer.Option("--metadata", metavar="PLACE", help="The old store's metadata: bucket, path or URL.")
    ] = None,
    vmetadata: Annotated[
        str | None,
        typer.Option("--vmetadata", metavar="PLACE", help="Its versioned metadata: labels and diamonds."),
    ] = None,
    blob: Annotated[str | None, typer.Option("--blob", metavar="PLACE", help="Its blobs.")] = None,
    config_bucket: Annotated[
        str | None,
        typer.Option(
            "--config-bucket",
            metavar="PLACE",
            help="Its configuration: the context that --context names (dev) says the three places.",
        ),
    ] = None,
    repo: Annotated[
        list[str] | None, typer.Option("--repo", metavar="REPO", help="Only this repo. May be repeated.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing and read no contents; tell what would come.")
    ] = False,
    form: FormatOption = None,
) -> int:
    """Take over a store of the first datamon: repos, bundles, labels; exit code 8 when something could not come.

    Bundles keep their ids, times, authors and messages, and labels their history where the bucket kept versions. Every byte is
    verified. What is damaged is listed, and the rest comes: a bundle whole or not at all. The old store is only read. Repeat the
    command after an interruption, or to bring what was added since: it takes only what is missing.
    With --config-bucket, --context names the old store's context, and not one of your own.

    \b
    Examples:
      datamon import-legacy --metadata old-meta --vmetadata old-vmeta --blob old-blob --dry-run
      datamon import-legacy --config-bucket old-config --context prod --repo orders
    """
    from datamon.store.legacy.importing import ImportRequest
    from datamon.store.legacy.importing import import_legacy as take_over  # brings pyarrow, which help does not need
    from datamon.store.legacy.sources import open_legacy

    flags: Globals = ctx.obj
    if config_bucket is not None:
        ctx.obj = replace(flags, context=None)
    settings = settings_of(ctx)
    places = _places(metadata, vmetadata, blob)
    if config_bucket is not None:
        places = _places_of_context(config_bucket, flags.context or DEFAULT_CONTEXT, settings, places)
    if places is None:
        raise Invalid("usage", "name the old store: --metadata, --vmetadata and --blob, or --config-bucket")
    old = open_legacy(places, credential=settings.credential)
    found: list[Finding] = []
    with watching() as progress:
        request = ImportRequest(tuple(repo or ()), dry_run)
        tally = _collected(take_over(open_settled(settings), old, request, progress=progress), found)
    show(Listing(FINDING_COLUMNS, map(finding_row, found), _line), form)
    note(_summary(tally, dry_run=dry_run))
    return DAMAGE_EXIT if any(finding.is_damage for finding in found) else 0


def _places(metadata: str | None, vmetadata: str | None, blob: str | None) -> "LegacyPlaces | None":
    """The three places, or None when none is named. Raises Invalid (`usage`) when some are."""
    from datamon.store.legacy.sources import LegacyPlaces

    if metadata is None and vmetadata is None and blob is None:
        return None
    if metadata is None or vmetadata is None or blob is None:
        raise Invalid("usage", "--metadata, --vmetadata and --blob belong together; name all three")
    return LegacyPlaces(metadata, vmetadata, blob)


def _places_of_context(
    config_bucket: str, context: str, settings: Settings, named: "LegacyPlaces | None"
) -> "LegacyPlaces":
    from datamon.store.legacy.sources import context_places

    if named is not None:
        raise Invalid("usage", "--config-bucket says the places itself; leave --metadata, --vmetadata and --blob out")
    return context_places(config_bucket, context, credential=settings.credential)


def _collected(findings: Generator["Finding", None, "Tally"], found: "list[Finding]") -> "Tally":
    """The tally of the import, and in `found` what it met."""
    while True:
        try:
            found.append(next(findings))
        except StopIteration as end:
            tally: Tally = end.value
            return tally


def _line(row: Row) -> str:
    return f"{row[0]} , {row[1]} , {row[-1]}"


def _summary(tally: "Tally", *, dry_run: bool) -> str:
    would = "would import" if dry_run else "imported"
    came = f"{would} {tally.bundles:,} bundles with {tally.files:,} files and {tally.size_bytes:,} bytes in {tally.repos:,} repos"
    return f"{came}, and {tally.moves:,} moves of labels; {tally.here:,} bundles were here, {tally.left_out:,} are left out"
