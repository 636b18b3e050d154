"""Add: a directory becomes a split of a session, whole or not at all."""

from dataclasses import dataclass, field
from pathlib import Path

from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.put_tree import StoredTree, TreeSource, put_tree
from datamon.store.sessions.complete import SplitRequest, complete_split
from datamon.store.sessions.joint import Split
from datamon.store.sessions.select import Choice


@dataclass(frozen=True, slots=True)
class AddRequest:
    """What is to be added to which session. `split` None is a new name; a name that was added before is replaced whole."""

    repo: str
    session: str
    path: Path
    split: str | None = None
    tag: str | None = None
    choice: Choice = field(default_factory=Choice)
    processes: int = 1


def add_split(store: Store, request: AddRequest, *, progress: Progress = SILENT) -> Split:
    """The directory's tree is a completed split of the session when this returns; see `complete_split`. Doing it again after a
    failure sends only what is missing.

    Raises NotFound (`path-not-found`), and as `complete_split` and `put_tree` do.
    """
    all_of_it = request.choice.is_everything
    select = None if all_of_it else request.choice.select
    source = TreeSource(request.path, "use" if all_of_it else "none", request.processes, select)

    def put(condemned: frozenset[str]) -> StoredTree:
        return put_tree(store, source, condemned=condemned, progress=progress)

    return complete_split(store, SplitRequest(request.repo, request.session, request.split, request.tag), put)
