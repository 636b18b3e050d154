"""The grammar of what stands after a source, in words and as named arguments, from one table."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar, get_args

from datamon.errors import Invalid
from datamon.query.language.faults import fault, hint
from datamon.query.language.statement import Cursor, Including, Level, Options, Using, Value
from datamon.query.language.tokens import Token, tokenize
from datamon.query.language.typed import instead, listed, text_value

Choice = TypeVar("Choice", bound=str)


@dataclass(frozen=True, slots=True)
class Allowed:
    """The options of a source: their words, the kinds that AT keeps, and what INCLUDING adds."""

    words: tuple[str, ...]
    levels: tuple[Level, ...] = ()
    including: tuple[Including, ...] = ()

    @property
    def shown(self) -> str:
        """The options as a message lists them."""
        return ", ".join(self._shown(word) for word in self.words)

    def _shown(self, word: str) -> str:
        forms = {
            "AT": f"AT {listed(self.levels)}",
            "WITHIN": "WITHIN n",
            "STOP AT": "STOP AT (predicate)",
            "VIA": "VIA (predicate)",
            "AS OF": "AS OF 'time'",
            "USING": "USING declared, observed or any",
            "INCLUDING": f"INCLUDING {listed(self.including)}",
        }
        return forms[word]


_WALKS = ("WITHIN", "STOP AT", "VIA", "AS OF", "USING", "INCLUDING")
_SEEN: tuple[Including, ...] = ("failed", "deleted", "system")
CLOSURE = Allowed(("AT", *_WALKS), ("run", "bundle", "file", "column"), (*_SEEN, "inferred"))
AFFECTED = Allowed(("AT", *_WALKS), ("run", "bundle", "file", "column"), _SEEN)
USED = Allowed(_WALKS, (), _SEEN)
PATHS = Allowed(("WITHIN", "VIA", "AS OF", "USING", "INCLUDING"), (), _SEEN)
STALE = Allowed(("WITHIN", "AS OF", "USING", "INCLUDING"), (), ("frozen",))
PLAN = Allowed(("AS OF", "USING", "INCLUDING"), (), ("frozen",))
PAST = Allowed(("AS OF",))
CONTAINS = Allowed(("AS OF", "INCLUDING"), (), ("deleted", "system"))
_ALL = ("AT", *_WALKS, "STOP", "BECAUSE")


@dataclass(slots=True)
class _Said:
    """The options so far, and which were said, so that none is said twice."""

    allowed: Allowed
    options: Options = field(default_factory=Options)
    words: set[str] = field(default_factory=set)

    def once(self, text: str, token: Token, word: str) -> None:
        if word in self.words:
            raise fault(text, token.span, f"{word} stands twice")
        self.words.add(word)


def options(cursor: Cursor, allowed: Allowed) -> Options:
    """The options that come next, in words; stops before the first token that is none. Raises Invalid (`bad-statement`)."""
    said = _Said(allowed)
    while (word := _next(cursor)) is not None:
        token = cursor.peek()
        if word not in allowed.words:
            more = allowed.shown
            raise fault(
                cursor.text, token.span, f"{word} is no option here; expected {more}, or the rest of the SELECT"
            )
        for _ in word.split():
            cursor.take()
        if word != "INCLUDING":
            said.once(cursor.text, token, word)
        said.options = _WORDS[word](cursor, said)
    return said.options


def _next(cursor: Cursor) -> str | None:
    token, after = cursor.peek(), cursor.peek(1)
    if token.word == "STOP" and after.word == "AT":
        return "STOP AT"
    if token.word == "AS":
        return "AS OF" if after.word == "OF" else None
    if token.word == "USING":
        return "USING" if after.kind == "word" else None
    return token.word if token.word in _ALL else None


def argument(cursor: Cursor, allowed: Allowed, so_far: Options, given: set[str]) -> Options:
    """The options with the named argument that comes next. Raises Invalid (`bad-statement`)."""
    names = {word.lower().replace(" ", "_"): word for word in allowed.words}
    if "as_of" in names:
        names["by"] = "BY"
    token = cursor.peek()
    if not named_argument(cursor) or token.value.lower() not in names:
        more = ", ".join(f"{name} := …" for name in names)
        raise fault(cursor.text, token.span, f"expected one of {more}{instead(token)}{hint(token.value, names)}")
    said = _Said(allowed, so_far, given)
    word = names[token.value.lower()]
    said.once(cursor.text, token, token.value.lower())
    cursor.take()
    cursor.take()
    return _ARGUMENTS[word](cursor, said)


def named_argument(cursor: Cursor) -> bool:
    """Whether `name :=` comes next."""
    return cursor.peek().kind == "word" and cursor.peek(1).mark(":=", "=>")


def _at(cursor: Cursor, said: _Said) -> Options:
    return replace(said.options, at=_chosen(cursor, said.allowed.levels, "AT"))


def _using(cursor: Cursor, said: _Said) -> Options:
    return replace(said.options, using=_chosen(cursor, get_args(Using), "USING"))


def _chosen(cursor: Cursor, choices: tuple[Choice, ...], after: str) -> Choice:
    token = cursor.take()
    for choice in choices:
        if token.kind in ("word", "string") and token.value.lower() == choice:
            return choice
    said = f"expected {listed(choices)} after {after}{instead(token)}{hint(token.value, choices)}"
    raise fault(cursor.text, token.span, said)


def _within(cursor: Cursor, said: _Said) -> Options:
    token = cursor.take()
    if token.kind == "number" and token.value.isdigit() and len(token.value) < 10:
        return replace(said.options, within=Value(token.value, None, token.span))
    if token.kind == "param":
        return replace(said.options, within=Value(None, token.value, token.span))
    raise fault(cursor.text, token.span, f"expected a whole number of runs after WITHIN, or $name{instead(token)}")


def _as_of(cursor: Cursor, said: _Said) -> Options:
    moment = text_value(cursor, "a time such as '2026-03-31' or '2026-03-31T14:00:00Z' in single quotes, or $name")
    started = cursor.words("BY", "STARTED")
    if cursor.peek().word == "BY" and not started:
        token = cursor.peek(1)
        raise fault(
            cursor.text, token.span, f"expected STARTED after BY{instead(token)}{hint(token.value, ('STARTED',))}"
        )
    cursor.skip("BY", "STARTED")
    return replace(said.options, as_of=moment, by_started=started or said.options.by_started)


def _by(cursor: Cursor, said: _Said) -> Options:
    _chosen(cursor, ("started",), "BY")
    return replace(said.options, by_started=True)


def _stop_at(cursor: Cursor, said: _Said) -> Options:
    return replace(said.options, stop_at=_predicate(cursor, "STOP AT"))


def _via(cursor: Cursor, said: _Said) -> Options:
    return replace(said.options, via=_predicate(cursor, "VIA"))


def _predicate(cursor: Cursor, after: str) -> tuple[Token, ...]:
    opening = cursor.take()
    if not opening.mark("("):
        said = f"expected a predicate in parentheses after {after}, as in (repo LIKE 'raw%')"
        raise fault(cursor.text, opening.span, said)
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


def _including(cursor: Cursor, said: _Said) -> Options:
    kept = set(said.options.including)
    while True:
        kept.add(_chosen(cursor, said.allowed.including, "INCLUDING"))
        if not (cursor.peek().mark(",") and cursor.peek(1).word.lower() in get_args(Including)):
            return replace(said.options, including=frozenset(kept))
        cursor.take()


def _including_list(cursor: Cursor, said: _Said) -> Options:
    choices = said.allowed.including
    if not cursor.peek().mark("["):
        return replace(said.options, including=frozenset({_chosen(cursor, choices, "INCLUDING")}))
    cursor.take()
    kept: set[Including] = set()
    while True:
        kept.add(_chosen(cursor, choices, "INCLUDING"))
        token = cursor.take()
        if token.mark("]"):
            return replace(said.options, including=frozenset(kept))
        if not token.mark(","):
            raise fault(cursor.text, token.span, f"expected , or ]{instead(token)}")


def _moment(cursor: Cursor, said: _Said) -> Options:
    moment = text_value(cursor, "a time such as '2026-03-31' in single quotes, or $name")
    return replace(said.options, as_of=moment)


_Read = Callable[[Cursor, _Said], Options]
_WORDS: dict[str, _Read] = {
    "AT": _at,
    "WITHIN": _within,
    "STOP AT": _stop_at,
    "VIA": _via,
    "AS OF": _as_of,
    "USING": _using,
    "INCLUDING": _including,
}
_ARGUMENTS: dict[str, _Read] = _WORDS | {
    "STOP AT": lambda cursor, said: replace(said.options, stop_at=_predicate_text(cursor)),
    "VIA": lambda cursor, said: replace(said.options, via=_predicate_text(cursor)),
    "AS OF": _moment,
    "BY": _by,
    "INCLUDING": _including_list,
}
