"""Times as people tell them."""

from datetime import UTC, datetime, timedelta

_STEPS = ((60, 1, "s"), (3_600, 60, "min"), (86_400, 3_600, "h"), (7 * 86_400, 86_400, "day"))


def told(time: datetime, now: datetime) -> str:
    """How long ago, up to a week; after that the day in UTC.

    >>> at = datetime(2026, 3, 31, 14, tzinfo=UTC)
    >>> told(at - timedelta(minutes=3), at), told(at - timedelta(days=1), at), told(at - timedelta(days=9), at)
    ('3 min ago', '1 day ago', '2026-03-22')
    """
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    seconds = (now - time) / timedelta(seconds=1)
    if seconds < 5:
        return "just now"  # another machine's clock may be ahead
    for below, unit, word in _STEPS:
        if seconds < below:
            count = int(seconds // unit)
            return f"{count} {word}{'s' if word == 'day' and count > 1 else ''} ago"
    return f"{time.astimezone(UTC):%Y-%m-%d}"


def took(seconds: float) -> str:
    """A span of time in the unit in which it is short.

    >>> took(0.0421), took(3.14), took(75), took(7_500)
    ('42 ms', '3.1 s', '1 min 15 s', '2 h 5 min')
    """
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
