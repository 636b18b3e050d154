"""A view of a store: the same in all that is read of it, while whatever is written stays in a directory and never reaches it."""

from dataclasses import replace
from pathlib import Path

from datamon.store import layout
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.overlay import OverlayBackend
from datamon.store.bundle import Move, Repo
from datamon.store.codec import Record
from datamon.store.journal import open_journal
from datamon.store.log import Logs, RepoState, Setting
from datamon.store.opening import Store

_NOT_SHOWN = (layout.JOURNAL, layout.MERGED, layout.OPEN_RUNS, layout.RESULTS)


def view_of(store: Store, directory: Path) -> Store:
    """The store as it is, to be written to without a trace: what is written lies below `directory` (which may have views of other
    stores too), for all processes that make a view of it there, until that is removed. Its journal begins empty: no run is known,
    open or to be reused. Files lie there in plain, as in a checkout, also where the store is encrypted."""
    directory = directory / store.id
    metadata = OverlayBackend(LocalBackend(directory / "metadata"), store.metadata, _NOT_SHOWN)
    blob = OverlayBackend(LocalBackend(directory / "blob"), store.blob)
    journal = open_journal(metadata, store.clock)
    logs = Logs(Setting(metadata, journal, store.author, store.clock))
    return replace(store, metadata=metadata, blob=blob, journal=journal, logs=logs, state_dir=directory / "state")


def point(view: Store, repo: Repo, moves: list[Move]) -> None:
    """In a view the refs stand where `moves` say, whatever they are now; frozen labels too."""

    def make(state: RepoState) -> Record:
        held = {name: ref.bundle for name, ref in state.refs.items()}
        records = [replace(move, old=held.get(move.ref)).to_record() for move in moves]
        return {"kind": "move", "moves": records, "run": None}

    view.logs.append(repo.id, make)
