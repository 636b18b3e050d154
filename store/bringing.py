"""Bringing a tree to a directory, with a note of it, so that whatever cuts it short the next command goes on from there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from datamon.errors import Denied, Unavailable
from datamon.store.beneath import Beneath
from datamon.store.bundle import Bundle
from datamon.store.edits import Inspection, known_from_ns
from datamon.store.opening import Store
from datamon.store.progress import Progress
from datamon.store.restorable import RestorableTree
from datamon.store.restore_files import Restoring, settle_directories, write_entries
from datamon.store.restore_together import worth_processes, write_together
from datamon.store.tree_writer import TreeWriter, new_token
from datamon.store.walk import scan_top
from datamon.store.work import Work
from datamon.store.worktree import Source, Worktree, delete_note, write_note


@dataclass(frozen=True, slots=True)
class Bringing:
    """One tree on its way to one directory. `noting` says whether that needs a note, or only makes one where it can; `processes`
    how many may work at it."""

    store: Store
    bundle: Bundle
    directory: Path
    tree: Beneath
    target: Source
    progress: Progress
    noting: bool = True
    processes: int = 1

    @contextmanager
    def begun(self, note: Worktree, writers: int = 1) -> Iterator[list[str]]:
        """The note says that the target was begun, and when the block ends well that it is done; gives the writers' tokens."""
        began_ns = known_from_ns(self.tree)
        tokens = [new_token() for _ in range(writers)]
        begun = tuple(dict.fromkeys((*note.begun, self.target)))
        self._write(replace(note, partial=True, begun=begun, tokens=(*note.tokens, *tokens)))
        yield tokens
        self.finished(note, began_ns)

    def finished(self, note: Worktree, began_ns: int) -> None:
        """The note says that the directory holds the target and nothing else, as was known at `began_ns`."""
        self._write(known_whole(Worktree(done=self.target, output=note.output), self.tree, began_ns))

    def _write(self, note: Worktree) -> None:
        try:
            write_note(self.store, self.directory, note)
        except (Denied, Unavailable):
            if self.noting:
                raise


def fill_empty(bringing: Bringing, note: Worktree, entries: RestorableTree) -> None:
    """The tree stands in the directory, which was empty; on failure it is empty again. Raises as `write_entries` does."""
    store, directory = bringing.store, bringing.directory
    fresh = Worktree(output=note.output)
    writers = worth_processes(store.chunks, entries, bringing.processes)
    try:
        with bringing.begun(fresh, writers) as tokens:
            _fill(bringing, tokens, entries)
    except BaseException:
        if not scan_top(bringing.tree):
            with suppress(Denied, Unavailable):  # what went wrong first is what counts
                write_note(store, directory, fresh) if note.output else delete_note(store, directory)
        raise


def change(bringing: Bringing, note: Worktree, inspection: Inspection, work: Work) -> None:
    """The directory, which was found like this, holds the target. Raises as `write_entries` does."""
    standing = {one.path: one for one in inspection.found}
    with bringing.begun(note) as [token]:
        _carry_out(bringing, work, TreeWriter(bringing.tree, token, standing))


def known_whole(note: Worktree, tree: Beneath, hashed_ns: int) -> Worktree:
    """The note with what tells later that the directory is as it was at `hashed_ns`, when all of it was known."""
    top = tree.status("")
    return replace(note, device=top.st_dev, inode=top.st_ino, hashed_ns=hashed_ns)


def _fill(bringing: Bringing, tokens: Sequence[str], entries: RestorableTree) -> None:
    writer = TreeWriter(bringing.tree, tokens[0])
    restoring = Restoring(writer, bringing.store.chunks, bringing.bundle, bringing.progress)
    try:
        settle_directories(writer, write_together(restoring, entries, tokens, "download"))
    except BaseException:
        writer.empty()
        raise
    bringing.progress.end()


def _carry_out(bringing: Bringing, work: Work, writer: TreeWriter) -> None:
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
