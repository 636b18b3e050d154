"""The grammar of references, sources and their options, as words and as functions."""

from dataclasses import dataclass, field
from typing import NoReturn

from datamon.errors import Invalid
from datamon.query.language.faults import Span, fault, hint
from datamon.query.language.statement import (
    CAUSES,
    Closure,
    Cursor,
    Direction,
    Including,
    Level,
    Produced,
    Ref,
    RefForm,
    Source,
    Stale,
    Value,
)
from datamon.query.language.tokens import Token, tokenize

_FORMS: dict[str, RefForm] = {"BUNDLE": "bundle", "FILE": "file", "RUN": "run", "STEP": "step"}
_LEVELS: dict[str, Level] = {"RUN": "run", "BUNDLE": "bundle"}
_CLOSURE_KEEPS: dict[str, Including] = {"FAILED": "failed", "DELETED": "deleted", "SYSTEM": "system"}
_STALE_KEEPS: dict[str, Including] = {"FROZEN": "frozen"}
_CLOSURE_OPTIONS = "AT run or bundle, WITHIN n, STOP AT (predicate), INCLUDING failed, deleted or system"
_STALE_OPTIONS = "OF 'repo@label', INCLUDING frozen"
_REFERENCE = "a reference such as 'repo@label' in single quotes, or $name"


@dataclass(slots=True)
class Options:
    """What was said after a source so far, with the place of each word, so that none is said twice."""

    at: Level = "any"
    within: Value | None = None
    stop_at: tuple[Token, ...] = ()
    including: set[Including] = field(default_factory=set)
    said: set[str] = field(default_factory=set)


def reference(cursor: Cursor) -> Ref:
    """The reference that comes next, typed or plain. Raises Invalid (`bad-statement`) at what is none."""
    start = cursor.peek().span.start
    form: RefForm = "plain"
    token = cursor.peek()
    if token.word in _FORMS and cursor.peek(1).kind in ("string", "param"):
        form = _FORMS[cursor.take().word]
    elif token.kind == "word" and cursor.peek(1).kind in ("string", "param"):
        near = hint(token.value, [form.lower() for form in _FORMS])
        said = f"{token.value} is no form of reference; expected bundle, file, run or step{near}"
        raise fault(cursor.text, token.span, said)
    elif token.kind in ("word", "name", "number"):
        raise fault(cursor.text, token.span, f"expected {_REFERENCE}{_quote_hint(cursor)}")
    value = text_value(cursor, _REFERENCE)
    return Ref(form, value, Span(start, value.span.end))


def text_value(cursor: Cursor, expected: str) -> Value:
    """The string or parameter that comes next. Raises Invalid (`bad-statement`) that says what was `expected`."""
    token = cursor.peek()
    if token.kind == "string":
        cursor.take()
        return Value(token.value, None, token.span)
    if token.kind == "param":
        cursor.take()
        return Value(None, token.value, token.span)
    raise fault(cursor.text, token.span, f"expected {expected}{_instead(token)}")


def starts_question(cursor: Cursor) -> bool:
    """Whether a question comes next, rightly asked or nearly."""
    return cursor.peek().word in ("WHAT", "WHY")


def question(cursor: Cursor) -> Source:
    """The question that comes next, as the source that it is. Raises Invalid (`bad-statement`)."""
    if cursor.skip("WHY"):
        _expect(cursor, "IS", "IS: WHY IS 'repo@label' STALE")
        ref = reference(cursor)
        _expect(cursor, "STALE", "STALE")
        return Stale(of=ref)
    cursor.take()
    token = cursor.take()
    if token.word == "PRODUCED":
        return Produced(reference(cursor))
    if token.word == "USED":
        return Closure("downstream", reference(cursor), "run", Value("1", None, token.span))
    if token.word == "IS":
        _expect(cursor, "STALE", "STALE")
        return _what_is_stale(cursor)
    said = f"expected PRODUCED, USED or IS STALE after WHAT{hint(token.value, ('PRODUCED', 'USED'))}"
    raise fault(cursor.text, token.span, said)


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
            break
    options = _options(cursor, "STALE")
    return Stale(of, repo, because, frozenset(options.including))


def _cause(cursor: Cursor) -> Value:
    token = cursor.take()
    if token.kind == "param":
        return Value(None, token.value, token.span)
    name = token.value.lower()
    if token.kind not in ("word", "string") or name not in CAUSES:
        said = f"expected a cause: {', '.join(CAUSES)}{hint(token.value, CAUSES)}"
        raise fault(cursor.text, token.span, said)
    return Value(name, None, token.span)


