"""What to say when the library of a format is not installed."""

from datamon.errors import Invalid


def missing(extra: str) -> Invalid:
    """The error that names the extra which brings it."""
    return Invalid("missing-extra", f"{extra} is not installed; `pip install 'datamon[{extra}]'` adds it", extra=extra)
