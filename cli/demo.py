"""`datamon demo`: a small real pipeline goes stale and fresh again."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from datamon.cli.demo_story import play
from datamon.cli.environment import process_environment
from datamon.cli.output import note, say
from datamon.errors import Conflict

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def demo(
    directory: Annotated[
        Path | None,
        typer.Option("--directory", metavar="DIR", help="An empty directory to play in, and to look at afterwards."),
    ] = None,
) -> None:
    """Play a three-step pipeline on real data: its lineage is asked, an input changes, what is stale and why, the rebuild.

    It keeps a store of its own and touches nothing of yours. Without --directory, all of it is gone afterwards.

    \b
    Example:
      datamon demo
    """
    if directory is not None:
        _check_empty(directory)
        _play(directory.absolute())
        note(f"everything the demo made lies in {directory}")
        return
    folder = Path(tempfile.mkdtemp(prefix="datamon-demo-"))
    try:
        _play(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_empty(directory: Path) -> None:
    """Raises Conflict when there is anything in it, or something else in its place."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise Conflict(
            "destination-not-empty", f"{directory} is not an empty directory; name another one", path=str(directory)
        )


def _play(folder: Path) -> None:
    play(folder, process_environment(), say=_aloud, show=_aloud)


def _aloud(text: str) -> None:
    if text:
        say(text)
        sys.stdout.flush()
