"""Facts as a tree: each on a line, or folded below its name, and lists of them indented."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from datamon.cli.cells import printable
from datamon.cli.colours import coloured
from datamon.cli.fitting import Part, Screen
from datamon.cli.tables import GAP, display_width, fold

_LEAST = 20
_HANGING = 2
"""Columns that a folded text has at least, and by how many its other lines stand further in."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something known: its name, which may be empty, what is known, and more below it."""

    name: str
    parts: tuple[Part, ...] = ()
    below: tuple["Fact", ...] = ()


def fact_lines(top: Fact, screen: Screen) -> Iterator[str]:
    """The lines of a fact and of all below it. What is wider than the screen is folded, nothing is left out. Control characters
    are shown as escapes."""
    (top,) = _aligned((top,))
    yield from _lines(top, 0, ("", ""), screen)
    waiting = list(reversed(_below(top, "")))
    while waiting:
        fact, wide, margins = waiting.pop()
        yield from _lines(fact, wide, margins, screen)
        waiting.extend(reversed(_below(fact, margins[1])))


def _below(fact: Fact, margin: str) -> list[tuple[Fact, int, tuple[str, str]]]:
    """What is below a fact, each with how wide their names are, and what is drawn before its first line and the others."""
    below = _aligned(fact.below)
    wide = max((display_width(each.name) for each in below), default=0)
    drawn = []
    for number, each in enumerate(below, 1):
        last = number == len(fact.below)
        margins = (margin + ("└── " if last else "├── "), margin + ("    " if last else "│   "))
        drawn.append((each, wide, margins))
    return drawn


def _aligned(facts: Sequence[Fact]) -> list[Fact]:
    """The facts as they are shown: each part but the last of those without names is as wide as the widest in its place."""
    texts = [[printable(part.text) for part in fact.parts] for fact in facts]
    lists = [row for row, fact in zip(texts, facts, strict=True) if not fact.name]
    widths = [
        max(display_width(row[n]) for row in lists if n < len(row)) for n in range(max(map(len, lists), default=0))
    ]
    aligned = []
    for fact, row in zip(facts, texts, strict=True):
        parts = [replace(part, text=text) for part, text in zip(fact.parts, row, strict=True)]
        if not fact.name:
            for n, part in enumerate(parts[:-1]):
                parts[n] = replace(part, text=part.text + " " * (widths[n] - display_width(part.text)))
        aligned.append(replace(fact, name=printable(fact.name), parts=tuple(parts)))
    return aligned


def _lines(fact: Fact, wide: int, margins: tuple[str, str], screen: Screen) -> Iterator[str]:
    name = fact.name + " " * (wide - display_width(fact.name)) if fact.parts else fact.name
    told = [part for part in fact.parts if part.text]
    between = GAP if name and told else ""
    text = GAP.join(part.text for part in told)
    lead = display_width(margins[0] + name + between)
    drawn = _dim(margins[0], screen) + _dim(name, screen) + between
    if screen.width is None or lead + display_width(text) <= screen.width:
        whole = GAP.join(coloured(part.text, part.colour) for part in told) if screen.colours else text
        yield f"{drawn}{whole}".rstrip()
        return
    beside = margins[1] + ("│" if fact.below else "")
    inner = max(lead, display_width(beside) + _HANGING)
    first, *others = fold(text, max(screen.width - inner, _LEAST))
    yield f"{drawn}{first}"
    yield from (f"{_dim(beside, screen)}{' ' * (inner - display_width(beside))}{other}" for other in others)


def _dim(text: str, screen: Screen) -> str:
    return coloured(text, "dim") if screen.colours else text
