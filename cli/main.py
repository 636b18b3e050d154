"""The program `datamon`: an everyday question is answered at once, and everything else is loaded only for what needs it."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    from typing import NoReturn

_STOPPED_EXIT = 130


def main(arguments: list[str] | None = None) -> int:
    """Runs one command line (default: the process's own) and returns its exit code; never raises."""
    from datamon.cli import edge  # 30 ms that a question which is answered at once does without

    return edge.main(arguments)


def leave() -> NoReturn:
    """Runs this process's command line and ends the process with its exit code."""
    if len(sys.argv) > 2 and sys.argv[1] == "query":
        from datamon.cli.at_once import at_once  # other commands do without

        try:
            code = at_once(sys.argv[2:])
        except KeyboardInterrupt:
            sys.stderr.write("error: stopped by Ctrl-C; what was not finished is not visible\n")
            code = _STOPPED_EXIT
        if code is not None:
            os._exit(code)
    from datamon.cli import edge  # as above

    edge.leave()


if __name__ == "__main__":
    leave()
