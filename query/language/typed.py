"""The grammar of references and values: what stands in quotes, and the word before it that says what kind it is."""

from typing import NoReturn

from datamon.query.language.faults import Span, fault, hint
from datamon.query.language.statement import Cursor, Ref, RefForm, Value
from datamon.query.language.tokens import Token

THINGS: tuple[RefForm, ...] = ("bundle", "file", "run", "step")
"""What everything can be asked of."""
CHANGES: tuple[RefForm, ...] = (*THINGS, "code", "param", "env", "column")
"""What can change, so that something is affected; and what runs can have in common."""
CONTENTS: tuple[RefForm, ...] = ("bundle", "file", "hash")
"""What can be held by bundles."""
REFERENCE = "a reference such as 'repo@label' in single quotes, or $name"


def reference(cursor: Cursor, forms: tuple[RefForm, ...] = THINGS) -> Ref:
    """The reference that comes next, plain or of one of these forms. Raises Invalid (`bad-statement`) at what is none."""
    start = cursor.peek().span.start
    form: RefForm = "plain"
    token = cursor.peek()
    if token.kind == "word" and cursor.peek(1).kind in ("string", "param"):
        form = _form(cursor, forms)
    elif token.kind in ("word", "name", "number"):
        raise fault(cursor.text, token.span, f"expected {REFERENCE}{_quote_hint(cursor)}")
    value = text_value(cursor, REFERENCE)
    return Ref(form, value, Span(start, value.span.end))


def starts_reference(cursor: Cursor, ahead: int = 0) -> bool:
    """Whether a reference stands so far ahead, of whatever form, or nearly."""
    token = cursor.peek(ahead)
    return token.kind in ("string", "param") or (
        token.word.lower() in CHANGES and cursor.peek(ahead + 1).kind in ("string", "param")
    )


def _form(cursor: Cursor, forms: tuple[RefForm, ...]) -> RefForm:
    token = cursor.take()
    for form in forms:
        if token.word == form.upper():
            return form
    said = f"{token.value} is no form of reference here; expected {listed(forms)}{hint(token.value, forms)}"
    raise fault(cursor.text, token.span, said)


def text_value(cursor: Cursor, expected: str) -> Value:
    """The string or parameter that comes next. Raises Invalid (`bad-statement`) that says what was `expected`."""
    token = cursor.peek()
    if token.kind == "string":
        cursor.take()
        return Value(token.value, None, token.span)
    if token.kind == "param":
        cursor.take()
        return Value(None, token.value, token.span)
    raise fault(cursor.text, token.span, f"expected {expected}{instead(token)}")


def expect(cursor: Cursor, word: str, expected: str = "") -> None:
    """Takes this word. Raises Invalid (`bad-statement`) that says what was `expected` when something else comes next."""
    token = cursor.peek()
    if token.word != word:
        raise fault(cursor.text, token.span, f"expected {expected or word}{instead(token)}{hint(token.value, (word,))}")
    cursor.take()


def instead(token: Token) -> str:
    """What a message says when there is nothing where something was expected."""
    return ", but the statement ends here" if token.kind == "end" else ""


def unexpected(cursor: Cursor, expected: str) -> NoReturn:
    """Raises Invalid (`bad-statement`) at the next token."""
    raise fault(cursor.text, cursor.peek().span, f"expected {expected}{instead(cursor.peek())}")


def listed(names: tuple[str, ...]) -> str:
    """Names as a sentence has them.

    >>> listed(("a", "b", "c"))
    'a, b or c'
    """
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else "".join(names)


def _quote_hint(cursor: Cursor) -> str:
    """What an unquoted reference was meant to be: the text up to the next space."""
    start = cursor.peek().span.start
    typed = cursor.text[start:].split()[0].rstrip(");,")
    return f"; did you mean '{typed}'?" if typed and "'" not in typed and '"' not in typed else ""
