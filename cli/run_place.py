"""Where a recorded run stands: the parts of the environment that count for it, and its place among other runs."""

from enum import StrEnum
from typing import Annotated

import typer

from datamon.lineage.finding import find_run
from datamon.lineage.recording import RunPlace
from datamon.lineage.records import Level
from datamon.store.ids import RunId
from datamon.store.opening import Store


class LevelChoice(StrEnum):
    """What a run may be within its pipeline's run."""

    RUN = "run"
    STAGE = "stage"
    POD = "pod"
    CONTAINER = "container"


Counts = Annotated[
    list[str] | None,
    typer.Option(
        "--env-policy",
        metavar="PART",
        help="A part of the environment that counts: python, platform, image, gpu, packages, package:NAME, file:PATH, "
        "variable:NAME. May be repeated.",
    ),
]
Parent = Annotated[
    str | None, typer.Option("--parent", metavar="RUN", help="The run that this one is part of. [the run it is inside]")
]
AtLevel = Annotated[
    LevelChoice | None, typer.Option("--level", help="What it is within its pipeline's run.", show_default=False)
]
RetryOf = Annotated[str | None, typer.Option("--retry-of", metavar="RUN", help="The run that this one repeats.")]


def parent_of(store: Store, parent: str | None) -> RunId | None:
    """The run that `--parent` means; None without it. Raises as `find_run`."""
    return find_run(store, parent).id if parent is not None else None


def place_of(store: Store, level: LevelChoice | None, retry_of: str | None) -> RunPlace:
    """The place that these flags mean. Raises as `find_run`."""
    named: Level | None = level.value if level is not None else None
    if retry_of is None:
        return RunPlace(named)
    earlier = find_run(store, retry_of).opened
    return RunPlace(named or earlier.level, earlier.id, earlier.attempt + 1)
