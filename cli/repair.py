"""`datamon repair`: makes good what a check finds damaged or missing."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datamon.cli.check import DAMAGE_EXIT, FINDING_COLUMNS, backends_of, finding_row, mirror_of
from datamon.cli.opening import settings_of
from datamon.cli.options import FormatOption
from datamon.cli.output import Listing, Row, note, show
from datamon.cli.progress import watching
from datamon.cli.sampling import ReadDataOption, Sampling, SeedOption, sample_of
from datamon.cli.settings import Settings
from datamon.store.backend import Backend
from datamon.store.backend.opening import open_backend
from datamon.store.opening import sides_of

if TYPE_CHECKING:
    from datamon.store.check.packs import Sample
    from datamon.store.progress import Progress
    from datamon.store.repair.repair import Repaired

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Sampling)
def repair(
    ctx: typer.Context,
    copy: Annotated[
        str | None,
        typer.Option("--from", metavar="STORE", help="A copy of this store: a path or a bucket, as in the settings."),
    ] = None,
    copy_blob: Annotated[
        str | None, typer.Option("--from-blob", metavar="STORE", help="Where the copy has its packs. [as --from]")
    ] = None,
    tree: Annotated[
        list[Path] | None,
        typer.Option("--from-tree", metavar="DIR", help="A directory that has files of the store. May be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; tell what would be healed.")] = False,
    read_data: ReadDataOption = "100",
    seed: SeedOption = None,
    form: FormatOption = None,
) -> int:
    """Make good what is damaged or missing, check again, and tell what was healed and what is left; exit code 8 when anything is.

    Without a source, the chunk index, the ends of packs and the journal's notes on log entries are made again from what there is.
    --from takes anything from a copy of the same store, --from-tree takes the bytes of files. Every byte is verified before it
    is taken, and nothing that is whole is changed. The sides of a mirrored store are made equal first. Packs are read whole;
    --read-data=PERCENT reads a share of them.

    \b
    Examples:
      datamon repair --dry-run
      datamon repair --from /mnt/mirror/store
      datamon repair --from-tree ./orders --format table
    """
    from datamon.lineage.checking import check_runs  # these bring pyarrow, 0.2 s, which help does not need
    from datamon.store.check.identity import open_to_check
    from datamon.store.repair.repair import Damaged, Repaired, Sources, Watch
    from datamon.store.repair.repair import repair as repair_store

    sample = sample_of(read_data, seed)
    settings = settings_of(ctx)
    copies = []
    if copy is not None:
        places = [open_backend(place, credential=settings.credential) for place in (copy, copy_blob or copy)]
        copies.append(open_to_check(places[0], places[1], settings.author, key=settings.encryption_key).store)
    with _workbench(settings, dry_run) as (metadata, blob), watching() as progress:
        sides = _sides(settings, sample, progress, dry_run=dry_run)
        damaged = Damaged(metadata, blob, settings.author, key=settings.encryption_key)
        repaired = repair_store(damaged, Sources(tuple(copies), tuple(tree or ())), Watch(sample, check_runs, progress))
        repaired = Repaired(sides.healed + repaired.healed, sides.left + repaired.left)
    healed = "would be healed" if dry_run else "healed"
    rows: list[Row] = [(healed, *finding_row(finding)) for finding in repaired.healed]
    rows += [("left", *finding_row(finding)) for finding in repaired.left]
    show(Listing(("outcome", *FINDING_COLUMNS), rows, _line), form)
    note(f"{len(repaired.healed):,} {healed}, {len(repaired.left):,} findings of damage left")
    return DAMAGE_EXIT if repaired.left else 0


def _sides(settings: Settings, sample: "Sample", progress: "Progress", *, dry_run: bool) -> "Repaired":
    """What became of what the sides of a mirrored store had differently; nothing where the store is not mirrored."""
    from datamon.store.repair.repair import Repaired

    mirror = mirror_of(settings)
    if mirror is None:
        return Repaired((), ())
    from datamon.store.check.identity import open_to_check
    from datamon.store.mirror.compare import compare
    from datamon.store.mirror.heal import Healing
    from datamon.store.mirror.repair import repair_sides

    if dry_run:
        store = open_to_check(mirror.metadata, mirror.blob, settings.author, key=settings.encryption_key).store
        sides = sides_of(store.metadata, store.blob, store.cover)
        return Repaired(tuple(each for each in compare(sides, store, sample) if each.is_damage), ())
    return repair_sides(mirror, settings.author, Healing(sample, progress), key=settings.encryption_key)


@contextmanager
def _workbench(settings: Settings, dry_run: bool) -> Iterator[tuple[Backend, Backend]]:
    """The store's backends or, for a try-out, such as only look like them when they are written to."""
    metadata, blob = backends_of(settings)
    if not dry_run:
        yield metadata, blob
        return
    from datamon.store.backend.local import LocalBackend
    from datamon.store.repair.overlay import Overlay

    with tempfile.TemporaryDirectory(prefix="datamon-") as folder:
        upper = LocalBackend(Path(folder) / "metadata")
        over = Overlay(metadata, upper)
        yield over, over if blob is metadata else Overlay(blob, LocalBackend(Path(folder) / "blob"))


def _line(row: Row) -> str:
    return f"{row[0]} , {row[2]} , {row[-1]}"
