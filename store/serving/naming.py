"""Errors of what is served say which file of which bundle they concern."""

from collections.abc import Iterator
from contextlib import contextmanager

from datamon.errors import Corrupt
from datamon.store.bundle import Bundle


@contextmanager
def naming(bundle: Bundle, path: str) -> Iterator[None]:
    """A Corrupt raised inside says that this file cannot be read, and has `path` and `bundle` as facts."""
    try:
        yield
    except Corrupt as error:
        what = f"{path!r} of the bundle {bundle.id}" if path else f"the bundle {bundle.id}"
        facts = {**error.facts, "path": path, "bundle": bundle.id}
        raise Corrupt(error.code, f"{what} cannot be read: {error.message}", **facts) from error
