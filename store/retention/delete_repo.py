"""`repo delete`: a repo with everything in it."""

from datamon.store.bundle import Entry, Repo
from datamon.store.codec import Record
from datamon.store.log import StoreState
from datamon.store.opening import Store
from datamon.store.repos import check_text, standing_repo


def delete_repo(store: Store, repo: Repo, *, reason: str | None = None) -> Entry:
    """The repo is deleted when this returns the store's log entry that says so: its bundles and refs are found no more, whoever
    looks, and its name is free. Its log stays as its tombstone, which lineage goes on reading. Bytes stay until `gc`.

    Raises NotFound (`repo-not-found`) when it was deleted before, and for the hidden repo; Invalid (`bad-argument`).
    """
    check_text("reason", reason or "")

    def make(state: StoreState) -> Record:
        standing_repo(state, repo)
        return {"kind": "repo-deleted", "repo": repo.id, "reason": reason}

    return store.logs.append(None, make)
