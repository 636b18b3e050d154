"""Runs as trees: each below the run that it is part of."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from datamon.cli.output import Row


@dataclass(frozen=True, slots=True)
class Branch:
    """A row of a tree: how deep it is, and what is drawn in front of it."""

    row: Row
    depth: int
    drawn: str


def branches(
    rows: Sequence[Row], parent_at: int, chosen: AbstractSet[object], limit: int | None = None
) -> Iterator[Branch]:
    """The rows, whose first column is the id and whose column `parent_at` the parent's, as trees: those `chosen` and all below
    them, each below its parent. Trees stand in the order of their rows, the newest first, children the other way, as they began;
    `limit` is how many trees."""
    below: dict[object, list[Row]] = defaultdict(list)
    for row in reversed(rows):
        below[row[parent_at]].append(row)
    parents = {row[0]: row[parent_at] for row in rows}
    roots = [row for row in rows if row[0] in chosen and not _is_below(row[0], parents, chosen)]
    for root in roots[:limit]:
        yield from _drawn(root, below)


def _is_below(run: object, parents: dict[object, object], chosen: AbstractSet[object]) -> bool:
    """Whether a chosen run is above this one."""
    seen = {run}
    above = parents.get(run)
    while above is not None and above not in seen:
        if above in chosen:
            return True
        seen.add(above)
        above = parents.get(above)
    return False


def _drawn(root: Row, below: dict[object, list[Row]]) -> Iterator[Branch]:
    waiting = [(Branch(root, 0, ""), "")]
    seen = set()
    while waiting:
        branch, margin = waiting.pop()
        if branch.row[0] in seen:
            continue
        seen.add(branch.row[0])
        yield branch
        children = below[branch.row[0]]
        for number, child in reversed(list(enumerate(children, start=1))):
            last = number == len(children)
            drawn = Branch(child, branch.depth + 1, margin + ("└── " if last else "├── "))
            waiting.append((drawn, margin + ("    " if last else "│   ")))
