"""UPSTREAM OF, DOWNSTREAM OF and AFFECTED BY column by column, as rows."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from datamon.query.asking import Asking, Row, World
from datamon.query.columns.edges import Cell, ColumnEdges
from datamon.query.columns.recorded import ROWS, SqlRuns
from datamon.query.graph.in_memory import Node, graph_by_level
from datamon.query.language.column_names import column_name
from datamon.query.language.faults import fault, hint
from datamon.query.language.statement import Ref
from datamon.query.sources.closure import Names, Walk, Walked, stood_in_for

Thing = Cell | str
"""A column, a whole bundle, or a run by its id."""


class Reached(NamedTuple):
    """A thing, how many runs away, what came before it, and how the edge between them is known."""

    thing: Thing
    depth: int
    via: Thing | None
    how: str


def column_rows(asking: Asking, world: World, ref: Ref, asked: Walk) -> Walked:
    """The rows of a closure, nearest first: the columns, and whole bundles from where on columns cannot be told: over a run that
    is no SQL step, or whose SQL cannot be followed. From a whole bundle on, whole bundles are followed. Depth counts runs.

    A reference to a bundle stands for its columns that SQL steps tell of, and for all of it where none does.
    """
    stood_in = (each for node in asked.starts for each in stood_in_for(world.connection, node))
    bundles = [node.id for node in (*asked.starts, *stood_in)]
    edges = ColumnEdges(graph_by_level(world.connection, asked.kept), SqlRuns(world.connection))
    starts = cells_of(asking, ref, bundles, edges)
    reached = _walk(edges, starts, asked)
    names = _Names(world, reached)
    if asked.stops is not None:
        stopped = asked.stops([names.row(each.thing) for each in reached])
        reached = _walk(edges, starts, asked, lambda thing: _id(thing) in stopped)
    if edges.untold:
        count = len(edges.untold)
        runs = "run that does" if count == 1 else "runs that do"
        asking.note(f"whole bundles are followed over {count:,} {runs} not tell of columns")
    deleted = names.deleted
    shown = [each for each in _of_level(reached, asked) if not _is_rows(each.thing)]
    shown = [each for each in shown if asked.deleted or _bundle(each.thing) not in deleted]
    shown.sort(
        key=lambda each: (each.depth, isinstance(each.thing, Cell), str(names.row(each.thing)[2]), _id(each.thing))
    )
    rows = [_row(each, names, truncated=False) for each in shown[: asked.cap]]
    if len(shown) > asked.cap:
        rows[-1] = _row(shown[asked.cap - 1], names, truncated=True)
    passed = (_bundle(each.thing) for each in reached)
    return Walked(rows, len(shown) > asked.cap, tuple(dict.fromkeys(each for each in passed if each in deleted)))


def check_column(asking: Asking, world: World, ref: Ref) -> None:
    """Raises Invalid (`bad-reference`) pointing at a column of which no SQL step tells."""
    edges = ColumnEdges(graph_by_level(world.connection), SqlRuns(world.connection))
    cells_of(asking, ref, [asking.target(ref).id], edges)


def cells_of(asking: Asking, ref: Ref, bundles: Sequence[str], edges: ColumnEdges) -> list[Cell]:
    """What a reference means in these bundles, which are one bundle and those that it stands in for. Raises as `check_column`."""
    known = sorted(cell for bundle in bundles for cell in edges.columns_of(bundle))
    if ref.form != "column":
        return known or [Cell(bundle) for bundle in bundles]
    name = column_name(asking.text, ref, asking.params)
    wanted = (name.table.lower(), name.column.lower())
    found = [cell for cell in known if (cell.table.lower(), cell.column.lower()) == wanted]
    if not found:
        near = hint(
            f"{name.table}.{name.column}", {f"{cell.table}.{cell.column}" for cell in known if cell.column != ROWS}
        )
        said = f"no SQL step tells of a column {name.table}.{name.column} of bundle {bundles[0]}"
        raise fault(
            asking.text, ref.span, f"{said}{near or '; FROM columns lists what they tell'}", code="bad-reference"
        )
    return found


@dataclass(slots=True)
class _Walking:
    """What was reached so far, each thing once with its least depth."""

    seen: set[Thing]
    reached: list[Reached] = field(default_factory=list)

    def add(self, reached: Reached) -> bool:
        """Whether it is new."""
        if reached.thing in self.seen:
            return False
        self.seen.add(reached.thing)
        self.reached.append(reached)
        return True


def _walk(
    edges: ColumnEdges, starts: Collection[Cell], asked: Walk, stop: Callable[[Thing], bool] = lambda _: False
) -> list[Reached]:
    walking = _Walking(set(starts))
    level, depth = sorted(starts), 0
    while level and (asked.within is None or depth < asked.within):
        depth += 1
        ahead: list[Cell] = []
        for step in edges.steps(level, asked.direction):
            walking.add(Reached(step.run, depth, step.near, step.how))
            if step.far is None or stop(step.run):
                continue
            if walking.add(Reached(step.far, depth, step.run, step.far_how)) and not stop(step.far):
                ahead.append(step.far)
        level = sorted(ahead)
    return walking.reached


def _of_level(reached: list[Reached], asked: Walk) -> list[Reached]:
    """Those of the kind that AT names; AT bundle the bundles of the columns. A column of a bundle that is followed as a whole
    is a row as well: it was told of."""
    if asked.at == "run":
        return [each for each in reached if isinstance(each.thing, str)]
    if asked.at == "column":
        return [each for each in reached if isinstance(each.thing, Cell)]
    if asked.at == "bundle":
        bundles = (each._replace(thing=Cell(each.thing.bundle)) for each in reached if isinstance(each.thing, Cell))
        return list({each.thing: each for each in sorted(bundles, key=lambda each: -each.depth)}.values())
    return reached


def _is_rows(thing: Thing) -> bool:
    return isinstance(thing, Cell) and not thing.is_whole and thing.column == ROWS


def _id(thing: Thing) -> str:
    return thing if isinstance(thing, str) else thing.id


def _bundle(thing: Thing) -> str:
    return thing.bundle if isinstance(thing, Cell) else ""


class _Names:
    """What things are called: `repo@ref.table.column`, as a reference to it is written."""

    def __init__(self, world: World, reached: list[Reached]) -> None:
        runs = {each.thing for each in reached if isinstance(each.thing, str)}
        bundles = {each.thing.bundle for each in reached if isinstance(each.thing, Cell)}
        nodes = [*(Node("run", run) for run in runs), *(Node("bundle", bundle) for bundle in bundles)]
        self._names = Names(world.connection, nodes)
        self.deleted = self._names.deleted

    def row(self, thing: Thing) -> Row:
        """kind, id, name, repo, ref."""
        if isinstance(thing, str):
            return self._names.row(Node("run", thing))
        bundle = self._names.row(Node("bundle", thing.bundle))
        if thing.is_whole:
            return bundle
        _, _, name, repo, ref = bundle
        return ("column", thing.id, f"{name}.{thing.table}.{thing.column}", repo, ref)


def _row(reached: Reached, names: _Names, *, truncated: bool) -> Row:
    via = _id(reached.via) if reached.via is not None else None
    return (*names.row(reached.thing), reached.depth, reached.how, via, truncated)
