"""`datamon run code`: the code of a run, listed or brought back."""

from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.environment import working_directory
from datamon.cli.opening import open_configured
from datamon.cli.options import FormatOption
from datamon.cli.output import Listing, note, show
from datamon.cli.run_show import RunArgument
from datamon.lineage.finding import find_run
from datamon.lineage.restoring import code_bundle, restore_code

COLUMNS = ("path", "size", "executable", "masked")


def code(
    ctx: typer.Context,
    run: RunArgument,
    destination: Annotated[
        Path | None,
        typer.Option("--destination", metavar="DIR", help="Bring the files back into this directory, absent or empty."),
    ] = None,
    form: FormatOption = None,
) -> None:
    """List the files that were a run's code, or bring them back: path , size.

    What lay outside the code root is below .outside.

    \b
    Examples:
      datamon run code 7c2e
      datamon run code 7c2e --destination /tmp/then
    """
    from datamon.store.manifest import iter_entries, read_manifest  # brings pyarrow, 90 ms, which help does not need

    store = open_configured(ctx)
    found = find_run(store, run)
    masked = frozenset(found.opened.code.masked)
    if destination is None:
        manifest = read_manifest(store.metadata, code_bundle(store, found).manifest)
        entries = (entry for entry in iter_entries(store.metadata, manifest) if entry.kind != "dir")
        rows = ((entry.path, entry.size_bytes, entry.executable, entry.path in masked) for entry in entries)
        show(Listing(COLUMNS, rows, lambda row: f"{row[0]} , {row[1]}"), form)
        return
    restored = restore_code(store, found, working_directory() / destination)
    for path in restored.masked:
        note(f"{path} is not as it was: a secret value in it was masked when it was kept")
    note(f"brought back {restored.files} {'file' if restored.files == 1 else 'files'} of the code of run {found.id}")
