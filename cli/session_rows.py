"""Sessions and their splits as rows and lines."""

from collections.abc import Iterable, Iterator

from datamon.cli.output import Listing
from datamon.cli.rows import moment
from datamon.store.clock import timestamp
from datamon.store.ids import JointId
from datamon.store.opening import Store
from datamon.store.sessions.begun import list_begun
from datamon.store.sessions.joint import JointSession, Split

SESSION_COLUMNS = ("id", "started", "ended", "state", "mode", "splits", "bundle", "author", "tag")
SPLIT_COLUMNS = ("session", "split", "generation", "completed", "author", "entries", "bytes", "tag")


def session_listing(sessions: Iterable[JointSession]) -> Listing:
    """Sessions; a line is `id , time started , state , mode , splits , bundle , tag`, with `-` for what is not there."""
    rows, lines = [], {}
    for each in sessions:
        ended = moment(each.ended_ns) if each.ended_ns is not None else None
        row = (each.id, moment(each.started_ns), ended, each.state, each.mode)
        rows.append((*row, len(each.splits), each.bundle, each.author.name, each.tag))
        words = (
            each.id,
            timestamp(each.started_ns),
            each.state,
            each.mode,
            str(len(each.splits)),
            each.bundle,
            each.tag,
        )
        lines[each.id] = " , ".join(word or "-" for word in words)
    return Listing(SESSION_COLUMNS, rows, lambda row: lines[JointId(str(row[0]))])


def split_listing(session: JointId, splits: Iterable[Split]) -> Listing:
    """Completed splits; a line is `split , generation , time completed , entries , tag`."""
    rows, lines = [], {}
    for each in splits:
        tree = each.tree
        row = (session, each.name, each.generation, moment(tree.time_ns), tree.author.name)
        rows.append((*row, tree.entries, tree.size_bytes, each.tag))
        words = (each.name, each.generation, timestamp(tree.time_ns), str(tree.entries), each.tag or "-")
        lines[str(each.generation)] = " , ".join(words)
    return Listing(SPLIT_COLUMNS, rows, lambda row: lines[str(row[2])])


def begun_rows(store: Store, session: JointSession) -> Iterator[str]:
    """A sentence for each split of an open session that was begun and is not complete."""
    for begun in list_begun(store, session.repo, session.id) if session.is_open else ():
        yield f"the split {begun.split} that {begun.author} began at {timestamp(begun.time_ns)} is not complete"
