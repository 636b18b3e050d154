"""Checkout: a directory is brought to a bundle, and what people did in it is never overwritten."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from datamon.errors import Conflict, Denied, Unavailable
from datamon.store.beneath import Beneath
from datamon.store.bundle import Bundle
from datamon.store.download import fill, restorable_part
from datamon.store.edits import Inspection, inspect, noted_paths, source_entries
from datamon.store.entries import TreeEntry, clean_path, printable, same_content
from datamon.store.manifest import Manifest
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.restore import TreeWriter, check_empty, made_directory, new_token, settle_directories, write_entries
from datamon.store.walk import Found, observe, open_tree, scan, scan_top
from datamon.store.worktree import (
    Source,
    Worktree,
    delete_note,
    file_system_time_ns,
    only_one,
    read_note,
    write_note,
)

_LISTED = 10


def checkout(store: Store, bundle: Bundle, directory: Path, *, path: str = "", progress: Progress = SILENT) -> None:
    """The tree at `path` in the bundle stands in `directory`. One that was absent or empty is filled; one that datamon filled and
    nobody edited is brought there by changing only what differs, each file at once. When that is cut short, the next checkout
    (of any bundle) goes on from there.

    Raises Conflict (`local-edits`, which lists up to ten; `destination-not-empty`), and as `download` does. A directory that was
    empty is empty again after a failure.
    """
    entries = restorable_part(store, bundle, path)
    target = Source(bundle.manifest, clean_path(path))
    with only_one(store, directory), made_directory(directory) as tree:
        note = read_note(store, directory)
        bringing = _Bringing(store, bundle, directory, tree, target, progress)
        if not scan_top(tree):
            _fill_empty(bringing, note or Worktree(), entries)
        elif note is None:
            check_empty(tree)
        else:
            _bring(bringing, note, entries)


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
            began_ns = file_system_time_ns(store, tree)
            edits = inspect(store, tree, note).edits
            if not edits and not note.partial:
                with suppress(Denied, Unavailable):  # the note only saves work
                    write_note(store, directory, _known_whole(note, tree, began_ns))
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
        _check_unedited(inspect(store, tree, note), directory)
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
        noted = tuple(observe(tree, one) for one in extras if one.kind != "special")
        write_note(store, directory, Worktree(done=done, output=True, extras=noted))


@dataclass(frozen=True, slots=True)
class _Bringing:
    """One checkout: what is brought where."""

    store: Store
    bundle: Bundle
    directory: Path
    tree: Beneath
    target: Source
    progress: Progress

    @contextmanager
    def begun(self, note: Worktree) -> Iterator[str]:
        """The note says that the target was begun, and when the block ends well that it is done; gives the writer's token."""
        began_ns = file_system_time_ns(self.store, self.tree)
        token = new_token()
        begun = tuple(dict.fromkeys((*note.begun, self.target)))
        intent = replace(note, partial=True, begun=begun, tokens=(*note.tokens, token))
        write_note(self.store, self.directory, intent)
        yield token
        self.finished(note, began_ns)

    def finished(self, note: Worktree, began_ns: int) -> None:
        """The note says that the directory holds the target and nothing else, as was known at `began_ns`."""
        done = Worktree(done=self.target, output=note.output)
        write_note(self.store, self.directory, _known_whole(done, self.tree, began_ns))


def _fill_empty(bringing: _Bringing, note: Worktree, entries: Sequence[TreeEntry]) -> None:
    store, directory = bringing.store, bringing.directory
    fresh = Worktree(output=note.output)
    try:
        with bringing.begun(fresh) as token:
            writer = TreeWriter(bringing.tree, token)
            fill(store, bringing.bundle, writer, entries, progress=bringing.progress)
    except BaseException:
        if not scan_top(bringing.tree):
            write_note(store, directory, fresh) if note.output else delete_note(store, directory)
        raise


