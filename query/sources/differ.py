"""WHY DOES … DIFFER FROM: what differs on the ways on which two bundles were made, run by run, as far up as it can be seen."""

from collections import deque
from dataclasses import dataclass

from datamon.lineage.differences import Kind, RunSide, differences
from datamon.query.asking import Asking, Row, Rows, World
from datamon.query.language.faults import fault
from datamon.query.language.statement import Differ
from datamon.query.sources.runs_behind import run_behind, side_of, writer_of

COLUMNS = (
    ("depth", "BIGINT"),
    ("kind", "VARCHAR"),
    ("name", "VARCHAR"),
    ("old", "VARCHAR"),
    ("new", "VARCHAR"),
    ("via", "VARCHAR"),
)
KINDS: tuple[Kind, ...] = ("step", "command", "param", "code", "env", "input")
MOST_PAIRS = 10_000
"""So many pairs of runs are compared at most."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two runs that played the same part on the two ways; `via` are the inputs on the way to them."""

    old: str
    new: str
    depth: int
    via: str


def rows_of_differ(asking: Asking, world: World, source: Differ) -> Rows:
    """What is unlike, nearest first. Inputs with other contents are followed to the runs that wrote them. Raises errors that
    point at their place."""
    new, old = asking.target(source.ref), asking.target(source.other)
    if old.kind != new.kind:
        raise fault(asking.text, source.other.span, f"expected another {new.kind}: a bundle is not made as a run is")
    runs = run_behind(world, old), run_behind(world, new)
    if old.kind == "bundle" and old.content == new.content:
        asking.note("they hold the same content")
    if old.id == new.id or (old.kind == "bundle" and old.content == new.content):
        return Rows(COLUMNS, [])
    if runs[0] is None or runs[1] is None:
        brought = [target.id for target, run in zip((old, new), runs, strict=True) if run is None]
        asking.note(f"no recorded run wrote {' nor '.join(brought)}: DIFF tells in which files they differ")
        return Rows(COLUMNS, [])
    rows, all_seen = _walk(world, _Pair(runs[0], runs[1], 1, ""))
    if not all_seen:
        asking.note(f"only the nearest {MOST_PAIRS:,} pairs of runs were compared")
    if not rows:
        asking.note("what is recorded of the two ways is alike: the steps are not determined by it")
    return Rows(COLUMNS, rows, not all_seen)


def _walk(world: World, first: _Pair) -> tuple[list[Row], bool]:
    waiting, seen, rows = deque([first]), {(first.old, first.new)}, list[Row]()
    for _ in range(MOST_PAIRS):
        if not waiting:
            return rows, True
        pair = waiting.popleft()
        old, new = side_of(world, pair.old), side_of(world, pair.new)
        if old is None or new is None:
            continue
        rows += [
            (pair.depth, each.kind, each.name, each.old, each.new, pair.via) for each in differences(old, new, KINDS)
        ]
        for role, was, now in _unlike(world, old, new):
            if was is not None and now is not None and was != now and (was, now) not in seen:
                seen.add((was, now))
                waiting.append(_Pair(was, now, pair.depth + 1, f"{pair.via}/{role}".lstrip("/")))
    return rows, False


def _unlike(world: World, old: RunSide, new: RunSide) -> list[tuple[str, str | None, str | None]]:
    """The inputs of one role that have other contents, with the runs that wrote them."""
    reads = [{each.role: each for each in side.run.inputs} for side in (old, new)]
    return [
        (role, writer_of(world.connection, reads[0][role].bundle), writer_of(world.connection, reads[1][role].bundle))
        for role in sorted(reads[0].keys() & reads[1].keys())
        if reads[0][role].content != reads[1][role].content
    ]
