"""Makes the graph's file of a store level in a process that dies at one step: at a statement of SQLite, or at a call that makes,
renames, cuts or removes a file.

    python -m datamon.query.testing.killed_graph STORE DIRECTORY STEP

Says how many steps there were when it comes to its end.
"""

import os
import signal
import sqlite3
import sys
from pathlib import Path

from datamon.query.graph import file as graph_file
from datamon.store.bundle import Author
from datamon.store.opening import Places, open_store

_CHANGES = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.truncate", "os.link"})
LEAST_PACKED, LEAST_TOUCHED = 1, 12


class Steps:
    """Counts, and ends the process at one step (0: at none)."""

    def __init__(self, deadly: int) -> None:
        self._deadly = deadly
        self.count = 0

    def step(self) -> None:
        """One more."""
        self.count += 1
        if self.count == self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)


def main(place: str, directory: str, deadly: int) -> None:
    """As the module says."""
    graph_file.LEAST_PACKED, graph_file.LEAST_TOUCHED = LEAST_PACKED, LEAST_TOUCHED
    store = open_store(Places(f"{place}/metadata", f"{place}/blob"), Author("Ada", "ada@example.org"))
    steps = Steps(deadly)
    connect = graph_file._connect

    def traced(path: Path) -> sqlite3.Connection:
        file = connect(path)
        file.set_trace_callback(lambda _: steps.step())
        return file

    def heard(event: str, arguments: tuple[object, ...]) -> None:
        if event in _CHANGES and str(arguments[0]).startswith(directory):
            steps.step()

    graph_file._connect = traced
    sys.addaudithook(heard)
    with graph_file.GraphFile(store, Path(directory)).opened() as file:
        assert file is not None
    sys.stdout.write(f"{steps.count}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
