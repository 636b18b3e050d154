"""Download: a bundle, a directory of it or one file of it, into a place of the file system, whole or not at all."""

from contextlib import ExitStack, suppress
from pathlib import Path

from datamon.errors import Conflict, Denied, Unavailable
from datamon.store.beneath import Beneath
from datamon.store.bringing import Bringing, fill_empty
from datamon.store.bundle import Bundle
from datamon.store.entries import as_file, clean_path, same_content
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.restorable import restorable_part
from datamon.store.restore import check_empty, made_directory
from datamon.store.restore_files import write_entries
from datamon.store.tree_writer import TreeWriter, new_token
from datamon.store.walk import observe, scan_top
from datamon.store.worktree import Source, Worktree, only_one, read_note


def download(
    store: Store,
    bundle: Bundle,
    destination: Path,
    *,
    path: str = "",
    pattern: str = "",
    processes: int = 1,
    progress: Progress = SILENT,
) -> int:
    """The tree at `path` in the bundle, of which `pattern` leaves what `name_filter` says, stands in `destination`, which was
    absent or empty: bytes verified, modes, times, symlinks and empty directories as they were. Returns how many files and
    symlinks that is. On any failure, an interrupt included, `destination` is absent or empty again. What the end of the process
    leaves there, `update` finishes. With `processes` so many may work at a tree of many files: the others are forked where that
    is safe (see `crew.can_fork`), and none is left when this returns.

    Raises Conflict (`destination-not-empty`, `directory-in-use`), NotFound (`path-not-found`), Invalid (`bad-path`,
    `unsafe-path`, `bad-argument`), Denied, Corrupt naming the file and the bundle, Unavailable.
    """
    target = Source(bundle.manifest, clean_path(path), pattern)
    entries = restorable_part(store, bundle, target)
    with ExitStack() as stack:
        with suppress(Denied, Unavailable):  # a machine that cannot keep notes can still download
            stack.enter_context(only_one(store, destination))
        tree = stack.enter_context(made_directory(destination))
        _check_free(store, destination, tree)
        bringing = Bringing(store, bundle, destination, tree, target, progress, noting=False, processes=processes)
        fill_empty(bringing, Worktree(), entries)
    return entries.files


def download_file(store: Store, bundle: Bundle, path: str, destination: Path) -> Path:
    """The one file at `path` stands under its own name in the directory `destination`, made if absent; returns where.
    A file there that holds the same is left as it is.

    Raises NotFound (`path-not-found`), Invalid (`bad-path` when either is of the wrong kind), Conflict
    (`destination-not-empty` when another file has the name), Denied, Corrupt, Unavailable.
    """
    entries = restorable_part(store, bundle, Source(bundle.manifest, clean_path(path)), directory=False)
    [entry] = list(entries)
    shown = destination / entry.path
    with made_directory(destination) as tree:
        present = next((one for one in scan_top(tree) if one.path == entry.path), None)
        if present is None:
            write_entries(TreeWriter(tree, new_token()), entries, store.chunks, bundle, SILENT)
        elif not same_content(observe(tree, present, store.hashing), as_file(entry)):
            message = f"{str(shown)!r} is there and holds something else; remove it or choose another destination"
            raise Conflict("destination-not-empty", message, path=str(shown))
    return shown


def _check_free(store: Store, directory: Path, tree: Beneath) -> None:
    """As `check_empty`, with what can be done about a directory that datamon filled or began to fill."""
    try:
        check_empty(tree)
    except Conflict as error:
        note = read_note(store, directory)
        if note is None or (note.done is None and not note.begun):
            raise
        what = "a download that was cut short" if note.partial else "a bundle that datamon put there"
        message = (
            f"{tree.shown('')!r} holds {what}; go on with `bundle update`, or name an empty directory or a new one"
        )
        raise Conflict(error.code, message, **error.facts) from error
