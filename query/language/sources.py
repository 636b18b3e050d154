"""The grammar of lineage sources, as words and as functions."""

from collections.abc import Callable
from dataclasses import dataclass

from datamon.query.language.faults import fault, hint
from datamon.query.language.options import (
    AFFECTED,
    CLOSURE,
    PATHS,
    PLAN,
    STALE,
    Allowed,
    argument,
    named_argument,
    options,
)
from datamon.query.language.statement import (
    ASPECTS,
    PLAIN,
    Affected,
    Aspect,
    Closure,
    Cursor,
    Diff,
    Options,
    Paths,
    Planned,
    Ref,
    RefForm,
    Source,
    Stale,
)
from datamon.query.language.typed import (
    CHANGES,
    REFERENCE,
    THINGS,
    expect,
    instead,
    listed,
    reference,
    starts_reference,
)


@dataclass(frozen=True, slots=True)
class _Grammar:
    """A source: its words (the references stand after each but the first of them), how many references it takes at least and at
    most, of which forms, its options, and what it is."""

    words: tuple[str, ...]
    least: int
    most: int
    forms: tuple[RefForm, ...]
    allowed: Allowed
    made: Callable[[tuple[Ref, ...], Options], Source]
    example: str


_GRAMMARS: tuple[_Grammar, ...] = (
    _Grammar(
        ("UPSTREAM", "OF"),
        1,
        1,
        (*THINGS, "column"),
        CLOSURE,
        lambda refs, said: Closure("upstream", refs[0], said),
        "UPSTREAM OF 'repo@label'",
    ),
    _Grammar(
        ("DOWNSTREAM", "OF"),
        1,
        1,
        CHANGES,
        CLOSURE,
        lambda refs, said: Closure("downstream", refs[0], said),
        "DOWNSTREAM OF 'repo@label'",
    ),
    _Grammar(
        ("AFFECTED", "BY"),
        1,
        1,
        CHANGES,
        AFFECTED,
        lambda refs, said: Affected(refs[0], said),
        "AFFECTED BY 'repo@label'",
    ),
    _Grammar(
        ("PATHS", "FROM", "TO"),
        2,
        2,
        THINGS,
        PATHS,
        lambda refs, said: Paths(refs[0], refs[1], said),
        "PATHS FROM 'raw' TO 'model@prod'",
    ),
    _Grammar(("PLAN", "FOR"), 1, 1, THINGS, PLAN, lambda refs, said: Planned(refs[0], said), "PLAN FOR 'repo@label'"),
    _Grammar(
        ("STALE", "OF"),
        0,
        1,
        THINGS,
        STALE,
        lambda refs, said: Stale(refs[0] if refs else None, options=said),
        "STALE OF 'repo@label'",
    ),
)
_BY_WORD = {grammar.words[0]: grammar for grammar in _GRAMMARS}
_DIFF = "DIFF 'repo@v1', 'repo@v2'"
WORDS = (*_BY_WORD, "DIFF")
"""The words that sources begin with."""


def starts_source(cursor: Cursor) -> bool:
    """Whether a source comes next for certain: its first two words, or DIFF and a reference."""
    grammar = _BY_WORD.get(cursor.peek().word)
    if grammar is None:
        return cursor.peek().word == "DIFF" and starts_reference(cursor, 1)
    if grammar.words[0] == "PATHS":  # substring(paths FROM '…') is none
        after = 3 if cursor.peek(2).kind in ("string", "param") else 4
        return cursor.peek(1).word == "FROM" and starts_reference(cursor, 2) and cursor.peek(after).word == "TO"
    return cursor.peek(1).word == grammar.words[1]


def needs_more(word: str) -> bool:
    """Whether this first word of a source is no source by itself."""
    return word in WORDS and word != "STALE"


def source(cursor: Cursor) -> Source:
    """The source that comes next, with its options. Raises Invalid (`bad-statement`)."""
    if cursor.peek().word == "DIFF":
        return _diff(cursor)
    grammar = _BY_WORD[cursor.take().word]
    refs: list[Ref] = []
    if grammar.least or cursor.peek().word == grammar.words[1]:
        for word in grammar.words[1:]:
            expect(cursor, word, f"{word} after {_before(grammar, word)}: {grammar.example}")
            refs.append(reference(cursor, grammar.forms))
    return grammar.made(tuple(refs), options(cursor, grammar.allowed))


