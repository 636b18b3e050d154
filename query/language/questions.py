"""The grammar of the questions: each is a source by another name."""

from collections.abc import Callable
from dataclasses import replace

from datamon.query.language.faults import fault, hint
from datamon.query.language.options import AFFECTED, CONTAINS, PAST, PLAN, STALE, USED, options
from datamon.query.language.statement import (
    CAUSES,
    Affected,
    Closure,
    Contains,
    Cursor,
    Differ,
    NotReused,
    Planned,
    Produced,
    Ref,
    Source,
    Stale,
    Value,
)
from datamon.query.language.typed import CHANGES, CONTENTS, THINGS, expect, instead, reference, text_value

_WHAT = "PRODUCED, USED, CONTAINS, IS STALE or IS AFFECTED BY"
_WHY = "IS 'repo@label' STALE, DOES 'repo@v2' DIFFER FROM 'repo@v1' or WAS run '…' NOT REUSED"


def starts_question(cursor: Cursor) -> bool:
    """Whether a question comes next, rightly asked or nearly."""
    return cursor.peek().word in ("WHAT", "WHY", "HOW")


def question(cursor: Cursor) -> Source:
    """The question that comes next, as the source that it is. Raises Invalid (`bad-statement`)."""
    asked = cursor.take()
    if asked.word == "HOW":
        expect(cursor, "TO", "TO REBUILD: HOW TO REBUILD 'repo@label'")
        expect(cursor, "REBUILD", "REBUILD: HOW TO REBUILD 'repo@label'")
        return Planned(reference(cursor), options(cursor, PLAN))
    forms, expected = (
        (_WHAT_FORMS, f"{_WHAT} after WHAT") if asked.word == "WHAT" else (_WHY_FORMS, f"{_WHY} after WHY")
    )
    token = cursor.take()
    if token.word not in forms:
        near = hint(token.value, tuple(forms)) if token.kind == "word" else ""
        raise fault(cursor.text, token.span, f"expected {expected}{instead(token)}{near}")
    return forms[token.word](cursor)


def _produced(cursor: Cursor) -> Source:
    return Produced(reference(cursor, (*THINGS, "column")), options(cursor, PAST))


def _used(cursor: Cursor) -> Source:
    at = cursor.peek().span
    ref = reference(cursor, CHANGES)
    return Closure("downstream", ref, replace(options(cursor, USED), at="run", within=Value("1", None, at)))


def _contains(cursor: Cursor) -> Source:
    return Contains(reference(cursor, CONTENTS), options(cursor, CONTAINS))


def _is(cursor: Cursor) -> Source:
    if cursor.skip("AFFECTED"):
        expect(cursor, "BY", "BY: WHAT IS AFFECTED BY 'repo@label'")
        return Affected(reference(cursor, CHANGES), options(cursor, AFFECTED))
    expect(cursor, "STALE", "STALE or AFFECTED BY")
    return _what_is_stale(cursor)


def _what_is_stale(cursor: Cursor) -> Stale:
    of: Ref | None = None
    repo: Value | None = None
    because: Value | None = None
    while True:
        token = cursor.peek()
        if token.word == "IN" and repo is None:
            cursor.take()
            repo = text_value(cursor, "the name of a repo in single quotes, or $name")
        elif token.word == "OF" and of is None:
            cursor.take()
            of = reference(cursor)
        elif token.word == "BECAUSE" and because is None:
            cursor.take()
            because = _cause(cursor)
        elif token.word in ("IN", "OF", "BECAUSE"):
            raise fault(cursor.text, token.span, f"{token.word} stands twice")
        else:
            return Stale(of, repo, because, options(cursor, STALE))


def _cause(cursor: Cursor) -> Value:
    token = cursor.take()
    if token.kind == "param":
        return Value(None, token.value, token.span)
    name = token.value.lower()
    if token.kind not in ("word", "string") or name not in CAUSES:
        said = f"expected a cause: {', '.join(CAUSES)}{hint(token.value, CAUSES)}"
        raise fault(cursor.text, token.span, said)
    return Value(name, None, token.span)


def _why_is(cursor: Cursor) -> Source:
    ref = reference(cursor)
    expect(cursor, "STALE")
    return Stale(ref, options=options(cursor, STALE))


def _why_does(cursor: Cursor) -> Source:
    ref = reference(cursor)
    expect(cursor, "DIFFER", "DIFFER FROM and a second reference")
    expect(cursor, "FROM", "FROM and a second reference")
    return Differ(ref, reference(cursor), options(cursor, PAST))


def _why_was(cursor: Cursor) -> Source:
    ref = reference(cursor)
    expect(cursor, "NOT", "NOT REUSED")
    expect(cursor, "REUSED")
    return NotReused(ref)


_Forms = dict[str, Callable[[Cursor], Source]]
_WHAT_FORMS: _Forms = {"PRODUCED": _produced, "USED": _used, "CONTAINS": _contains, "IS": _is}
_WHY_FORMS: _Forms = {"IS": _why_is, "DOES": _why_does, "WAS": _why_was}
