"""What the journal tells of the runs that have not ended in full. It is remembered between commands, so that each reads only
what came since."""

import json
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from datamon.errors import Corrupt, Unavailable
from datamon.lineage.records import RUN_ABANDONED, RUN_CLOSED, RUN_KINDS, Run, combine, run_of
from datamon.lineage.stored import run_closed_by, tells_only_of
from datamon.store import layout
from datamon.store.backend import drop_note
from datamon.store.codec import Record, decode, encode
from datamon.store.ids import RunId, new_ksuid
from datamon.store.journal import Cursor, stored_since
from datamon.store.journal_records import decoded_or_none
from datamon.store.opening import Store

_FILE = "unfinished-runs.json"
_BATCH = 20_000
_Events = dict[RunId, list[Record]]


def marked_runs(store: Store) -> Iterator[RunId]:
    """The runs that are marked as open, by one listing."""
    for stored in store.metadata.list(layout.OPEN_RUNS):
        yield RunId(stored.key.removeprefix(layout.OPEN_RUNS))


def drop_mark(store: Store, run: RunId) -> None:
    """The run, which has ended in full, is no longer looked after. Where the backend cannot be reached now, the next command does
    this: a mark is a pointer and never the truth. Raises Denied."""
    with suppress(Unavailable):
        drop_note(store.metadata, layout.open_run(run))


def unfinished_runs(store: Store) -> dict[RunId, Run]:
    """Every run that was opened and has not ended, and every one that ended and is still marked as open, as the journal tells
    of it now. Raises Unavailable, Denied, Corrupt."""
    cursor, events = _remembered(store)
    try:
        cursor, events = _read_on(store, cursor, events)
    except Corrupt:
        if not cursor:
            raise
        cursor, events = _read_on(store, {}, {})  # what was remembered is of another journal
    _remember(store, cursor, events)
    combined = {run: combine(told) for run, told in events.items()}
    return {run: whole for run, whole in combined.items() if whole is not None}


def _read_on(store: Store, cursor: Cursor, events: _Events) -> tuple[Cursor, _Events]:
    while True:
        bodies, after = stored_since(store.journal, cursor, _BATCH)
        if not bodies and after == cursor:
            return cursor, events
        cursor = after
        # After the reading: a run that ended in what was read and is not marked by now has ended in full.
        marked = set(marked_runs(store))
        for event in _that_matter(bodies, {*events, *marked}):
            events.setdefault(run_of(event), []).append(event)
        events = {run: told for run, told in events.items() if run in marked or not _ended(told)}


def _that_matter(bodies: list[bytes], watched: set[RunId]) -> Iterator[Record]:
    """The records of runs but for those that ended in what was read and are not among `watched`: most, so that it is not said of
    them by decoding."""
    closed = set(filter(None, map(run_closed_by, bodies)))
    ended = closed - {run.encode() for run in watched}
    for body in bodies:
        if tells_only_of(body, ended):
            continue
        record = decoded_or_none(partial(decode, body, layout.JOURNAL_FILE))
        if record is not None and record["kind"] in RUN_KINDS and run_of(record).encode() not in ended:
            yield record


def _ended(told: list[Record]) -> bool:
    return any(event["kind"] in (RUN_CLOSED, RUN_ABANDONED) for event in told)


def _remembered(store: Store) -> tuple[Cursor, _Events]:
    """What the last command on this machine left; nothing when it left nothing that can be used."""
    if store.state_dir is None:
        return {}, {}
    try:
        record: Any = json.loads(store.cover.off((store.state_dir / _FILE).read_bytes(), _FILE))
        if record["store"] != store.id:
            return {}, {}
        return dict(record["cursor"]), {RunId(run): list(told) for run, told in record["events"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}, {}


def _remember(store: Store, cursor: Cursor, events: _Events) -> None:
    """Keeps it for the next command, by one rename. A place that takes nothing costs the next command time, no more."""
    if store.state_dir is None:
        return
    content = store.cover.on(encode({"store": store.id, "cursor": cursor, "events": events}), _FILE)
    place = store.state_dir / _FILE
    fresh = place.with_name(f"{_FILE}.{new_ksuid(store.clock())}")
    try:
        store.state_dir.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(content)
        fresh.replace(place)
    except OSError:
        _forget(fresh)


def _forget(place: Path) -> None:
    try:
        place.unlink(missing_ok=True)
    except OSError:
        return
