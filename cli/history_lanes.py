"""A history drawn in lanes: what follows what, the newest first."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

FIRST, LATER = "○", "●"
"""What stands for a step that follows nothing, and for one that does."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something in a history, and what it follows."""

    id: str
    parents: tuple[str, ...]


def lanes(steps: Iterable[Step]) -> Iterator[tuple[str | None, str]]:
    """For each line its step (None: lanes only meet there, or part) and what is drawn. Each step stands before its parents; a
    parent that never comes leaves its lane open.

    >>> steps = [Step("c", ("b",)), Step("x", ("a",)), Step("b", ("a",)), Step("a", ())]
    >>> print("\\n".join(drawn for _, drawn in lanes(steps)))
    ●
    │ ●
    ● │
    ├─╯
    ○
    """
    waiting: list[str | None] = []
    for step in steps:
        mine = [number for number, wanted in enumerate(waiting) if wanted == step.id]
        lane = mine[0] if mine else _free(waiting, 0, step.id)
        if mine[1:]:
            yield None, _joint(waiting, mine, "┴", "╯")
            for each in mine[1:]:
                waiting[each] = None
        yield step.id, _drawn(waiting, lane, LATER if step.parents else FIRST)
        waiting[lane] = step.parents[0] if step.parents else None
        parting = [_free(waiting, lane + 1, parent) for parent in step.parents[1:]]
        if parting:
            yield None, _joint(waiting, [lane, *parting], "┬", "╮")
        while waiting and waiting[-1] is None:
            waiting.pop()


def _free(waiting: list[str | None], first: int, wanted: str) -> int:
    """A lane, not before the first, that waited for nothing and waits for this now."""
    lane = next((number for number, taken in enumerate(waiting) if number >= first and taken is None), len(waiting))
    waiting[lane : lane + 1] = [wanted]
    return lane


def _drawn(waiting: Sequence[str | None], lane: int, mark: str) -> str:
    marks = [mark if number == lane else "│" if wanted else " " for number, wanted in enumerate(waiting)]
    return " ".join(marks).rstrip()


def _joint(waiting: Sequence[str | None], joined: Sequence[int], middle: str, corner: str) -> str:
    """The line on which the first of some lanes meets the others, which rise from left to right, or parts from them. It crosses
    what lies between."""
    first, last = joined[0], joined[-1]
    drawn = []
    for number, wanted in enumerate(waiting):
        if number in joined:
            mark = "├" if number == first else corner if number == last else middle
        else:
            within = first < number < last
            mark = ("┼" if within else "│") if wanted else ("─" if within else " ")
        drawn.append(mark + ("─" if first <= number < last else " "))
    return "".join(drawn).rstrip()
