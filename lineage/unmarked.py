"""Runs whose marks a power cut took: looked for once after each start of the machine (docs/decisions/0021)."""

from contextlib import suppress

from datamon.errors import Corrupt, NotFound
from datamon.lineage.capture.host import presence
from datamon.lineage.pending import LOOKED_FILE
from datamon.lineage.records import Host
from datamon.lineage.unfinished import drop_mark, marked_runs, unfinished_runs
from datamon.store import layout
from datamon.store.backend import Noting
from datamon.store.codec import decode_sealed, encode_sealed, stamped
from datamon.store.ids import RunId
from datamon.store.opening import Store


def mark_again(store: Store, host: Host) -> None:
    """Every run that was opened on this host before it was last started, and has not ended, is marked as open, and what is left
    of the marks of runs that never began is gone: once after each start, where marks are lost with the power. Raises
    Unavailable, Denied, Corrupt."""
    if store.state_dir is None or not isinstance(store.metadata, Noting):
        return
    looked = store.state_dir / LOOKED_FILE
    with suppress(OSError):
        if looked.read_text() == host.boot:
            return
    unfinished = unfinished_runs(store)
    for run, told in unfinished.items():
        if told.closed is None and told.abandoned_ns is None and presence(told.opened.host, host) == "gone":
            store.metadata.put(layout.open_run(run), mark_of(run, told.opened.host))
    for run in list(marked_runs(store)):
        if run not in unfinished and _is_torn(store, run):
            drop_mark(store, run)
    with suppress(OSError):
        store.state_dir.mkdir(parents=True, exist_ok=True)
        looked.write_text(host.boot)


def mark_of(run: RunId, host: Host) -> bytes:
    """The mark that the run is open."""
    return encode_sealed(stamped("open-run", {"run": run, "host": host.to_record()}))


def _is_torn(store: Store, run: RunId) -> bool:
    key = layout.open_run(run)
    try:
        decode_sealed(store.metadata.get(key), key)
    except Corrupt:
        return True
    except NotFound:
        return False
    return False
