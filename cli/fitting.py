"""Lines of several parts, fitted to a terminal: what says least goes first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from datamon.cli.cells import printable
from datamon.cli.colours import Colour, coloured
from datamon.cli.tables import GAP, display_width

_LEAST_NAME = 12


@dataclass(frozen=True, slots=True)
class Screen:
    """What lines are written to: how wide it is (None: as wide as they get), and whether it shows colours."""

    width: int | None = None
    colours: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a line; the higher its `rank`, the sooner it is left out where there is no room. Before anything is left out a
    part that says a `least` loses its end down to so many columns."""

    text: str
    colour: Colour = "plain"
    rank: int = 0
    least: int | None = None


def fitted(lead: str, parts: Sequence[Part], screen: Screen) -> str:
    """The parts behind `lead`, no wider than the screen as long as what may not go leaves room: the last of the highest rank
    goes first, at last the first part is cut in its middle. Control characters are shown as escapes."""
    kept = [replace(part, text=printable(part.text)) for part in parts if part.text]
    if screen.width is not None:
        kept = _narrowed(kept, screen.width - display_width(lead))
    told = [coloured(part.text, part.colour) if screen.colours else part.text for part in kept]
    return f"{coloured(lead, 'dim') if screen.colours else lead}{GAP.join(told)}"


def _narrowed(parts: list[Part], room: int) -> list[Part]:
    kept = list(parts)
    while _width(kept, least=True) > room and any(part.rank for part in kept):
        highest = max(part.rank for part in kept)
        del kept[max(number for number, part in enumerate(kept) if part.rank == highest)]
    for number, part in enumerate(kept):
        too_much = _width(kept) - room
        if part.least is not None and too_much > 0:
            kept[number] = replace(part, text=cut_end(part.text, max(display_width(part.text) - too_much, part.least)))
    too_much = _width(kept) - room
    if kept and too_much > 0:
        kept[0] = replace(
            kept[0], text=cut_middle(kept[0].text, max(display_width(kept[0].text) - too_much, _LEAST_NAME))
        )
    return kept


def _width(parts: Sequence[Part], *, least: bool = False) -> int:
    """How wide the parts are beside each other; with `least` after all that may be cut was cut."""
    widths = [display_width(part.text) for part in parts]
    if least:
        widths = [
            wide if part.least is None else min(wide, part.least) for part, wide in zip(parts, widths, strict=True)
        ]
    return sum(widths) + len(GAP) * (len(parts) - 1)


def cut_end(text: str, room: int) -> str:
    """The beginning of a text that takes more than `room` columns, with … behind it.

    >>> cut_end("without the doubtful tie", 12), cut_end("表表表", 4)
    ('without the…', '表…')
    """
    if display_width(text) <= room:
        return text
    return f"{_fitting(text, room - 1)}…"


def cut_middle(text: str, room: int) -> str:
    """The two ends of a text that takes more than `room` columns, with … between them.

    >>> cut_middle("measurements-of-everybody@main", 12)
    'measur…@main'
    """
    if display_width(text) <= room:
        return text
    end = _fitting(text[::-1], (room - 1) // 2)[::-1]
    return f"{_fitting(text, room - 1 - display_width(end))}…{end}"


def _fitting(text: str, room: int) -> str:
    """As much of the beginning as fits."""
    taken = 0
    for number, character in enumerate(text):
        taken += display_width(character)
        if taken > room:
            return text[:number]
    return text