def starts_closure(cursor: Cursor) -> bool:
    """Whether UPSTREAM OF or DOWNSTREAM OF comes next."""
    return cursor.words("UPSTREAM", "OF") or cursor.words("DOWNSTREAM", "OF")


def closure(cursor: Cursor) -> Closure:
    """The closure that comes next, with its options. Raises Invalid (`bad-statement`)."""
    direction: Direction = "upstream" if cursor.take().word == "UPSTREAM" else "downstream"
    _expect(cursor, "OF", "OF")
    ref = reference(cursor)
    options = _options(cursor, "CLOSURE")
    return Closure(direction, ref, options.at, options.within, options.stop_at, frozenset(options.including))


def stale(cursor: Cursor) -> Stale:
    """The STALE source that comes next, with its options. Raises Invalid (`bad-statement`)."""
    cursor.take()
    of = reference(cursor) if cursor.skip("OF") else None
    return Stale(of=of, including=frozenset(_options(cursor, "STALE").including))


def _options(cursor: Cursor, of: str) -> Options:
    """The options that come next; stops before the first token that is none."""
    options = Options()
    closing = of == "CLOSURE"
    while True:
        token = cursor.peek()
        if closing and token.word == "AT":
            _once(cursor, options, "AT")
            options.at = _level(cursor.text, cursor.take())
        elif closing and token.word == "WITHIN":
            _once(cursor, options, "WITHIN")
            options.within = _whole_number(cursor)
        elif closing and cursor.words("STOP", "AT"):
            _once(cursor, options, "STOP AT")
            cursor.take()
            options.stop_at = _predicate(cursor)
        elif token.word == "INCLUDING":
            cursor.take()
            _including(cursor, options, _CLOSURE_KEEPS if closing else _STALE_KEEPS)
        else:
            _refuse_others(cursor, closing)
            return options


def _refuse_others(cursor: Cursor, closing: bool) -> None:
    token, after = cursor.peek(), cursor.peek(1)
    foreign = (
        token.word in ("AT", "WITHIN", "STOP", "VIA", "BECAUSE")
        or (token.word == "USING" and after.kind == "word")
        or (token.word == "AS" and after.word == "OF")
        or (token.word == "BY" and after.word == "STARTED")
    )
    if foreign:
        listed = _CLOSURE_OPTIONS if closing else _STALE_OPTIONS
        raise fault(
            cursor.text, token.span, f"{token.word} is no option here; expected {listed}, or the rest of the SELECT"
        )


def _once(cursor: Cursor, options: Options, name: str) -> None:
    token = cursor.take()
    if name in options.said:
        raise fault(cursor.text, token.span, f"{name} stands twice")
    options.said.add(name)


def _level(text: str, token: Token) -> Level:
    if token.value.upper() in _LEVELS and token.kind in ("word", "string"):
        return _LEVELS[token.value.upper()]
    raise fault(
        text, token.span, f"expected run or bundle after AT{_instead(token)}{hint(token.value, ('run', 'bundle'))}"
    )


def _whole_number(cursor: Cursor) -> Value:
    token = cursor.take()
    if token.kind == "number" and token.value.isdigit() and len(token.value) < 10:
        return Value(token.value, None, token.span)
    if token.kind == "param":
        return Value(None, token.value, token.span)
    raise fault(cursor.text, token.span, f"expected a whole number of runs after WITHIN, or $name{_instead(token)}")


def _predicate(cursor: Cursor) -> tuple[Token, ...]:
    opening = cursor.take()
    if not opening.mark("("):
        raise fault(
            cursor.text, opening.span, "expected a predicate in parentheses after STOP AT, as in (repo LIKE 'raw%')"
        )
    tokens: list[Token] = []
    depth = 1
    while True:
        token = cursor.take()
        depth += token.mark("(") - token.mark(")")
        if depth == 0:
            break
        tokens.append(token)
    if not tokens:
        raise fault(cursor.text, opening.span, "expected a predicate between the parentheses, as in (repo LIKE 'raw%')")
    return tuple(tokens)


def _including(cursor: Cursor, options: Options, keeps: dict[str, Including]) -> None:
    while True:
        token = cursor.take()
        _keep(cursor.text, token, options, keeps)
        if not (cursor.peek().mark(",") and cursor.peek(1).word in {**_CLOSURE_KEEPS, **_STALE_KEEPS}):
            return
        cursor.take()


def _keep(text: str, token: Token, options: Options, keeps: dict[str, Including]) -> None:
    word = token.value.upper()
    if token.kind not in ("word", "string") or word not in keeps:
        known = [key.lower() for key in keeps]
        raise fault(
            text, token.span, f"expected {' or '.join(known)} after INCLUDING{_instead(token)}{hint(word, known)}"
        )
    options.including.add(keeps[word])


