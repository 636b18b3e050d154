"""Telling of errors: one sentence on stderr, and before it the traceback where that is asked for."""

import traceback

from datamon.cli.environment import debugging
from datamon.cli.output import complain


def report(sentence: str, error: BaseException) -> None:
    """Says what went wrong."""
    shown = "".join(traceback.format_exception(error)) if debugging() else ""
    complain(sentence, shown)
