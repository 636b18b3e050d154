"""What every kind of journal says of a record and of a reader's place."""

from collections.abc import Callable

from datamon.errors import Corrupt
from datamon.store.clock import Clock
from datamon.store.codec import Record, stamped
from datamon.store.ids import new_ksuid

Cursor = Record
"""How far a reader has read, as JSON; `{}` is the beginning. Its `skipped` counts the damaged records passed so far."""


def completed(record: Record, clock: Clock) -> Record:
    """`record` with the format, an `event` and a `time`, unless it has them."""
    if "event" in record and "time" in record:
        return stamped(record["kind"], record)
    time_ns = clock()
    return stamped(record["kind"], {"event": new_ksuid(time_ns), "time": time_ns, **record})


def decoded_or_none(read: Callable[[], Record]) -> Record | None:
    """What `read` gives; None where that is Corrupt."""
    try:
        return read()
    except Corrupt:
        return None
