"""How far a statement that is being typed can be read."""

from typing import Literal

from datamon.errors import DatamonError
from datamon.query.language.faults import offset
from datamon.query.language.parse import parse
from datamon.query.language.tokens import scan

Readable = Literal["empty", "unfinished", "whole", "wrong"]
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def readable(text: str) -> Readable:
    """Whether a statement is there and whole; `unfinished` is one that more text can make whole, `wrong` one that no more can.

    >>> readable("WHAT IS"), readable("WHAT IS STALE"), readable("WHAT HAS")
    ('unfinished', 'whole', 'wrong')
    """
    try:
        if len(scan(text)) == 1:
            return "empty"
        parse(text)
    except DatamonError as error:
        unfinished = error.facts.get("unfinished") or place_of(text, error) >= len(text.rstrip())
        return "unfinished" if unfinished else "wrong"
    return "whole"


def ends(text: str) -> bool:
    """Whether the text ends with the `;` that ends a statement, and not with one in a string or a comment."""
    try:
        tokens = scan(text)
    except DatamonError:
        return False
    return len(tokens) > 1 and tokens[-2].mark(";")


def reach(text: str) -> int:
    """The first character of `text` at which no statement has anything more to say for itself: the place of its fault, or its
    length where it has none, or one that more text can mend. Brackets that are open count as closed at the end."""
    try:
        closing = closers(text)
    except DatamonError as error:
        return len(text) if error.facts.get("unfinished") else place_of(text, error)
    plain = _reach(text + closing, len(text))
    return max(plain, _reach(f"{text} x{closing}", len(text))) if closing and plain < len(text) else plain


def _reach(closed: str, most: int) -> int:
    try:
        parse(closed)
    except DatamonError as error:
        return min(place_of(closed, error), most)
    return most


def open_string(text: str) -> int | None:
    """Where the string begins in which `text` ends; None where it ends in none."""
    try:
        scan(text)
    except DatamonError as error:
        place = place_of(text, error)
        if error.facts.get("unfinished") and text[place : place + 1] == "'":
            return place
    return None


def closers(text: str) -> str:
    """What closes the brackets that `text` leaves open. Raises as `scan`.

    >>> closers("FROM (SELECT [1, ")
    ' ])'
    """
    stack: list[str] = []
    for token in scan(text):
        if token.mark(*_PAIRS):
            stack.append(_PAIRS[token.value])
        elif token.mark(*_PAIRS.values()) and stack:
            stack.pop()
    return f" {''.join(reversed(stack))}" if stack else ""


def place_of(text: str, error: DatamonError) -> int:
    """The character of `text` that an error points at."""
    line, column = error.facts.get("line"), error.facts.get("column")
    return offset(text, line, column) if isinstance(line, int) and isinstance(column, int) else 0
