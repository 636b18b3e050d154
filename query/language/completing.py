"""What can come next in a statement that is being typed: a pure function of the text, the place in it, and the names there are.

Candidates come from tables of words and names; the grammar itself is the judge of which fit: one is offered only when the
statement, with it, can be read at least to its end.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

from datamon.errors import DatamonError
from datamon.query.functions import CALLABLE
from datamon.query.language.parse import Standing, standing
from datamon.query.language.statement import Source
from datamon.query.language.tokens import Token, scan
from datamon.query.language.unfinished import closers, open_string, place_of, reach
from datamon.query.language.words import (
    AFTER_TABLE,
    ARGUMENTS,
    BEGINNINGS,
    CANDIDATE,
    CHOICES,
    FORMS,
    IN_CLAUSES,
    INSIDE,
    SOURCES,
    WITH_EDGES,
)

What = Literal["word", "reference", "name", "relation", "column", "function"]
_WORD = re.compile(r"[^\W\d]\w*$")
_REST = re.compile(r"\w*")
_FILLERS = ("", " 'x'")
"""What a text is continued by, to see whether it can be."""


@dataclass(frozen=True, slots=True)
class Known:
    """The names there are: columns by relation (sources are relations, too), and what a store has."""

    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sources: Sequence[str] = ()
    repos: Sequence[str] = ()
    refs: Sequence[str] = ()
    """`repo`, `repo@label` and `repo@branch`."""
    steps: Sequence[str] = ()
    params: Sequence[str] = ()
    packages: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that can stand in place of the characters from `start` to `end`."""

    text: str
    start: int
    end: int
    what: What

    def accepted(self, text: str) -> str:
        """The statement with it."""
        return text[: self.start] + self.text + text[self.end :]


def complete(text: str, at: int, known: Known) -> list[Candidate]:
    """The candidates for what is typed at the character `at`, the likeliest kind first; none where nothing is known to fit, in a
    comment, and behind a place that cannot be read."""
    before = text[:at]
    quote = open_string(before)
    if quote is not None:
        return _in_string(text, at, quote, known)
    typed = _WORD.search(before)
    start = typed.start() if typed else at
    end = at + len(_REST.match(text, at).group()) if typed else at  # type: ignore[union-attr]  # it matches nothing, too
    head = before[:start]
    if head[-1:] in ("$", '"', "'") or (not typed and _WORD.search(before)) or not _can_be_read(head):
        return []
    found: dict[str, Candidate] = {}
    for offered, what in _offers(text, head, typed.group() if typed else "", known):
        if offered not in found and _fits(head, offered):
            found[offered] = Candidate(offered, start, end, what)
    return list(found.values())


def _can_be_read(head: str) -> bool:
    """Whether no fault stands before the place, and it lies in no comment."""
    try:
        lies_in_comment = scan(f"{head}x")[-2].span.start < len(head.rstrip())
    except (DatamonError, IndexError):
        return False
    return not lies_in_comment and any(reach(head + filler) >= len(head.rstrip()) for filler in _FILLERS)


def _fits(head: str, offered: str) -> bool:
    whole = head + offered
    fillers = _FILLERS if offered.rpartition(" ")[2] in FORMS or offered.endswith(":=") else ("",)
    return any(reach(whole + filler) >= len(whole) for filler in fillers)


def _in_string(text: str, at: int, quote: int, known: Known) -> list[Candidate]:
    head, typed = text[:quote], text[quote + 1 : at]
    end = at + 1 if text[at : at + 1] == "'" else at
    names = {f"'{name}'": what for name, what in _names(head, known) if name.casefold().startswith(typed.casefold())}
    return [Candidate(name, quote, end, what) for name, what in names.items() if _fits(head, name)]


def _names(head: str, known: Known) -> Iterator[tuple[str, What]]:
    """What can stand in a string after `head`."""
    tokens = scan(head)[:-1]
    if not tokens:
        return
    last = tokens[-1].word
    forms = {"STEP": known.steps, "PARAM": known.params, "ENV": known.packages, "IN": known.repos}
    compared = _compared(tokens, known)
    if compared is not None:
        yield from ((name, "name") for name in compared)
    elif last in forms:
        yield from ((name, "name") for name in forms[last])
    elif last not in ("RUN", "CODE", "COLUMN", "HASH") and _takes_reference(head, tokens):
        yield from ((name, "reference") for name in known.refs)


def _compared(tokens: Sequence[Token], known: Known) -> Sequence[str] | None:
    """The values of the column that is compared before the place, `repo = '` or `repo IN ('`; None where none is."""
    words = [token for token in tokens if not token.mark("(", ",") and token.kind != "string"][-2:]
    if len(words) < 2 or not (words[1].mark("=", "==", "<>", "!=") or words[1].word in ("LIKE", "IN")):
        return None
    values = {"repo": known.repos, "step": [name.rpartition("/")[2] for name in known.steps]}
    return values.get(words[0].value.lower(), None if words[1].word == "IN" else ())


