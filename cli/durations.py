"""Spans of time as people write them."""

import re

from datamon.errors import Invalid

_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(?P<count>[0-9]{1,9})(?P<unit>[smhdw]?)", re.ASCII)


def duration_ns(text: str) -> int:
    """Nanoseconds in `text`: a whole number of seconds, or of s, m, h, d or w. Raises Invalid (`bad-argument`).

    >>> duration_ns("90m") // 10**9, duration_ns("0")
    (5400, 0)
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise Invalid("bad-argument", f"{text!r} is no span of time; write it like 0, 90m, 24h or 7d", argument=text)
    return int(match["count"]) * _UNITS_S[match["unit"]] * 10**9