def starts_function(cursor: Cursor) -> bool:
    """Whether the function form of a source comes next."""
    return cursor.peek().word in ("UPSTREAM", "DOWNSTREAM", "STALE") and cursor.peek(1).mark("(")


def function(cursor: Cursor) -> Source:
    """The source that comes next in its function form: `upstream('model@prod', within := 2, at := 'run')`.
    Raises Invalid (`bad-statement`)."""
    name = cursor.take().word
    cursor.take()
    options = Options()
    closing = name != "STALE"
    ref: Ref | None = None
    if not _named_argument(cursor) and not cursor.peek().mark(")"):
        ref = reference(cursor)
        _argument_end(cursor)
    elif closing:
        raise fault(cursor.text, cursor.peek().span, f"expected {_REFERENCE}")
    while not cursor.peek().mark(")"):
        _argument(cursor, options, closing)
        _argument_end(cursor)
    cursor.take()
    kept = frozenset(options.including)
    if closing and ref is not None:
        direction: Direction = "upstream" if name == "UPSTREAM" else "downstream"
        return Closure(direction, ref, options.at, options.within, options.stop_at, kept)
    return Stale(of=ref, including=kept)


def _named_argument(cursor: Cursor) -> bool:
    return cursor.peek().kind == "word" and cursor.peek(1).mark(":=", "=>")


def _argument_end(cursor: Cursor) -> None:
    token = cursor.peek()
    if token.mark(","):
        cursor.take()
        if cursor.peek().mark(")"):
            raise fault(cursor.text, cursor.peek().span, "expected an argument after the comma")
    elif not token.mark(")"):
        raise fault(cursor.text, token.span, f"expected , or ){_instead(token)}")


def _argument(cursor: Cursor, options: Options, closing: bool) -> None:
    known = ("at", "within", "stop_at", "including") if closing else ("including",)
    token = cursor.peek()
    if not _named_argument(cursor) or token.value.lower() not in known:
        listed = ", ".join(f"{name} := …" for name in known)
        raise fault(cursor.text, token.span, f"expected one of {listed}{_instead(token)}{hint(token.value, known)}")
    name = token.value.lower()
    _once(cursor, options, name)
    cursor.take()
    if name == "at":
        options.at = _level(cursor.text, cursor.take())
    elif name == "within":
        options.within = _whole_number(cursor)
    elif name == "stop_at":
        options.stop_at = _predicate_text(cursor)
    else:
        _including_list(cursor, options, _CLOSURE_KEEPS if closing else _STALE_KEEPS)


def _predicate_text(cursor: Cursor) -> tuple[Token, ...]:
    token = cursor.take()
    if token.kind != "string" or not token.value.strip():
        raise fault(cursor.text, token.span, "expected a predicate as a string, as in 'repo LIKE ''raw%'''")
    try:
        inner = tokenize(token.value)[:-1]
    except Invalid as error:
        said = error.message.splitlines()[0].partition(": ")[2]
        raise fault(cursor.text, token.span, f"this predicate cannot be read: {said}") from error
    return tuple(Token(t.kind, t.value, token.span) for t in inner)


def _including_list(cursor: Cursor, options: Options, keeps: dict[str, Including]) -> None:
    if not cursor.peek().mark("["):
        _keep(cursor.text, cursor.take(), options, keeps)
        return
    cursor.take()
    while True:
        _keep(cursor.text, cursor.take(), options, keeps)
        token = cursor.take()
        if token.mark("]"):
            return
        if not token.mark(","):
            raise fault(cursor.text, token.span, f"expected , or ]{_instead(token)}")


def _expect(cursor: Cursor, word: str, expected: str) -> None:
    token = cursor.peek()
    if token.word != word:
        raise fault(cursor.text, token.span, f"expected {expected}{_instead(token)}{hint(token.value, (word,))}")
    cursor.take()


def _instead(token: Token) -> str:
    return ", but the statement ends here" if token.kind == "end" else ""


def _quote_hint(cursor: Cursor) -> str:
    """What an unquoted reference was meant to be: the text up to the next space."""
    start = cursor.peek().span.start
    typed = cursor.text[start:].split()[0].rstrip(");,")
    return f"; did you mean '{typed}'?" if typed and "'" not in typed and '"' not in typed else ""


def unexpected(cursor: Cursor, expected: str) -> NoReturn:
    """Raises Invalid (`bad-statement`) at the next token."""
    raise fault(cursor.text, cursor.peek().span, f"expected {expected}{_instead(cursor.peek())}")
