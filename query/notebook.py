"""Answers as a notebook shows them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from datamon.query.answer import Answer
from datamon.query.drawing.draw import draw
from datamon.store.html_text import table_html

MOST_ROWS = 200
"""A page shows so many rows; all of them are in the answer."""
_WIDEST = 60


def shown(answer: Answer) -> dict[str, str]:
    """The answer by MIME type: a GRAPH as SVG and as a tree in text, rows as a table in HTML and in text."""
    if answer.graph is not None:
        return {"text/plain": draw(answer.graph, "tree"), "image/svg+xml": draw(answer.graph, "svg")}
    rows = [[_told(value) for value in row] for row in answer.rows[:MOST_ROWS]]
    last = _last(answer, len(rows))
    return {
        "text/plain": "\n".join(_lines(answer.columns, rows, last)),
        "text/html": table_html(answer.columns, rows, last),
    }


def _last(answer: Answer, told: int) -> str:
    count = len(answer.rows)
    rows = "1 row" if count == 1 else f"{count:,} rows"
    cut = f", of which the first {told} are shown" if told < count else ""
    more = "; the answer is cut off at the row limit" if answer.truncated else ""
    return ". ".join((f"{rows}{cut}{more}", *answer.notes))


def _told(value: object) -> str:
    """A value as a person reads it: times in UTC to the second, lists of words with commas."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        zoned = value if value.tzinfo is None else value.astimezone(UTC)
        return f"{zoned:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return ", ".join(map(_told, value))
    return str(value)


def _lines(columns: Sequence[str], rows: Sequence[Sequence[str]], last: str) -> Iterator[str]:
    cut = [[_cut(cell) for cell in row] for row in rows]
    widths = [max(map(len, each)) for each in zip(columns, *cut, strict=True)]
    for row in (columns, ["─" * width for width in widths], *cut):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield last


def _cut(cell: str) -> str:
    line = "".join(c if c.isprintable() else " " for c in cell)
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"
