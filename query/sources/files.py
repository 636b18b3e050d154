"""UPSTREAM OF, DOWNSTREAM OF and AFFECTED BY file by file, as rows."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from datamon.query.asking import Asking, Row, World
from datamon.query.language.statement import Affected, Closure
from datamon.query.sources.closure import Walk, Walked
from datamon.query.sources.file_edges import FileEdges, Thing
from datamon.query.sources.file_names import FileNames
from datamon.query.sources.file_walk import Bounds, Leading, Reached, walk
from datamon.query.trees import Trees

_Holds = Callable[[Thing], bool]


def is_by_file(source: Closure | Affected) -> bool:
    """Whether files are followed one by one: AT file, and AT run (WHAT USED is so) from a `file '…'`."""
    ref = source.ref if isinstance(source, Closure) else source.change
    return source.options.at == "file" or (source.options.at == "run" and ref.form == "file")


def file_rows(asking: Asking, world: World, asked: Walk) -> Walked:
    """The rows of a closure, nearest first: the files, or AT run the runs.

    A file is a content at a path of a repo, in whichever of its bundles: who read an older or newer bundle that holds the very
    same is downstream of it too. Depth counts runs as everywhere. What only deleted bundles hold is walked through but is a row
    only INCLUDING deleted; of a deleted bundle whose manifest is gone, one row without a path stands for all it held.
    """
    trees = Trees(world.store, world.connection)
    edges = FileEdges(
        world.connection,
        trees,
        replace(asked.kept, runs=(*asked.kept.runs, *(node.id for node in asked.starts if node.kind == "run"))),
    )
    following = _Following(edges, FileNames(world.connection, trees), _starts(asked, trees), asked)
    reached, whole = following.reached()
    names = following.names
    names.learn(each.thing for each in reached)
    shown = [each for each in reached if _is_shown(each, asked, names)]
    shown.sort(key=lambda each: (each.depth, str(names.row(each.thing)[2]), names.id(each.thing)))
    cut = not whole or len(shown) > asked.cap
    rows = [_row(each, names, truncated=False) for each in shown[: asked.cap]]
    if cut and rows:
        rows[-1] = _row(shown[len(rows) - 1], names, truncated=True)
    for bundle in sorted(trees.gone):
        asking.note(f"what bundle {bundle} held is gone; one row stands for all of it")
    passed = tuple(dict.fromkeys(names.deleted[each.thing] for each in reached if each.thing in names.deleted))
    return Walked(rows, cut, passed)


def _starts(asked: Walk, trees: Trees) -> list[Thing]:
    """The runs, or the files of the part of the bundle that is meant."""
    if asked.target is None or asked.target.kind == "run":
        return [node.id for node in asked.starts]
    bundles = (asked.target.id, *asked.target.versions)
    files = (file for bundle in bundles for file in trees.files(asked.target.repo, bundle, asked.target.path))
    return list(dict.fromkeys(files))


@dataclass(frozen=True, slots=True)
class _Following:
    """A closure that is being walked: once to know what predicates are asked of, then as they say."""

    edges: Leading
    names: FileNames
    starts: list[Thing]
    asked: Walk

    def reached(self) -> tuple[list[Reached], bool]:
        asked = self.asked
        within = Bounds(asked.within, runs_only=asked.at == "run")
        reached, whole = walk(self.edges, self.starts, asked.direction, within)
        if asked.stops is None and asked.via is None:
            return (_one_further(self.starts, reached, asked) if asked.themselves else reached), whole
        first = [*self.starts, *(each.thing for each in reached)] if asked.themselves else [e.thing for e in reached]
        self.names.learn(first)
        stop, through = (self._rule(rule, first) for rule in (asked.stops, asked.via))
        ahead = [start for start in self.starts if not (asked.themselves and stop is not None and stop(start))]
        reached, whole = walk(self.edges, ahead, asked.direction, replace(within, stop=stop, through=through))
        if not asked.themselves:
            return reached, whole
        further = _one_further(self.starts, reached, asked)
        starts = set(self.starts)
        return [e for e in further if through is None or e.thing not in starts or through(e.thing)], whole

    def _rule(self, rule: Callable[[list[Row]], frozenset[str]] | None, things: list[Thing]) -> _Holds | None:
        if rule is None:
            return None
        ids = rule([self.names.row(thing) for thing in things])
        holding = frozenset(thing for thing in things if self.names.id(thing) in ids)
        return holding.__contains__


def _one_further(starts: list[Thing], reached: list[Reached], asked: Walk) -> list[Reached]:
    """The starts, one run away, and what was reached from them, of which runs are one run further than seen from a run."""
    first = [Reached(run, 1, None, "declared") for run in starts]
    further = [each._replace(depth=each.depth + 1) if isinstance(each.thing, str) else each for each in reached]
    return [each for each in [*first, *further] if asked.within is None or each.depth <= asked.within]


def _is_shown(reached: Reached, asked: Walk, names: FileNames) -> bool:
    if isinstance(reached.thing, str) != (asked.at == "run"):
        return False
    return asked.deleted or reached.thing not in names.deleted


def _row(reached: Reached, names: FileNames, *, truncated: bool) -> Row:
    via = names.id(reached.via) if reached.via is not None else None
    return (*names.row(reached.thing), reached.depth, reached.how, via, truncated)
