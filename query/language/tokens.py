"""The tokens of a statement. Comments and layout end here: what follows sees words, strings, numbers, parameters, marks."""

import re
from dataclasses import dataclass
from typing import Literal

from datamon.query.language.faults import Span, fault

TokenKind = Literal["word", "name", "string", "number", "param", "mark", "end"]

LONGEST = 100_000
DEEPEST = 100
_SPACE = re.compile(r"\s+")
_LINE_COMMENT = re.compile(r"--[^\n]*")
_WORD = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(r"(?:\d[\d_]*(?:\.\d[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?")
_PARAM = re.compile(r"\$([^\W\d]\w*)")
_DOLLAR = re.compile(r"\$([^\W\d]\w*)?\$")
_MARK = re.compile(
    r"!~~\*|<=>|->>|!~~|~~\*|~~~|<->|::|:=|=>|==|<=|>=|<>|!=|\|\||->|<<|>>|\*\*|//|~~|!~|\^@|@>|<@|&&|[-+*/%^<>=~!@#&|:.,;()\[\]{}]"
)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `value` is what it says: a word as typed, a string without its quotes, a parameter without its `$`."""

    kind: TokenKind
    value: str
    span: Span

    @property
    def word(self) -> str:
        """The word in capitals; empty for what is no word (a quoted name is never a keyword)."""
        return self.value.upper() if self.kind == "word" else ""

    def mark(self, *marks: str) -> bool:
        """Whether this is one of these marks."""
        return self.kind == "mark" and self.value in marks

    @property
    def sql(self) -> str:
        """The token as SQL, with no more than one way to read it."""
        if self.kind == "string":
            return "'" + self.value.replace("'", "''") + "'"
        if self.kind == "name":
            return '"' + self.value.replace('"', '""') + '"'
        return "$" + self.value if self.kind == "param" else self.value


def tokenize(text: str) -> list[Token]:
    """The tokens of `text`, the last of kind `end`. Raises Invalid (`bad-statement`) for what is no token, an unclosed quote
    or comment, parentheses that do not match, or more than `LONGEST` characters or `DEEPEST` nested brackets.

    >>> [t.value for t in tokenize("FROM runs -- all")]
    ['FROM', 'runs', '']
    """
    if len(text) > LONGEST:
        raise fault(
            text[:200], Span(0, 1), f"a statement has at most {LONGEST:,} characters, this one has {len(text):,}"
        )
    tokens = scan(text)
    _check_brackets(text, tokens)
    return tokens


def scan(text: str) -> list[Token]:
    """As `tokenize`, whether brackets match or not."""
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        skipped = _skip(text, at)
        if skipped > at:
            at = skipped
            continue
        token = _token(text, at)
        if token.kind == "string" and tokens and tokens[-1].kind == "string":
            raise fault(text, token.span, "two strings in a row; expected a comma or || between them")
        tokens.append(token)
        at = token.span.end
    tokens.append(Token("end", "", Span(len(text.rstrip()), len(text.rstrip()) + 1)))
    return tokens


def _skip(text: str, at: int) -> int:
    for pattern in (_SPACE, _LINE_COMMENT):
        if found := pattern.match(text, at):
            return found.end()
    if not text.startswith("/*", at):
        return at
    end = text.find("*/", at + 2)
    inner = text.find("/*", at + 2)
    if end < 0:
        raise fault(text, Span(at, at + 2), "this comment is never closed; expected */", unfinished=True)
    if 0 <= inner < end:
        raise fault(text, Span(inner, inner + 2), "a comment inside a comment; close the first with */")
    return end + 2


def _token(text: str, at: int) -> Token:
    first = text[at]
    if first == "'":
        return _quoted(text, at, "string")
    if first == '"':
        return _quoted(text, at, "name")
    if first == "$":
        return _dollar(text, at)
    if found := _WORD.match(text, at):
        return _word(text, found)
    if (first.isascii() and first.isdigit()) or first == ".":
        number = _NUMBER.match(text, at)
        if number and _WORD.match(text, number.end()):
            raise fault(text, Span(at, number.end() + 1), "a number runs into a word; expected a space or an operator")
        if number:
            return Token("number", number.group(), Span(at, number.end()))
    if mark := _MARK.match(text, at):
        return Token("mark", mark.group(), Span(at, mark.end()))
    if first == "?":
        raise fault(text, Span(at, at + 1), "a parameter has a name: write $name and give its value with it")
    raise fault(
        text, Span(at, at + 1), f"the character {first!r} has no meaning here; expected a word, a string or a number"
    )


def _word(text: str, found: re.Match[str]) -> Token:
    """A word, or a string with a letter before its quote. Only E'…' has one meaning that all readers share."""
    word, end = found.group(), found.end()
    if not text.startswith("'", end) or word.lower() not in ("e", "x", "b", "u", "n"):
        return Token("word", word, Span(found.start(), end))
    if word.lower() != "e":
        raise fault(text, Span(found.start(), end + 1), "expected a plain string in single quotes")
    return _escaped(text, found.start(), end + 1)


def _quoted(text: str, at: int, kind: Literal["string", "name"]) -> Token:
    quote = text[at]
    parts: list[str] = []
    start = at + 1
    while (end := text.find(quote, start)) >= 0:
        parts.append(text[start:end])
        if not text.startswith(quote, end + 1):
            value = quote.join(parts)
            _check_content(text, Span(at, end + 1), value, kind)
            return Token(kind, value, Span(at, end + 1))
        start = end + 2
    what = "string" if kind == "string" else "quoted name"
    raise fault(text, Span(at, at + 1), f"this {what} is never closed; expected a closing {quote}", unfinished=True)


def _escaped(text: str, start: int, at: int) -> Token:
    parts: list[str] = []
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            parts.append(_ESCAPES.get(text[at + 1], text[at + 1]))
            at += 2
        elif text.startswith("''", at):
            parts.append("'")
            at += 2
        elif text[at] == "'":
            _check_content(text, Span(start, at + 1), "".join(parts), "string")
            return Token("string", "".join(parts), Span(start, at + 1))
        else:
            parts.append(text[at])
            at += 1
    raise fault(text, Span(start, start + 2), "this string is never closed; expected a closing '", unfinished=True)


def _dollar(text: str, at: int) -> Token:
    if opening := _DOLLAR.match(text, at):
        end = text.find(opening.group(), opening.end())
        if end < 0:
            raise fault(
                text,
                Span(at, opening.end()),
                f"this string is never closed; expected {opening.group()}",
                unfinished=True,
            )
        span = Span(at, end + len(opening.group()))
        _check_content(text, span, text[opening.end() : end], "string")
        return Token("string", text[opening.end() : end], span)
    if found := _PARAM.match(text, at):
        return Token("param", found.group(1), Span(at, found.end()))
    raise fault(text, Span(at, at + 1), "a parameter has a name: write $name and give its value with it")


def _check_content(text: str, span: Span, value: str, kind: str) -> None:
    if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
        raise fault(text, span, "a string holds a character that cannot be compared: NUL or half of a pair")
    if kind == "name" and not value:
        raise fault(text, span, "a quoted name is empty; expected a name")


def _check_brackets(text: str, tokens: list[Token]) -> None:
    pairs = {")": "(", "]": "[", "}": "{"}
    closing = {opening: end for end, opening in pairs.items()}
    stack: list[Token] = []
    for token in tokens:
        if token.mark("(", "[", "{"):
            stack.append(token)
            if len(stack) > DEEPEST:
                raise fault(text, token.span, f"more than {DEEPEST} brackets inside each other")
        elif token.mark(*pairs):
            if not stack:
                raise fault(text, token.span, f"nothing opened this {token.value}")
            opened = stack.pop()
            if opened.value != pairs[token.value]:
                raise fault(text, token.span, f"expected {closing[opened.value]} here, to close {opened.value}")
    if stack:
        said = f"this {stack[-1].value} is never closed; expected {closing[stack[-1].value]}"
        raise fault(text, stack[-1].span, said, unfinished=True)
