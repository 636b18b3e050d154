"""Checkout: a directory is brought to a bundle, and what people did in it is never overwritten."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from datamon.errors import Conflict, Denied, Unavailable
from datamon.store.bringing import Bringing, change, fill_empty, known_whole
from datamon.store.bundle import Bundle
from datamon.store.edits import Inspection, inspect, known_from_ns, noted_paths, source_entries
from datamon.store.entries import TreeEntry, clean_path, printable
from datamon.store.manifest import Manifest
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.restorable import restorable_part
from datamon.store.restore import check_empty, made_directory
from datamon.store.tree_writer import TreeWriter, new_token
from datamon.store.walk import observe, open_tree, scan, scan_top
from datamon.store.work import work_to_do
from datamon.store.worktree import Source, Worktree, only_one, read_note, write_note

_LISTED = 10
_NEXT_STEP = "remove the directory"


def checkout(store: Store, bundle: Bundle, directory: Path, *, path: str = "", progress: Progress = SILENT) -> None:
    """The tree at `path` in the bundle stands in `directory`. One that was absent or empty is filled; one that datamon filled and
    nobody edited is brought there by changing only what differs, each file at once. When that is cut short, the next checkout
    (of any bundle) goes on from there.

    Raises Conflict (`local-edits`, which lists up to ten; `destination-not-empty`), and as `download` does. A directory that was
    empty is empty again after a failure.
    """
    target = Source(bundle.manifest, clean_path(path))
    entries = restorable_part(store, bundle, target)
    with only_one(store, directory), made_directory(directory) as tree:
        note = read_note(store, directory)
        bringing = Bringing(store, bundle, directory, tree, target, progress)
        if not scan_top(tree):
            fill_empty(bringing, note or Worktree(), entries)
        elif note is None:
            check_empty(tree)
        else:
            _bring(bringing, note, list(entries))


def changed_paths(store: Store, directory: Path) -> list[str]:
    """What differs in `directory`, by content, from what datamon put there: paths edited, added and deleted, sorted. Of a
    directory that datamon did not fill, all.

    Raises NotFound (`path-not-found`) when neither a directory is there nor datamon put one, Denied (`unreadable`), Invalid
    (`file-changed`), Corrupt.
    """
    with only_one(store, directory):
        note = read_note(store, directory)
        if note is not None and not directory.exists():
            return noted_paths(store, note)
        with open_tree(directory) as tree:
            if note is None:
                return [printable(one.path) for one in scan(tree, ignoring=False)]
            began_ns = known_from_ns(tree)
            edits = inspect(store, tree, note).edits
            if not edits and not note.partial:
                with suppress(Denied, Unavailable):  # the note only saves work
                    write_note(store, directory, known_whole(note, tree, began_ns))
            return list(edits)


def clear_output(store: Store, directory: Path, *, keep: bool) -> None:
    """`directory` is an empty directory, made if absent. One that holds exactly what `remember_output` noted is emptied, or with
    `keep` left as it is.

    Raises Conflict (`local-edits`, `destination-not-empty`) for any other content, Invalid (`bad-path`), Denied.
    """
    with only_one(store, directory), made_directory(directory) as tree:
        if not scan_top(tree):
            return
        note = read_note(store, directory)
        if note is None or not note.output:
            check_empty(tree)
            return
        check_unedited(inspect(store, tree, note), directory, _NEXT_STEP)
        if keep:
            return
        write_note(store, directory, replace(note, partial=True))
        TreeWriter(tree, new_token()).empty()
        write_note(store, directory, Worktree(output=True))


def remember_output(store: Store, directory: Path, manifest: Manifest | None) -> None:
    """What lies in `directory` counts as a run's output, kept as `manifest`, which `clear_output` may clear and `checkout` may
    replace as long as nobody edits it. What the manifest leaves out (`.datamonignore`) is noted by its hash; with None (a run
    that failed) everything is.

    Raises Denied (`unreadable`), Invalid (`file-changed`), Corrupt.
    """
    with only_one(store, directory), open_tree(directory) as tree:
        done = None if manifest is None else Source(manifest.id, "")
        kept = set() if done is None else {entry.path for entry in source_entries(store, done)}
        extras = [one for one in scan(tree, ignoring=False) if one.path not in kept and printable(one.path) == one.path]
        noted = tuple(observe(tree, one, store.hashing) for one in extras if one.kind != "special")
        write_note(store, directory, Worktree(done=done, output=True, extras=noted))


def check_unedited(inspection: Inspection, directory: Path, next_step: str) -> None:
    """Returns when there are no edits. Raises Conflict (`local-edits`), which lists up to ten."""
    edits = inspection.edits
    if not edits:
        return
    listed = ", ".join(repr(path) for path in edits[:_LISTED])
    more = f" and {len(edits) - _LISTED} more" if len(edits) > _LISTED else ""
    shown = printable(str(directory))
    why = "was edited since datamon filled it"
    if not inspection.is_sure:
        why = "may have been edited (the bundle that datamon filled it from is deleted and collected)"
    message = f"{shown!r} {why}: {listed}{more}; upload what is to be kept, then {next_step}"
    raise Conflict("local-edits", message, path=shown, edits=list(edits))


def _bring(bringing: Bringing, note: Worktree, entries: Sequence[TreeEntry]) -> None:
    began_ns = known_from_ns(bringing.tree)
    inspection = inspect(bringing.store, bringing.tree, note, bringing.target)
    check_unedited(inspection, bringing.directory, _NEXT_STEP)
    work = work_to_do(inspection, entries)
    if work.is_nothing:
        bringing.finished(note, began_ns)
    else:
        change(bringing, note, inspection, work)
