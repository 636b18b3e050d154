"""The option `--read-data`, which may stand alone or with a share of the packs, and the commands that have it."""

import math
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand

from datamon.errors import Invalid

if TYPE_CHECKING:
    from typer._click.core import Context

    from datamon.store.check.packs import Sample

_OPTION = "--read-data"

ReadDataOption = Annotated[
    str | None,
    typer.Option(_OPTION, metavar="[=PERCENT]", help="Read packs whole too: all of them, or a random share."),
]
SeedOption = Annotated[int | None, typer.Option("--seed", metavar="N", help="Which packs a share takes. [random]")]


class Sampling(TyperCommand):
    """A command whose `--read-data` needs no value."""

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        """Reads the words, with `--read-data` alone as all of it."""
        return super().parse_args(ctx, [f"{_OPTION}=100" if word == _OPTION else word for word in args])


def sample_of(percent: str | None, seed: int | None) -> "Sample":
    """What the options ask for. Raises Invalid (`usage`).

    >>> sample_of("10%", 7)
    Sample(percent=10.0, seed=7)
    """
    import secrets  # 5 ms, and the next 0.2 s for pyarrow, which help does not need

    from datamon.store.check.packs import NO_SAMPLE, Sample

    if percent is None:
        return NO_SAMPLE
    return Sample(_share(percent), secrets.randbelow(2**31) if seed is None else seed)


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%"))
    except ValueError:
        share = math.nan
    if not 0 < share <= 100:
        raise Invalid("usage", f"{text!r} is no share of the packs; write {_OPTION}, or {_OPTION}=10%")
    return share
