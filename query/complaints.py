"""What the engine says of a statement, in our words and at its place in the statement."""

import re
from collections.abc import Collection

import duckdb

from datamon.errors import DatamonError, Unavailable
from datamon.query.compile import Compiled
from datamon.query.language.faults import fault, hint

_LINE = re.compile(r"^LINE (\d+):", re.MULTILINE)
_PREFIX = re.compile(r"^[A-Z][A-Za-z ]* Error: ")
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
_KNOWN = (
    (re.compile(r'Referenced column "(.+?)" not found'), "there is no column {0!r} here"),
    (re.compile(r'"([^"]+?)" does not have a column named "(.+?)"'), "{0} has no column {1!r}"),
    (re.compile(r'Referenced table "(.+?)" not found'), "{0!r} names no relation in this FROM"),
    (re.compile(r"function matches the given name and argument types '(.+?)'"), "the types do not fit: {0}"),
    (re.compile(r"module '(pytz)'"), "a time with a zone lies inside another value; cast it to TIMESTAMP"),
    (re.compile(r"Values were not provided for the following.*parameters: (.+)"), "no value was given for ${0}"),
)


def complaint(error: duckdb.Error, compiled: Compiled, columns: Collection[str]) -> DatamonError:
    """Our error for one of DuckDB's while it ran `compiled`: Unavailable (`query-stopped`) when a limit stopped it, else Invalid
    (`bad-statement`). `columns` are the names that could be meant."""
    message = str(error)
    if isinstance(error, duckdb.InterruptException | duckdb.OutOfMemoryException):
        limit = "its time" if isinstance(error, duckdb.InterruptException) else "its memory"
        return Unavailable(
            "query-stopped", f"the statement reached {limit} limit and was stopped; narrow it, or add a LIMIT"
        )
    found = _LINE.search(message)
    place = compiled.at_line(int(found.group(1))) if found else compiled.spans[0]
    return fault(compiled.text, place, _said(message, columns))


def _said(message: str, columns: Collection[str]) -> str:
    body = _PREFIX.sub("", message.strip())
    first = body.splitlines()[0] if body else "the statement cannot be answered"
    for pattern, words in _KNOWN:
        if match := pattern.search(first):
            return words.format(*match.groups()) + _hint(match.groups()[-1], body, columns)
    return first.split(". You might")[0].rstrip("!. ")


def _hint(name: str, body: str, columns: Collection[str]) -> str:
    named = [line for line in body.splitlines() if line.startswith(("Candidate", "Did you mean"))]
    known = [quoted.replace('""', '"').split(".")[-1] for line in named for quoted in _QUOTED.findall(line)]
    return hint(name, {*known, *columns}) or ("; DESCRIBE lists the columns of a relation" if known else "")
