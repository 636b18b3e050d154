"""The only printer: results on stdout, words on stderr; plain lines, tables, JSON, JSON lines, CSV."""

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from datamon.cli.cells import cell, csv_lines, in_words, printable
from datamon.cli.environment import wants_colours
from datamon.cli.fitting import Screen
from datamon.cli.globals import Format
from datamon.cli.json_values import json_text, plain
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
        yield from (f"{json_text(_record(listing.columns, row))}\n" for row in listing.rows)
    elif form is Format.JSON:
        yield from _json_array(json_text(_record(listing.columns, row)) for row in listing.rows)
    elif form is Format.CSV:
        yield from csv_lines(listing.columns, listing.rows)
    else:
        rows = [[printable(cell(in_words(value))) for value in row] for row in listing.rows]
        yield from (f"{line}\n" for line in table_lines(listing.columns, rows, width))


def terminal_width() -> int | None:
    """How wide the terminal is (or `COLUMNS` says); None where there is neither."""
    return shutil.get_terminal_size(fallback=(0, 0)).columns or None


def screen() -> Screen:
    """What stdout is: lines for it are fitted to its width, and coloured when it is a terminal that can and nobody said no."""
    return Screen(terminal_width(), wants_colours(sys.stdout.isatty()))


def show_record(record: Mapping[str, object], form: Format | None, lines: Iterable[str]) -> None:
    """Writes one record: as `lines` when no form is asked for, as one JSON document, or as a listing of one row."""
    if form is None:
        for line in lines:
            say(line)
    elif form is Format.JSON:
        write([json.dumps(plain(record), ensure_ascii=False, indent=2), "\n"])
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
    return {column: plain(value) for column, value in zip(columns, row, strict=True)}


def _json_array(documents: Iterable[str]) -> Iterable[str]:
    separator = "["
    for document in documents:
        yield f"{separator}\n  {document}"
        separator = ","
    yield "[]\n" if separator == "[" else "\n]\n"
