"""The values that were given with a statement, for the parameters that stand in it."""

import datetime
import decimal
import uuid
from collections.abc import Mapping, Sequence

from datamon.errors import Invalid
from datamon.query.language.faults import fault, hint, nearest
from datamon.query.language.statement import Value
from datamon.query.language.tokens import Token

Params = Mapping[str, object]
_MOST_RUNS = 10**9
_PLAIN = (bool, float, bytes, decimal.Decimal, datetime.date, datetime.time, datetime.timedelta, uuid.UUID)


def check_given(text: str, tokens: Sequence[Token], params: Params) -> None:
    """Every parameter in the statement has a value and every value has its parameter. Raises Invalid (`bad-statement`) at the
    first without a value, Invalid (`bad-argument`) for a value that nothing asks for."""
    wanted = [token for token in tokens if token.kind == "param"]
    for token in wanted:
        if token.value not in params:
            said = f"no value was given for ${token.value}; give it with the statement as {token.value}=…"
            raise fault(text, token.span, said + hint(token.value, params))
        if not _can_be_bound(params[token.value]):
            kind = _kind(params[token.value])
            said = f"${token.value} cannot be {kind} of this form; give a number, a text, a time, or a list of them"
            raise fault(text, token.span, said)
    names = {token.value for token in wanted}
    for name in params:
        if name not in names:
            near = nearest(name, names)
            said = f"did you mean ${near}?" if near else f"write ${name} where its value belongs, or leave it out"
            raise Invalid("bad-argument", f"nothing in the statement asks for {name!r}; {said}", name=name)


def _can_be_bound(given: object) -> bool:
    if isinstance(given, str):
        return not any("\ud800" <= character <= "\udfff" for character in given)
    if isinstance(given, int):
        return -(2**127) <= given < 2**127
    if isinstance(given, list | tuple):
        return all(_can_be_bound(each) for each in given)
    return given is None or isinstance(given, _PLAIN)


def text_of(text: str, value: Value, params: Params) -> str:
    """The text that stands at `value`. Raises Invalid (`bad-statement`) when its parameter is no text."""
    if value.param is None:
        return value.literal or ""
    given = params[value.param]
    if not isinstance(given, str):
        raise fault(text, value.span, f"${value.param} has to be a text here, it is {_kind(given)}")
    return given


def runs_of(text: str, value: Value, params: Params) -> int:
    """The whole number of runs at `value`, zero or more. Raises Invalid (`bad-statement`) when its parameter is none."""
    given = params[value.param] if value.param is not None else value.literal
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 10:
        return int(given)
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= _MOST_RUNS:
        return given
    raise fault(text, value.span, f"${value.param} has to be a whole number of runs here, it is {_kind(given)}")


def _kind(given: object) -> str:
    return "nothing" if given is None else f"a value of type {type(given).__name__}"
