"""A rebuild as people follow it: a tree of steps on a terminal, a line for each change elsewhere."""

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from datamon.cli.output import note
from datamon.lineage.plan import StepKey, because
from datamon.lineage.rebuilding import Listener, Rebuilt, State, StepReport

if TYPE_CHECKING:
    from rich.console import Console
    from rich.tree import Tree

WORDS: dict[State, str] = {
    "waiting": "waiting",
    "running": "running",
    "changed": "done, other content",
    "same": "done, same content",
    "fresh": "not run: came out fresh",
    "failed": "failed",
    "left": "left stale",
}
_COLOURS: dict[State, str] = {"running": "cyan", "changed": "green", "same": "green", "failed": "red", "left": "yellow"}


@contextmanager
def following() -> Iterator[Listener]:
    """A listener that draws the steps on stderr while the block lasts, when stderr is a terminal; otherwise one that writes a
    line for each change."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console  # rich costs 60 ms, which only a watched terminal pays

    tree = DrawnTree(Console(stderr=True))
    try:
        yield tree
    finally:
        tree.close()


class Lines:
    """Writes a line whenever a step's state changes."""

    def __init__(self) -> None:
        self._states: dict[StepKey, State] = {}

    def report(self, reports: Sequence[StepReport]) -> None:
        """Says what is new."""
        for each in reports:
            if self._states.get(each.step.key, "waiting") != each.state:
                note(line_of(each))
            self._states[each.step.key] = each.state


def line_of(report: StepReport) -> str:
    """A step's state in one line."""
    took = f" in {report.seconds:.1f} s" if report.state in ("changed", "same", "failed") else ""
    run = f", run {report.run}" if report.run else ""
    reason = f": {report.reason}" if report.reason else ""
    why = f" because of {because(report.step)}" if report.state == "running" else ""
    return f"{report.name}: {WORDS[report.state]}{took}{run}{why}{reason}"


def outcome_line(rebuilt: Rebuilt) -> str:
    """What came of a rebuild, in one line."""
    counts = Counter(report.state for report in rebuilt.reports)
    if not rebuilt.reports:
        return "nothing had to be run"
    ran = counts["changed"] + counts["same"] + counts["failed"]
    parts = [f"{counts['changed']} with other content", f"{counts['same']} with the same", f"{counts['failed']} failed"]
    rest = f"; {counts['fresh']} came out fresh, {counts['left']} left stale"
    run = f" by run {rebuilt.run}" if rebuilt.run else ""
    stopped = f"; stopped by {rebuilt.stopped_by.name}" if rebuilt.stopped_by else ""
    return f"ran {ran} of {len(rebuilt.reports)} steps{run}: {', '.join(parts)}{rest}{stopped}"


class DrawnTree:
    """Draws the steps, each below the last of those that it waits for, on a terminal."""

    def __init__(self, console: "Console") -> None:
        from rich.live import Live

        self._reports: Sequence[StepReport] = ()
        self._began: dict[StepKey, float] = {}
        self._live = Live(console=console, get_renderable=self.drawn, refresh_per_second=4)
        self._live.start()

    def report(self, reports: Sequence[StepReport]) -> None:
        """The steps as they stand now."""
        for each in reports:
            if each.state == "running":
                self._began.setdefault(each.step.key, time.monotonic())
        self._reports = reports

    def close(self) -> None:
        """The last state stays on the terminal."""
        self._live.refresh()
        self._live.stop()

    def drawn(self) -> "Tree":
        """The tree as it is drawn at this moment."""
        from rich.text import Text
        from rich.tree import Tree

        tree = Tree("rebuild")
        branches: dict[StepKey, Tree] = {}
        for each in self._reports:
            took = each.seconds
            if each.state == "running":
                took = time.monotonic() - self._began.get(each.step.key, time.monotonic())
            line = Text.assemble(
                (each.name, "bold"),
                "  ",
                (WORDS[each.state], _COLOURS.get(each.state, "dim")),
                f"  {took:.1f} s" if took else "",
            )
            above = next((key for key in reversed(each.after) if key in branches), None)
            branches[each.step.key] = (tree if above is None else branches[above]).add(line)
        return tree
