"""What a task does, wherever it runs: one share of a listing becomes a split of a session."""

from dataclasses import dataclass

from datamon.store.external.access import Access
from datamon.store.external.notes import Notes
from datamon.store.external.put_listed import ListedTree
from datamon.store.external.shares import Share
from datamon.store.external.sources import Sources
from datamon.store.external.urls import Url
from datamon.store.progress import SILENT, Progress
from datamon.store.sessions.complete import SplitRequest, complete_split


@dataclass(frozen=True, slots=True)
class ShareTask:
    """All that a task needs, to be sent anywhere. `url` is what was listed; `repo` and `session` are where the split goes."""

    access: Access
    repo: str
    session: str
    url: Url
    share: Share


def bring_share(task: ShareTask, *, progress: Progress = SILENT) -> None:
    """The share is a completed split of the session when this returns. Where a task was killed, or runs twice, it is done again:
    the split completed last replaces the others whole, and what this machine noted of the share is not read again.

    Raises as `complete_split`, `bring_all` and `Access.open`.
    """
    store, share = task.access.open(), task.share
    notes = Notes(store, task.url, share.name)
    tree = ListedTree(store, Sources(), notes, share.listed, progress)
    complete_split(store, SplitRequest(task.repo, task.session, share.name, share.tag), tree.put)
    notes.finish()
