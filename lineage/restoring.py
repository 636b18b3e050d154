"""Brings back the code of a run, as it was when the run began."""

from dataclasses import dataclass
from pathlib import Path

from datamon.errors import NotFound
from datamon.lineage.records import Run
from datamon.store.bundle import Bundle
from datamon.store.opening import Store
from datamon.store.refs import live_bundle
from datamon.store.repos import runs_repo


@dataclass(frozen=True, slots=True)
class RestoredCode:
    """Code that was brought back: how many files, and those of them that are not as they were, because a secret value in them
    was masked when they were kept."""

    files: int
    masked: tuple[str, ...]


def code_bundle(store: Store, run: Run) -> Bundle:
    """The bundle of the hidden repo that holds the code of a run. Raises NotFound (`code-not-kept`; `bundle-not-found` when it
    was deleted)."""
    kept = run.opened.code.bundle
    if kept is None:
        raise NotFound(
            "code-not-kept",
            f"run {run.id} kept no code: its command names no script, or it was recorded by an older datamon; "
            f"`datamon run show {run.id}` has its commit",
            run=run.id,
        )
    hidden = runs_repo(store)
    return live_bundle(store.logs.repo(hidden.id), hidden, kept)


def restore_code(store: Store, run: Run, directory: Path) -> RestoredCode:
    """The code of a run stands in `directory`, which was absent or empty, each file under its path relative to the code root, and
    what lay outside the root under `.outside` and its absolute path (`code_files.kept_path`).

    Raises NotFound (`code-not-kept`, `bundle-not-found`), and as `download` does.
    """
    from datamon.store.download import download  # brings pyarrow

    return RestoredCode(download(store, code_bundle(store, run), directory), run.opened.code.masked)
