"""Errors that point at a place in a statement: line, column, the line itself, and a caret."""

import difflib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from datamon.errors import DatamonError, Denied, Invalid

_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a statement, in characters: from `start` up to, not including, `end`."""

    start: int
    end: int


def fault(text: str, span: Span, said: str, *, code: str = "bad-statement", **facts: object) -> DatamonError:
    """An error at `span` of `text`: Denied for `statement-refused`, else Invalid. Its facts have `line` and `column`,
    both counted from 1, in characters.

    >>> print(fault("FROM rus", Span(5, 8), "there is no relation 'rus'"))
    line 1, column 6: there is no relation 'rus'
      FROM rus
           ^^^
    """
    kind = Denied if code == "statement-refused" else Invalid
    line, column = position(text, span.start)
    return kind(code, f"line {line}, column {column}: {said}\n{_shown(text, span)}", line=line, column=column, **facts)


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column of a character of `text`, both counted from 1."""
    before = text[: max(0, min(offset, len(text)))]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def offset(text: str, line: int, column: int) -> int:
    """The character at a line and column of `text`: what `position` is asked with.

    >>> offset("ab\\ncd", *position("ab\\ncd", 4))
    4
    """
    lines = text.split("\n")
    return sum(len(each) + 1 for each in lines[: line - 1]) + column - 1


def nearest(word: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """The known name most like `word`, blind to case; None when none is as like it as `likeness` (1 is the same).

    >>> nearest("PRODUCD", ["PRODUCED", "USED"])
    'PRODUCED'
    """
    by_fold = {name.casefold(): name for name in sorted(known, reverse=True)}
    found = difflib.get_close_matches(word.casefold(), list(by_fold), n=1, cutoff=likeness)
    return by_fold[found[0]] if found else None


def hint(word: str, known: Iterable[str]) -> str:
    """The end of a message that suggests the nearest known name, or nothing.

    >>> hint("rus", ["runs", "repos"])
    '; did you mean runs?'
    """
    near = nearest(word, known)
    return f"; did you mean {near}?" if near and near.casefold() != word.casefold() else ""


def _shown(text: str, span: Span) -> str:
    start = min(span.start, len(text))
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    line = text[first : last if last >= 0 else len(text)]
    offset = start - first
    cut = max(0, offset - _WIDTH * 2 // 3)
    piece = "".join(c if c.isprintable() else " " for c in line[cut : cut + _WIDTH])
    before = ("… " if cut else "") + piece[: offset - cut]
    carets = "^" * max(1, _columns(piece[offset - cut : max(span.end, start + 1) - first - cut]))
    return f"  {'… ' if cut else ''}{piece}\n  {' ' * _columns(before)}{carets}"


def _columns(text: str) -> int:
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pointing(error: DatamonError, text: str, span: Span) -> DatamonError:
    """The same error with the place in the statement that it is about."""
    line, column = position(text, span.start)
    facts = error.facts | {"line": line, "column": column}
    return type(error)(error.code, f"line {line}, column {column}: {error.message}\n{_shown(text, span)}", **facts)
