"""Values as texts: what a table, a line of CSV, or a terminal may show of them."""

from __future__ import annotations

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

_AT_ONCE = 1_000
_PLAIN = frozenset({str, int, type(None)})
"""Types whose values CSV writes as `cell` does."""


def printable(text: str) -> str:
    r"""`text` with control characters shown as escapes, so that no name or message can move the terminal's cursor.

    >>> printable("a\nb\x1b[31m")
    'a\\nb\\x1b[31m'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == " " else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def in_words(value: object) -> object:
    """Lists of words as a person writes them."""
    if isinstance(value, list | tuple) and all(isinstance(inner, str) for inner in value):
        return ", ".join(value)
    return value


def cell(value: object) -> str:
    """The value as one text. Times are UTC in ISO 8601; bytes are hexadecimal."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    from datetime import datetime  # 1 ms, which an answer without times does without

    if isinstance(value, datetime):
        return moment(value)
    from datamon.cli.json_values import json_text, plain  # what only other values need

    told = plain(value)
    return told if isinstance(told, str) else json_text(told)


def moment(time: datetime) -> str:
    """The time in UTC in ISO 8601; one without a zone is in UTC already."""
    from datetime import UTC

    zoned = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return zoned.isoformat().replace("+00:00", "Z")


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The lines of a CSV file, the first with the names of the columns: those of a list many together, others one by one."""
    from _csv import writer  # the module csv is this and a look at foreign dialects, which takes 6 ms to load

    lines: list[str] = []
    file = writer(_Taking(lines), lineterminator="\n")
    file.writerow(columns)
    for part in _parts(rows):
        if len(part) > 1:
            file.writerows(zip(*map(_column, zip(*part, strict=True)), strict=True))
        else:
            file.writerows([cell(value) for value in row] for row in part)
        yield "".join(lines)
        lines.clear()
    yield "".join(lines)


def _parts(rows: Iterable[Sequence[object]]) -> Iterator[Sequence[Sequence[object]]]:
    if isinstance(rows, list):
        return (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))
    return ([row] for row in rows)


def _column(values: Sequence[object]) -> Sequence[object]:
    """The values of a column as CSV has them."""
    kinds = set(map(type, values))
    if kinds <= _PLAIN:
        return values
    if kinds == {bool}:
        return ["true" if value else "false" for value in values]
    return list(map(cell, values))


class _Taking:
    """A file of lines in memory."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def write(self, text: str) -> int:
        """Takes one line."""
        self._lines.append(text)
        return len(text)
