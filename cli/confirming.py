"""Asking a person before something goes."""

import sys

from datamon.cli.output import answer_to
from datamon.errors import Invalid


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether to go on: `yes`, or what the person at the terminal answers. Raises Invalid (`usage`) where nobody can be asked."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise Invalid("usage", f"{question} Nobody is at a terminal to say so; give --force-yes")
    return answer_to(f"{question} [y/N]").lower() in ("y", "yes")
