"""The only printer: results on stdout, words on stderr; plain lines, tables, JSON, JSON lines, CSV."""

import csv
import io
import json
import math
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from datamon.cli.globals import Format
from datamon.cli.tables import table_lines

Row = Sequence[object]


@dataclass(frozen=True)
class Listing:
    """An answer of named columns. `line` gives a row's plain line; without one, plain is a table. `last` are plain lines that
    come after those of the rows."""

    columns: tuple[str, ...]
    rows: Iterable[Row]
    line: Callable[[Row], str] | None = None
    last: Sequence[str] = ()


def show(listing: Listing, form: Format | None) -> None:
    """Writes a listing to stdout in the form asked for, else as plain lines, else as a table.

    Lines, JSON lines and CSV are written as the rows come. Times are UTC in ISO 8601; bytes are hexadecimal.
    """
    write(pieces(listing, form, terminal_width()))


def pieces(listing: Listing, form: Format | None, width: int | None) -> Iterator[str]:
    """What `show` writes, piece by piece; a table is at most `width` wide (None: as wide as it gets)."""
    if form is None and listing.line is not None:
        yield from (f"{printable(listing.line(row))}\n" for row in listing.rows)
        yield from (f"{printable(line)}\n" for line in listing.last)
    elif form is Format.JSONL:
        yield from (f"{_json(_record(listing.columns, row))}\n" for row in listing.rows)
    elif form is Format.JSON:
        yield from _json_array(_json(_record(listing.columns, row)) for row in listing.rows)
    elif form is Format.CSV:
        yield from _csv(listing)
    else:
        rows = [[printable(_cell(_in_words(value))) for value in row] for row in listing.rows]
        yield from (f"{line}\n" for line in table_lines(listing.columns, rows, width))


def terminal_width() -> int | None:
    """How wide the terminal is (or `COLUMNS` says); None where there is neither."""
    return shutil.get_terminal_size(fallback=(0, 0)).columns or None


def show_record(record: Mapping[str, object], form: Format | None, lines: Iterable[str]) -> None:
    """Writes one record: as `lines` when no form is asked for, as one JSON document, or as a listing of one row."""
    if form is None:
        for line in lines:
            say(line)
    elif form is Format.JSON:
        write([json.dumps(_plain(record), ensure_ascii=False, indent=2), "\n"])
    else:
        show(Listing(tuple(record), [tuple(record.values())]), form)


def say(line: str) -> None:
    """Writes one line of result to stdout."""
    write([f"{line}\n"])


def pass_on(content: bytes) -> None:
    """Writes bytes to stdout as they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def note(sentence: str) -> None:
    """Writes words about the work, which are no result, to stderr."""
    _tell(f"{printable(sentence)}\n")


def answer_to(question: str) -> str:
    """What the person at the terminal answers, one line; the question goes to stderr."""
    _tell(f"{printable(question)} ")
    return sys.stdin.readline().strip()


def complain(sentence: str, trace: str = "") -> None:
    """Writes an error to stderr, after its traceback when there is one to show.

    Line breaks stay: an error in a statement carries the line it points at.
    """
    body = "\n".join(printable(line) for line in sentence.split("\n"))
    _tell(f"{trace}error: {body}\n")


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


def write(texts: Iterable[str]) -> None:
    """Writes texts to stdout as they come; a character that its encoding lacks as an escape."""
    for piece in texts:
        try:
            sys.stdout.write(piece)
        except UnicodeEncodeError:
            sys.stdout.write(piece.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding))


def _tell(text: str) -> None:
    """To stderr; what nobody can read any more is dropped."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        return


def _record(columns: Sequence[str], row: Row) -> dict[str, object]:
    return {column: _plain(value) for column, value in zip(columns, row, strict=True)}


def _json(record: object) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False)


def _json_array(documents: Iterable[str]) -> Iterable[str]:
    separator = "["
    for document in documents:
        yield f"{separator}\n  {document}"
        separator = ","
    yield "[]\n" if separator == "[" else "\n]\n"


def _csv(listing: Listing) -> Iterable[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(listing.columns)
    for row in listing.rows:
        writer.writerow([_cell(value) for value in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _in_words(value: object) -> object:
    """Lists of words as a person writes them."""
    if isinstance(value, list | tuple) and all(isinstance(inner, str) for inner in value):
        return ", ".join(value)
    return value


def _cell(value: object) -> str:
    plain = _plain(value)
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return "true" if plain else "false"
    return plain if isinstance(plain, str) else _json(plain)


def _plain(value: object) -> object:
    """`value` as JSON can say it."""
    if isinstance(value, datetime):
        zoned = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return zoned.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
