"""The values of params: read from the command line as YAML scalars, made from any Python value, and told apart from secrets."""

import json
import math
import re
from datetime import date, datetime
from enum import Enum
from pathlib import PurePath
from typing import Any, cast

from datamon.errors import Invalid
from datamon.lineage.records import Param, ParamValue

LONGEST_TEXT = 1000
"""The text of a value that JSON cannot say is cut after so many characters."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def parse_param(text: str) -> Param:
    """The param in `NAME=VALUE`, where VALUE is a YAML scalar (`3`, `0.5`, `true`, `null`, anything else is text) or, in
    brackets or braces, a YAML list or mapping. Raises Invalid (`bad-argument`).

    >>> parse_param("scale=3.0").value, parse_param("name=a=b").value
    (3.0, 'a=b')
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise Invalid(
            "bad-argument", f"the param {text!r} is not of the form NAME=VALUE; write --param {text}=…", param=text
        )
    return Param(name.strip(), parse_value(value))


def parse_value(text: str) -> ParamValue:
    """The value that `text` spells in YAML; the text itself when it spells none."""
    import yaml  # 10 ms, which whoever only shows values does without

    try:
        return param_value(yaml.safe_load(text)) if text.strip() else text
    except (yaml.YAMLError, ValueError):
        return text


def param_value(value: object) -> ParamValue:
    """`value` as JSON can say it: numbers, texts, lists and mappings as they are; infinities and not-a-number, dates and paths
    as text; anything else as its `repr` without addresses, so that equal calls give equal records."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Enum):
        return param_value(value.value)
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, datetime | date | PurePath):
        return value.isoformat() if isinstance(value, date) else str(value)
    if isinstance(value, list | tuple):
        return [param_value(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted((param_value(each) for each in value), key=_json)
    if isinstance(value, dict):
        return {str(key): param_value(each) for key, each in value.items()}
    return _foreign(value)


def is_exact(value: object) -> bool:
    """Whether `param_value` gives the very value, so that a function could be given it again.

    >>> is_exact({"a": [1, None]}), is_exact((1, 2)), is_exact(float("nan"))
    (True, False, False)
    """
    if type(value) is list:
        return all(is_exact(each) for each in value)
    if type(value) is dict:
        return all(type(key) is str and is_exact(each) for key, each in value.items())
    return value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))


def _number(value: float) -> ParamValue:
    if isinstance(value, int):
        return int(value)
    return float(value) if math.isfinite(value) else str(float(value))


def _foreign(value: object) -> ParamValue:
    single = getattr(value, "item", None)  # numpy's and its like's scalars
    if callable(single) and getattr(value, "ndim", None) == 0:
        return param_value(cast(Any, single()))
    text = _ADDRESS.sub("", repr(value))
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"


def _json(value: ParamValue) -> str:
    return json.dumps(value, sort_keys=True)


def plain(value: ParamValue) -> str:
    """A param's value as text, as the relation `params` shows it: texts as they are, everything else as JSON.

    >>> plain("x"), plain(3.0), plain([1, None])
    ('x', '3.0', '[1, null]')
    """
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
