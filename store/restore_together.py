"""Restore of many small files by several processes at once: one alone spends most of its time in Python, not in the disk."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from datamon.store.chunk_store import ChunkStore
from datamon.store.crew import Crew
from datamon.store.entries import TreeEntry
from datamon.store.forking import can_fork
from datamon.store.ids import HASH_BYTES, ChunkId
from datamon.store.progress import SILENT, Progress
from datamon.store.restorable import RestorableTree
from datamon.store.restore_files import Others, Restoring
from datamon.store.tree_writer import TreeWriter

_LEAST_FILES = 4_000
"""Fewer are written before another process would have begun."""
_WINDOW_FILES = 1_000
_WINDOW_BYTES = 64 * 2**20
"""Members take turns after so many files or bytes: so their shares are even, and few frames are read by two of them."""
_KEPT_ENTRIES = 100_000
"""Of a tree of so many the entries are made once, before the fork; those of a larger one, by each member for itself."""

_ANY_CHUNK = ChunkId(bytes(HASH_BYTES))


def worth_processes(chunks: ChunkStore, tree: RestorableTree, processes: int) -> int:
    """How many of the `processes` that may work at this tree should, 1 being this one alone. Far stores are waited for, which
    threads do as well."""
    worth = tree.files >= _LEAST_FILES and not chunks.is_far
    return processes if worth and processes > 1 and can_fork() else 1


def write_together(restoring: Restoring, tree: RestorableTree, tokens: Sequence[str], stage: str) -> list[TreeEntry]:
    """As `Restoring.write`, by a process for each token, each of which begins files under its own; begins the stage. When it
    fails, no process writes any more.

    Raises as `Restoring.write`, and Unavailable (`worker-died`)."""
    if len(tokens) == 1:
        restoring.progress.begin(stage, tree.count, tree.size_bytes)
        return restoring.write(tree)
    entries: Iterable[TreeEntry] = list(tree) if tree.count <= _KEPT_ENTRIES else tree
    others = Others([], [], [])
    for _ in restoring.made_others(entries, others, SILENT):
        pass
    restoring.chunks.locate(_ANY_CHUNK)  # so the index is loaded, once for all

    def write_share(number: int, progress: Progress) -> None:
        with restoring.writer.tree.twin() as own:
            writer = TreeWriter(own, tokens[number])
            mine = _share(entries, number, len(tokens))
            replace(restoring, writer=writer, progress=progress).write_files(mine)

    with Crew(restoring.progress, len(tokens) - 1, write_share) as crew:
        crew.begin(stage, tree.count, tree.size_bytes)  # after the fork: a listener may start a thread
        crew.advance(len(others.directories), 0)
        together = replace(restoring, progress=crew)
        together.write_files(_share(entries, 0, len(tokens)))
        together.make_rest(others)
        crew.wait()
    return others.directories


def _share(entries: Iterable[TreeEntry], number: int, members: int) -> Iterator[TreeEntry]:
    """The files that are for the member `number`, the first process being 0 and the last to have its turn."""
    turn, files, size_bytes = 1 % members, 0, 0
    for entry in entries:
        if entry.kind != "file":
            continue
        if turn == number:
            yield entry
        files += 1
        size_bytes += entry.size_bytes
        if files >= _WINDOW_FILES or size_bytes >= _WINDOW_BYTES:
            turn, files, size_bytes = (turn + 1) % members, 0, 0
