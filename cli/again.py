"""The process of one step that is done again: `python -m datamon.cli.again ORDER FILE`, started by `datamon rebuild`
and `datamon run replay`.

ORDER is a file with the record of the run to do again, and for a replay the root of its code. FILE is the number of the open file
that the answer is written to. What the step prints goes to this process's own streams. The store, and what recordings hide, are
those of the environment's settings.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from datamon.cli.environment import working_directory
from datamon.cli.session import Session, open_session
from datamon.errors import DatamonError
from datamon.lineage.again import Again, again, exactly
from datamon.lineage.calling import Call, call_again
from datamon.lineage.capture.host import capture_host
from datamon.lineage.capture.streams import Sinks
from datamon.lineage.children import Answer, answered
from datamon.lineage.command import CommandRequest, record_command
from datamon.lineage.nesting import hearing_of
from datamon.lineage.records import RunOpened
from datamon.lineage.working_tree import WorkingTree


def main(order: Path, file: int) -> int:
    """Does what is ordered and answers; 0 when it succeeded, 1 when not."""
    os.set_inheritable(file, False)
    try:
        ordered = json.loads(order.read_bytes())
        answer = _answer(RunOpened.from_record(ordered["run"]), Path(ordered["root"]) if ordered["root"] else None)
    except KeyboardInterrupt:
        answer = Answer(None, "stopped")
    except DatamonError as error:
        answer = Answer(None, error.message)
    answered(file, answer)
    return 0 if answer.error is None else 1


def _answer(run: RunOpened, root: Path | None) -> Answer:
    session = open_session()
    if root is not None:
        meant = exactly(session.store, run, root)
    else:
        meant = again(session.store, run, WorkingTree(working_directory(), capture_host().name))
    if isinstance(meant.work, CommandRequest):
        return _command(session, meant.work)
    return _call(meant, meant.work)


def _command(session: Session, request: CommandRequest) -> Answer:
    sinks = Sinks(sys.stdout.buffer, sys.stderr.buffer)
    outcome = record_command(session.store, replace(request, policy=session.policy), streams=sinks)
    error = None if outcome.status == "succeeded" else f"the command ended with exit code {outcome.exit_code}"
    return Answer(outcome.run, error, outcome.notes)


def _call(meant: Again, call: Call) -> Answer:
    os.chdir(meant.cwd)
    with hearing_of() as runs:
        error = None
        try:
            call_again(call)
        except DatamonError as wrong:
            error = wrong.message
        except KeyboardInterrupt:
            error = "stopped"
        except Exception as wrong:  # noqa: BLE001 (a step may raise anything, and its record says so)
            error = f"{type(wrong).__name__}: {wrong}"
    if error is None and not runs:
        error = "the function was called, but it is no step any more: nothing was recorded"
    return Answer(runs[0] if runs else None, error)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
