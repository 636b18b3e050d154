"""Values as JSON can say them."""

import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from datamon.cli.cells import moment


def json_text(value: object) -> str:
    """The value, which JSON can say, on one line."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def plain(value: object) -> object:
    """`value` as JSON can say it."""
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