def _takes_reference(head: str, tokens: Sequence[Token]) -> bool:
    """Whether a string after `head` is a reference: a number there cannot be read."""
    if [token.word for token in tokens[-2:]] == ["AS", "OF"]:
        return False
    return reach(f"{head} 0") < len(f"{head} 0") and reach(f"{head} 'x'") >= len(head)


def _offers(text: str, head: str, typed: str, known: Known) -> Iterator[tuple[str, What]]:
    """All candidates that begin as typed, whether they fit or not."""
    for name, what in _all(text, head, typed, known):
        if name.casefold().startswith(typed.casefold()) and name != typed:
            yield (name.lower() if typed.islower() and what == "word" else name), what


def _all(text: str, head: str, typed: str, known: Known) -> Iterator[tuple[str, What]]:
    tokens = scan(head)[:-1]
    first = tokens[0].word if tokens else ""
    if first == "DESCRIBE":
        return _as("relation", known.columns)
    if first == "SHOW":
        return _as("word", ["RELATIONS"])
    here = _standing(head)
    if not tokens or (len(tokens) == 1 and first in ("EXPLAIN", "GRAPH")) or (here is not None and here.query):
        return _as("word", WITH_EDGES if first == "GRAPH" else BEGINNINGS)
    if here is None:  # inside a source or a question
        names = ((f"'{name}'", what) for name, what in _names(head, known) if not typed)
        return chain(_as("word", (*INSIDE, *CHOICES, *ARGUMENTS)), names)
    if here.inside is not None:
        return chain(_as("column", CANDIDATE), _as("word", IN_CLAUSES))
    if here.after is not None:
        return chain(_as("word", _continuing(head, here.after)), _as("word", AFTER_TABLE))
    if here.opens:
        relations = [name for name in known.columns if name not in known.sources]
        more = _as("word", _more_choices(head)) if tokens[-1].mark(",") else iter(())
        return chain(more, _as("relation", relations), _as("word", SOURCES))
    return _in_select(text, here, tokens, typed, known)


def _as(what: What, names: Iterable[str]) -> Iterator[tuple[str, What]]:
    return ((name, what) for name in names)


def _standing(head: str) -> Standing | None:
    """What stands before the place; None where a source or a question is not whole."""
    for filler in ("", " x"):
        try:
            found = standing(f"{head}{filler}{closers(head)}", len(head))
        except DatamonError:
            continue
        if not filler or found.inside is not None:
            return found
    return None


def _continuing(head: str, source: Source) -> Iterator[str]:
    """The words that a source takes as its own although it could end here: it asks for more after them, or is another with
    them."""
    for word in (*INSIDE, *CHOICES):
        longer = f"{head.rstrip()} {word}"
        if any(_is_of_source(longer, filler, source) for filler in ("", " x")):
            yield word


def _is_of_source(longer: str, filler: str, source: Source) -> bool:
    text = longer + filler
    closed = text + closers(text)
    try:
        found = standing(closed, len(text))
    except DatamonError as error:
        return place_of(closed, error) >= len(longer)
    return found.inside is not None or (type(found.after) is type(source) and found.after != source)


def _more_choices(head: str) -> Iterator[str]:
    """What continues `INCLUDING failed,`."""
    for word in CHOICES:
        try:
            longer = f"{head} {word}"
            if standing(longer + closers(longer), len(longer)).after is not None:
                yield word
        except DatamonError:
            continue


def _in_select(
    text: str, here: Standing, tokens: Sequence[Token], typed: str, known: Known
) -> Iterator[tuple[str, What]]:
    last = tokens[-1]
    named = _relations(text, known)
    if last.mark(".") and len(tokens) > 1:
        yield from _as("column", _columns_of(tokens[-2].value.lower(), named, known))
        return
    if here.clause == "FROM":
        yield from _as("word", AFTER_TABLE)
    if here.clause != "FROM" or last.word in ("ON", "AND", "OR", "NOT") or last.kind == "mark":
        yield from _as("column", [column for name in named for column in known.columns[name]])
        yield from _as("word", IN_CLAUSES)
    if typed:
        yield from _as("word", AFTER_TABLE)
        yield from _as("function", [f"{name}(" for name in sorted(CALLABLE)])
        if not named:
            yield from _as("column", [column for columns in known.columns.values() for column in columns])


def _relations(text: str, known: Known) -> list[str]:
    """The relations that a statement names, before the place or after it."""
    words = (word.lower() for word in re.findall(r"\w+", text))
    return list(dict.fromkeys(word for word in words if word in known.columns))


def _columns_of(alias: str, named: Sequence[str], known: Known) -> Iterator[str]:
    """The columns of a relation, or of all that are named where it is an alias."""
    for name in [alias] if alias in known.columns else named:
        yield from known.columns[name]
