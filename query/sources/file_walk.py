"""Closures file by file: from files to the runs that read or wrote them, from runs to the files, nearest first."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from datamon.query.graph.in_memory import Direction
from datamon.query.sources.file_edges import Step, Thing
from datamon.query.trees import File

MOST_REACHED = 3_000_000
"""So many files and runs are walked to at most."""


class Leading(Protocol):
    """What has edges: `FileEdges`, or a graph in memory."""

    def steps(self, things: Collection[Thing], direction: Direction, known: Collection[Thing]) -> Iterable[Step]:
        """The edges that leave these things; those to what is `known` may be left out."""


class Reached(NamedTuple):
    """A thing, how many runs away, what came before it on a shortest way, and how the edge between them is known."""

    thing: Thing
    depth: int
    via: Thing | None
    how: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a walk ends: at `within` runs, and behind what `stop` holds for. With `through` only that is reached for which it
    holds, and what is reached through such; a start counts only where it is a run. With `runs_only` no files beyond the last
    runs are looked for."""

    within: int | None = None
    stop: Callable[[Thing], bool] | None = None
    through: Callable[[Thing], bool] | None = None
    runs_only: bool = False
    most: int = MOST_REACHED


def walk(edges: Leading, starts: Collection[Thing], direction: Direction, bounds: Bounds) -> tuple[list[Reached], bool]:
    """What is reached from the starts, which are all files or all runs and are not reached themselves, nearest first, each once
    with its least depth; and whether that is all. Depth counts runs, as in `datamon.query.graph`."""
    through = bounds.through or (lambda _: True)
    fresh = bounds.through is None
    passed = {thing for thing in starts if fresh or (isinstance(thing, str) and through(thing))}
    seen = {True: set(starts), False: set(starts)}
    level = {True: sorted(passed), False: sorted(set(starts) - passed)}
    reached: list[Reached] = []
    hops, last = 0, _last_hop(bounds, starts)
    while level[True] or level[False]:
        hops += 1
        depth = (hops + 1) // 2
        if last is not None and hops > last:
            break
        found: dict[bool, list[Thing]] = {True: [], False: []}
        for way in (True, False):
            for near, far, how in edges.steps(level[way], direction, seen[True]) if level[way] else ():
                state = way or through(far)
                if far in seen[True] or (not state and far in seen[False]):
                    continue
                seen[state].add(far)
                found[state].append(far)
                if state:
                    reached.append(Reached(far, depth, near, how))
            if len(seen[True]) + len(seen[False]) > bounds.most:
                return reached, False
        stop = bounds.stop or (lambda _: False)
        level = {way: sorted(thing for thing in found[way] if not stop(thing)) for way in (True, False)}
    return reached, True


def _last_hop(bounds: Bounds, starts: Collection[Thing]) -> int | None:
    """How many edges a way has at most: two for each run. From files, the second of them leads to files again."""
    if bounds.within is None:
        return None
    return 2 * bounds.within - (bounds.runs_only and any(isinstance(each, File) for each in starts))
