"""Tables as text: as wide as they like, or fitted to a width by shortening, folding and at last standing upright."""

from __future__ import annotations

from itertools import zip_longest

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GAP = "  "
FLOORS = (27, 14, 9)
"""How narrow a column may be folded within a word, tried in this order: first no id of 27 characters is broken, then each
takes two lines."""
SHORT_HASH = 12
_HASH_LENGTH = 64
_TIME = r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z"

if TYPE_CHECKING:
    Cells = Sequence[Sequence[str]]


def table_lines(columns: Sequence[str], rows: Cells, width: int | None) -> Iterator[str]:
    """The lines of a table of printable cells, none longer than `width` (None: as long as they get).

    Where the width is too small, hashes are cut to 12 characters and times to seconds; then columns are folded; and when
    even that is not enough, each row stands upright, one field a line, with nothing shortened.
    """
    widths = _natural(columns, rows)
    if width is None or _total(widths) <= width:
        return _grid(columns, rows, widths)
    shortened = [[_shortened(cell) for cell in row] for row in rows]
    widths = _natural(columns, shortened)
    words = _natural(columns, [[max(cell.split(" "), key=display_width) for cell in row] for row in shortened])
    for floor in FLOORS:
        least = [max(display_width(column), min(word, floor)) for column, word in zip(columns, words, strict=True)]
        fitted = _fitted(least, widths, width)
        if fitted is not None:
            return _grid(columns, shortened, fitted)
    return _upright(columns, rows)


def display_width(text: str) -> int:
    """How many cells of a terminal `text` takes.

    >>> display_width("añ"), display_width("表")
    (2, 2)
    """
    if text.isascii():
        return len(text)
    import unicodedata  # only other letters take more or less than one cell

    marks = sum(unicodedata.combining(c) > 0 for c in text)
    return len(text) - marks + sum(unicodedata.east_asian_width(c) in "WF" for c in text)


def fold(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width`, broken at a space where there is one.

    >>> fold("python prepare.py in out", 12)
    ['python', 'prepare.py', 'in out']
    >>> fold("abcdefgh", 3)
    ['abc', 'def', 'gh']
    """
    lines = []
    while display_width(text) > width:
        end = _fitting(text, width)
        space = text.rfind(" ", 1, end + 1)
        cut = space if space > 0 else end
        lines.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [*lines, text]


def _fitting(text: str, width: int) -> int:
    """How many characters of `text` fit; at least one."""
    taken = 0
    for number, character in enumerate(text):
        taken += display_width(character)
        if taken > width:
            return max(number, 1)
    return len(text)


def _natural(columns: Sequence[str], rows: Cells) -> list[int]:
    widths = [display_width(column) for column in columns]
    for row in rows:
        for number, cell in enumerate(row):
            widths[number] = max(widths[number], display_width(cell))
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _shortened(cell: str) -> str:
    if len(cell) == _HASH_LENGTH and not cell.strip("0123456789abcdef"):
        return f"{cell[:SHORT_HASH]}…"
    if "T" not in cell or "Z" not in cell:
        return cell
    import re  # 5 ms, which a table without times does without

    return re.sub(_TIME, r"\1 \2", cell)


def _fitted(least: Sequence[int], widths: Sequence[int], width: int) -> list[int] | None:
    """The widths when the widest columns are narrowed, none below its least; None when that is not enough."""
    if _total(least) > width:
        return None
    fitted = list(widths)
    for _ in range(_total(widths) - width):
        widest = max(range(len(fitted)), key=lambda n: (fitted[n] > least[n], fitted[n]))
        fitted[widest] -= 1
    return fitted


def _grid(columns: Sequence[str], rows: Cells, widths: Sequence[int]) -> Iterator[str]:
    numeric = [bool(rows) and all(map(_is_number, below)) for below in zip(*rows, strict=True)] or [False] * len(
        columns
    )
    yield _line(columns, widths, numeric)
    yield GAP.join("─" * width for width in widths)
    for row in rows:
        folded = [fold(cell, width) for cell, width in zip(row, widths, strict=True)]
        for cells in zip_longest(*folded, fillvalue=""):
            yield _line(cells, widths, numeric)


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = []
    for cell, width, right in zip(cells, widths, numeric, strict=True):
        space = " " * (width - display_width(cell))
        padded.append(space + cell if right else cell + space)
    return GAP.join(padded).rstrip()


def _upright(columns: Sequence[str], rows: Cells) -> Iterator[str]:
    indent = max(map(len, columns))
    for row in rows:
        yield from (f"{column:>{indent}}{GAP}{cell}" for column, cell in zip(columns, row, strict=True) if cell)
        yield ""


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("-").replace(".", "", 1).isdigit()