def _bring(bringing: _Bringing, note: Worktree, entries: Sequence[TreeEntry]) -> None:
    began_ns = file_system_time_ns(bringing.store, bringing.tree)
    inspection = inspect(bringing.store, bringing.tree, note)
    _check_unedited(inspection, bringing.directory)
    work = _work(inspection, entries)
    if work.is_nothing:
        bringing.finished(note, began_ns)
        return
    with bringing.begun(note) as token:
        _carry_out(bringing, work, TreeWriter(bringing.tree, token, replacing=True))


@dataclass(frozen=True, slots=True)
class _Work:
    """What must be done to a directory: files and directories that go, entries to be made, entries whose mode or time alone
    differs, and every directory that will be there, with those among them that are there already."""

    files_gone: Sequence[str]
    directories_gone: Sequence[str]
    made: Sequence[TreeEntry]
    restated: Sequence[TreeEntry]
    directories: Sequence[TreeEntry]
    standing: frozenset[str]

    @property
    def is_nothing(self) -> bool:
        """Whether the directory is as it should be."""
        return not (self.files_gone or self.directories_gone or self.made or self.restated)

    def entered(self) -> list[str]:
        """The standing directories in which something is made or removed, outermost first."""
        paths = (*self.files_gone, *self.directories_gone, *(entry.path for entry in self.made))
        above = {path.rpartition("/")[0] for path in paths}
        return sorted(path for path in above if path in self.standing)


def _work(inspection: Inspection, entries: Sequence[TreeEntry]) -> _Work:
    wanted = {entry.path: entry for entry in entries}
    found = {one.path: one for one in inspection.found}
    directories_gone = [p for p, one in found.items() if one.kind == "dir" and not _is_directory(wanted.get(p))]
    files_gone = [p for p, one in found.items() if one.kind != "dir" and (p not in wanted or _is_directory(wanted[p]))]
    made, restated = [], []
    for entry in entries:
        held = inspection.held.get(entry.path)
        if held is None or not same_content(held, entry):
            made.append(entry)
        elif _status_differs(found[entry.path], entry):
            restated.append(entry)
    return _Work(
        files_gone=files_gone,
        directories_gone=directories_gone,
        made=made,
        restated=restated,
        directories=[entry for entry in entries if entry.kind == "dir"],
        standing=frozenset(p for p, one in found.items() if one.kind == "dir"),
    )


def _carry_out(bringing: _Bringing, work: _Work, writer: TreeWriter) -> None:
    bringing.progress.begin("checkout", len(work.made), sum(entry.size_bytes for entry in work.made))
    entered = work.entered()
    for directory in entered:
        writer.open_up(directory)
    for path in work.files_gone:
        writer.remove(path, directory=False)
    for path in reversed(work.directories_gone):
        writer.remove(path, directory=True)
    write_entries(writer, work.made, bringing.store.chunks, bringing.bundle, bringing.progress)
    for entry in work.restated:
        if entry.kind != "dir":
            writer.set_status(entry)
    unsettled = {*entered, *(entry.path for entry in (*work.made, *work.restated))}
    settle_directories(writer, [entry for entry in work.directories if entry.path in unsettled])
    bringing.progress.end()


def _check_unedited(inspection: Inspection, directory: Path) -> None:
    edits = inspection.edits
    if not edits:
        return
    listed = ", ".join(repr(path) for path in edits[:_LISTED])
    more = f" and {len(edits) - _LISTED} more" if len(edits) > _LISTED else ""
    shown = printable(str(directory))
    raise Conflict(
        "local-edits",
        f"{shown!r} was edited since datamon filled it: {listed}{more}; upload what is to be kept, then remove the directory",
        path=shown,
        edits=list(edits),
    )


def _known_whole(note: Worktree, tree: Beneath, hashed_ns: int) -> Worktree:
    top = tree.status("")
    return replace(note, device=top.st_dev, inode=top.st_ino, hashed_ns=hashed_ns)


def _is_directory(entry: TreeEntry | None) -> bool:
    return entry is not None and entry.kind == "dir"


def _status_differs(found: Found, entry: TreeEntry) -> bool:
    if found.kind == "symlink":
        return found.mtime_ns != entry.mtime_ns
    return (found.mode, found.mtime_ns) != (entry.mode, entry.mtime_ns)
