"""Where a statement comes from: the command line, a file, standard input, or, when nothing says it, a prompt."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from datamon.errors import Denied, Invalid, NotFound

FileOption = Annotated[
    Path | None,
    typer.Option("--file", "-f", metavar="FILE", help="Read the one statement from FILE; - is standard input."),
]


def statement_text(text: str | None, file: Path | None) -> str | None:
    """The statement; None when nothing says it and a prompt can ask for it. A file holds one statement, which may end with `;`.

    Raises Invalid (`usage`) for two statements, and for none where nobody sits at a terminal; NotFound and Denied for the file.
    """
    if text is not None and file is not None:
        raise Invalid("usage", "TEXT and --file are two statements; give one")
    if text == "-" or (file is not None and str(file) == "-"):
        return sys.stdin.read()
    if file is not None:
        return _text_of(file)
    if text is None and not (sys.stdin.isatty() and sys.stdout.isatty()):
        said = "there is no statement: give TEXT, --file FILE, or - to read it from standard input; see `datamon query --help`"
        raise Invalid("usage", said)
    return text


def _text_of(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("bad-statement", f"{str(file)!r} is no UTF-8 text: byte {error.start} is none") from error
    except PermissionError as error:
        raise Denied("unreadable", f"{str(file)!r} may not be read; change its permissions") from error
    except OSError as error:
        raise NotFound("path-not-found", f"{str(file)!r} cannot be read: {error.strerror}") from error