def _before(grammar: _Grammar, word: str) -> str:
    at = grammar.words.index(word)
    return grammar.words[0] if at == 1 else "the first reference"


def _diff(cursor: Cursor) -> Diff:
    cursor.take()
    old = reference(cursor)
    token = cursor.take()
    if not token.mark(","):
        raise fault(cursor.text, token.span, f"expected a comma and a second reference: {_DIFF}{instead(token)}")
    new = reference(cursor)
    return Diff(old, new, _aspects(cursor) if cursor.skip("ON") else frozenset(ASPECTS))


def _aspects(cursor: Cursor) -> frozenset[Aspect]:
    chosen: set[Aspect] = set()
    while True:
        chosen |= _aspect(cursor)
        if not (cursor.peek().mark(",") and cursor.peek(1).word.lower() in (*ASPECTS, "all")):
            return frozenset(chosen)
        cursor.take()


def _aspect(cursor: Cursor) -> set[Aspect]:
    token = cursor.take()
    found: set[Aspect] = {each for each in ASPECTS if token.value.lower() in (each, "all")}
    if not found or token.kind not in ("word", "string"):
        known = (*ASPECTS, "all")
        said = f"expected {listed(known)} after ON{instead(token)}{hint(token.value, known)}"
        raise fault(cursor.text, token.span, said)
    return found


def starts_function(cursor: Cursor) -> bool:
    """Whether the function form of a source comes next."""
    return cursor.peek().word in WORDS and cursor.peek(1).mark("(")


def function(cursor: Cursor) -> Source:
    """The source that comes next in its function form: `upstream('model@prod', within := 2, at := 'run')`.
    Raises Invalid (`bad-statement`)."""
    name = cursor.take().word
    cursor.take()
    if name == "DIFF":
        return _diff_function(cursor)
    grammar = _BY_WORD[name]
    refs = _reference_arguments(cursor, grammar.forms, grammar.least, grammar.most)
    said, given = PLAIN, set[str]()
    while not cursor.peek().mark(")"):
        said = argument(cursor, grammar.allowed, said, given)
        _argument_end(cursor)
    cursor.take()
    return grammar.made(refs, said)


def _diff_function(cursor: Cursor) -> Diff:
    old, new = _reference_arguments(cursor, THINGS, 2, 2)
    on = frozenset(ASPECTS)
    if cursor.peek().word == "ON" and named_argument(cursor):
        cursor.take()
        cursor.take()
        on = _aspect_list(cursor)
        _argument_end(cursor)
    if not cursor.peek().mark(")"):
        raise fault(cursor.text, cursor.peek().span, "expected on := … or )")
    cursor.take()
    return Diff(old, new, on)


def _aspect_list(cursor: Cursor) -> frozenset[Aspect]:
    if not cursor.peek().mark("["):
        return frozenset(_aspect(cursor))
    cursor.take()
    chosen: set[Aspect] = set()
    while True:
        chosen |= _aspect(cursor)
        token = cursor.take()
        if token.mark("]"):
            return frozenset(chosen)
        if not token.mark(","):
            raise fault(cursor.text, token.span, f"expected , or ]{instead(token)}")


def _reference_arguments(cursor: Cursor, forms: tuple[RefForm, ...], least: int, most: int) -> tuple[Ref, ...]:
    refs: list[Ref] = []
    while len(refs) < most and not named_argument(cursor) and not cursor.peek().mark(")"):
        refs.append(reference(cursor, forms))
        _argument_end(cursor)
    if len(refs) < least:
        raise fault(cursor.text, cursor.peek().span, f"expected {REFERENCE}")
    return tuple(refs)


def _argument_end(cursor: Cursor) -> None:
    token = cursor.peek()
    if token.mark(","):
        cursor.take()
        if cursor.peek().mark(")"):
            raise fault(cursor.text, cursor.peek().span, "expected an argument after the comma")
    elif not token.mark(")"):
        raise fault(cursor.text, token.span, f"expected , or ){instead(token)}")
