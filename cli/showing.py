"""How an answer is written: to the terminal, to a pipe, or to a file, in a form of rows, of columns, or of a graph."""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from datamon.cli.globals import AnswerFormat, Format
from datamon.cli.output import Listing, note, pieces, terminal_width
from datamon.cli.paging import write_paged
from datamon.errors import Invalid

if TYPE_CHECKING:
    from datamon.query.answer import Answer


COLUMNAR = (AnswerFormat.PARQUET, AnswerFormat.ARROW)
DRAWN = (AnswerFormat.DOT, AnswerFormat.MERMAID, AnswerFormat.SVG)
_SUFFIXES = {f".{form}": form for form in AnswerFormat} | {
    ".ndjson": AnswerFormat.JSONL,
    ".txt": AnswerFormat.TABLE,
    ".arrows": AnswerFormat.ARROW,
    ".gv": AnswerFormat.DOT,
    ".mmd": AnswerFormat.MERMAID,
}


@dataclass(frozen=True, slots=True)
class Showing:
    """How answers are shown: their form (None: for people), to which file (None: stdout), and whether by a pager."""

    form: AnswerFormat | None = None
    to: Path | None = None
    pager: bool = True


def showing(form: AnswerFormat | None, to: Path | None, *, pager: bool = True) -> Showing:
    """How to show answers. Raises Invalid (`usage`) for a file whose suffix says no form when none is said, and for a form of
    columns on a terminal."""
    if to is not None and form is None:
        form = _SUFFIXES.get(to.suffix.lower())
        if form is None:
            known = ", ".join(_SUFFIXES)
            raise Invalid("usage", f"the suffix of {str(to)!r} says no form ({known} do); say it by --format")
    if form in COLUMNAR and to is None and sys.stdout.isatty():
        said = f"{form.value} is not for a terminal; name a file by --to, or lead the output elsewhere"
        raise Invalid("usage", said)
    return Showing(form, to, pager)


def show_answer(answer: "Answer", how: Showing) -> None:
    """Writes an answer, and what it has to say to people on stderr. Raises Invalid (`usage`) where the form does not fit the
    question, Denied and Unavailable when the file cannot be written."""
    _check_form(answer, how.form)
    if how.form in COLUMNAR:
        _show_columns(answer, how.form, how.to)
    elif how.to is not None:
        with _whole(how.to) as file:
            for text in _texts(answer, how.form, None):
                file.write(text.encode("utf-8", "backslashreplace"))
    else:
        write_paged(_texts(answer, how.form, terminal_width()), paged=how.pager)
    sys.stdout.flush()
    for sentence in answer.notes:
        note(sentence)
    if answer.truncated:
        note("the answer is cut off at the row limit: narrow the question to see the rest")


def _check_form(answer: "Answer", form: AnswerFormat | None) -> None:
    if answer.graph is None and form in DRAWN:
        said = f"{form.value} draws a graph; put GRAPH before the question, as in GRAPH UPSTREAM OF 'repo@label'"
        raise Invalid("usage", said)
    if answer.graph is not None and form not in (None, AnswerFormat.JSON, *DRAWN):
        said = f"a GRAPH is written as json, dot, mermaid or svg; leave GRAPH out to have the answer as {form.value}"
        raise Invalid("usage", said)


def _texts(answer: "Answer", form: AnswerFormat | None, width: int | None) -> Iterable[str]:
    if answer.graph is None:
        plain = None if form is None else Format(form.value)
        return pieces(Listing(tuple(answer.columns), answer.rows), plain, width)
    from datamon.query.drawing.draw import draw  # only where a graph was asked for

    shape: Literal["tree", "dot", "mermaid", "json", "svg"] = "tree"
    if form is not None:
        shape = form.value  # type: ignore[assignment]  # of these, as was checked
    return draw(answer.graph, shape).splitlines(keepends=True)


def _show_columns(answer: "Answer", form: AnswerFormat | None, to: Path | None) -> None:
    from datamon.query.columnar import write_columns  # brings pyarrow's parquet, 0.2 s

    assert form is not None, "a form of columns"
    shape: Literal["parquet", "arrow"] = "parquet" if form is AnswerFormat.PARQUET else "arrow"
    if to is None:
        write_columns(answer, shape, sys.stdout.buffer)
        return
    with _whole(to) as file:
        write_columns(answer, shape, file)


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that is at `path` when the block has ended well, and not at all when not. What is no regular file (a
    pipe, a device) is written itself."""
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    made = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with made.open("wb") as file:
            yield file
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
