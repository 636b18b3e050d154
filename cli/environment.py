"""What surrounds the process: the only reader of environment variables, whose meaning is `datamon.cli.settings`'s."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from datamon.errors import NotFound

COMPLETION_VARIABLE = "_DATAMON_COMPLETE"
"""Set by a shell that asks for completions."""


def process_environment() -> dict[str, str]:
    """The variables of this process, for the commands it starts and for what a run records of them."""
    return dict(os.environ)


def debugging(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether errors show their traceback.

    >>> debugging({"DATAMON_DEBUG": "1"}), debugging({"DATAMON_DEBUG": "0"}), debugging({})
    (True, False, False)
    """
    return environment.get("DATAMON_DEBUG", "0") not in ("", "0")


def completing(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a shell asks for completions."""
    return COMPLETION_VARIABLE in environment


def wants_colours(stream_is_terminal: bool, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether what goes to a stream is coloured: to a terminal that can, unless `NO_COLOR` is set.

    >>> wants_colours(True, {}), wants_colours(True, {"NO_COLOR": "1"}), wants_colours(False, {})
    (True, False, False)
    """
    return stream_is_terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def pager_words(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The command line of the program that shows long answers; empty when `PAGER` is set to nothing.

    >>> pager_words({}), pager_words({"PAGER": "more -d"}), pager_words({"PAGER": ""})
    (['less', '-SRFX'], ['more', '-d'], [])
    """
    return shlex.split(environment.get("PAGER", "less -SRFX"))


def pager_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What the pager finds in its environment: a `less` that nobody has set up shows colours, as `less -R` does.

    >>> pager_environment({})["LESS"], pager_environment({"LESS": "-i"})["LESS"]
    ('SRFX', '-i')
    """
    return {"LESS": "SRFX", **environment}


def working_directory() -> Path:
    """Where this process stands. Raises NotFound (`path-not-found`) when that directory was removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise NotFound("path-not-found", "the working directory is not there any more; go to another one") from None
