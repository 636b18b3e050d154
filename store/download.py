"""Download: a bundle, a directory of it or one file of it, into a place of the file system, whole or not at all."""

from collections.abc import Sequence
from pathlib import Path

from datamon.errors import Conflict, Invalid
from datamon.store.bundle import Bundle
from datamon.store.entries import TreeEntry, same_content
from datamon.store.manifest import is_directory, part_entries, read_manifest
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.restore import (
    TreeWriter,
    check_empty,
    check_restorable,
    made_directory,
    naming,
    new_token,
    settle_directories,
    write_entries,
)
from datamon.store.walk import observe, scan_top


def download(store: Store, bundle: Bundle, destination: Path, *, path: str = "", progress: Progress = SILENT) -> int:
    """The tree at `path` in the bundle stands in `destination`, which was absent or empty: bytes verified, modes, times, symlinks
    and empty directories as they were. Returns how many files and symlinks that is. On any failure, an interrupt included,
    `destination` is absent or empty again.

    Raises Conflict (`destination-not-empty`), NotFound (`path-not-found`), Invalid (`bad-path`, `unsafe-path`), Denied, Corrupt
    naming the file and the bundle, Unavailable.
    """
    entries = restorable_part(store, bundle, path)
    with made_directory(destination) as tree:
        check_empty(tree)
        fill(store, bundle, TreeWriter(tree, new_token()), entries, progress=progress)
    return sum(entry.kind != "dir" for entry in entries)


def download_file(store: Store, bundle: Bundle, path: str, destination: Path) -> Path:
    """The one file at `path` stands under its own name in the directory `destination`, made if absent; returns where.
    A file there that holds the same is left as it is.

    Raises NotFound (`path-not-found`), Invalid (`bad-path` when either is of the wrong kind), Conflict
    (`destination-not-empty` when another file has the name), Denied, Corrupt, Unavailable.
    """
    entries = restorable_part(store, bundle, path, directory=False)
    [entry] = entries
    shown = destination / entry.path
    with made_directory(destination) as tree:
        present = next((one for one in scan_top(tree) if one.path == entry.path), None)
        if present is None:
            write_entries(TreeWriter(tree, new_token()), entries, store.chunks, bundle, SILENT)
        elif not same_content(observe(tree, present), entry):
            message = f"{str(shown)!r} is there and holds something else; remove it or choose another destination"
            raise Conflict("destination-not-empty", message, path=str(shown))
    return shown


def restorable_part(store: Store, bundle: Bundle, path: str, *, directory: bool = True) -> list[TreeEntry]:
    """The entries of the tree at `path`, each of which can be made below a directory; without `directory` it must be a file.

    Raises NotFound (`path-not-found`), Invalid (`unsafe-path`, `unsupported-file`, `bad-path`), Corrupt naming the bundle.
    """
    with naming(bundle, ""):
        manifest = read_manifest(store.metadata, bundle.manifest)
        if not directory and is_directory(store.metadata, manifest, path):
            message = f"{path!r} is a directory of the bundle; download it whole, or name a file in it"
            raise Invalid("bad-path", message, path=path)
        return check_restorable(part_entries(store.metadata, manifest, path))


def fill(store: Store, bundle: Bundle, writer: TreeWriter, entries: Sequence[TreeEntry], *, progress: Progress) -> None:
    """The entries stand in the writer's directory, which was empty; on failure it is empty again. Raises as `download` does."""
    progress.begin("download", len(entries), sum(entry.size_bytes for entry in entries))
    try:
        write_entries(writer, entries, store.chunks, bundle, progress)
        settle_directories(writer, [entry for entry in entries if entry.kind == "dir"])
    except BaseException:
        writer.empty()
        raise
    progress.end()
