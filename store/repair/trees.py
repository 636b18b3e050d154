"""Taking from a local directory what the store has lost of it: chunks of its files, and its manifest."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from datamon.errors import Invalid
from datamon.store.backend import Content
from datamon.store.backend.memory import MemoryBackend
from datamon.store.beneath import Beneath
from datamon.store.chunks import cut
from datamon.store.entries import PERMISSION_BITS, TreeEntry
from datamon.store.ids import ContentId
from datamon.store.manifest import write_manifest
from datamon.store.opening import Store
from datamon.store.progress import Progress
from datamon.store.recipes import RecipeRow, RecipeWriter
from datamon.store.repair.chunks import Putting
from datamon.store.repair.verify import replace_named
from datamon.store.walk import Found, observe, open_tree, read_stable, scan_to_keep


@dataclass
class TreeSource:
    """A directory, read as an upload reads it. `recipe_rows` is that of the chunk store that wrote its files' recipes."""

    path: Path
    recipe_rows: int
    progress: Progress
    entries: list[TreeEntry] = field(default_factory=list)

    def offer(self, taking: Putting) -> None:
        """Every chunk of every file, and of the lists in their recipes, was offered; `entries` are the directory's.

        Raises NotFound (`path-not-found`), Invalid (`bad-path`, `unsupported-file`, `file-changed`), Denied.
        """
        with open_tree(self.path) as tree:
            found = scan_to_keep(tree)
            self.progress.begin("read the tree", len(found), sum(one.size_bytes for one in found))
            self.entries = [self._entry(tree, one, taking) for one in found]
            self.progress.end()

    def _entry(self, tree: Beneath, found: Found, taking: Putting) -> TreeEntry:
        self.progress.advance(1, found.size_bytes)
        if found.kind != "file":
            return observe(tree, found, taking.store.hashing)
        (content, size_bytes, recipe), status = read_stable(
            tree, found.path, lambda stream, _: _offer_file(stream, taking, self.recipe_rows)
        )
        mode = status.st_mode & PERMISSION_BITS
        executable = bool(mode & 0o100)
        return TreeEntry(found.path, "file", size_bytes, content, None, recipe, executable, mode, status.st_mtime_ns)


def _offer_file(stream: BinaryIO, taking: Putting, recipe_rows: int) -> tuple[ContentId, int, bytes | None]:
    """The content id, size and recipe of what `stream` has; its chunks were offered."""

    hashing = taking.store.hashing

    def keep(piece: bytes) -> RecipeRow:
        chunk = hashing.chunk(piece)
        taking.offer(chunk, piece)
        return RecipeRow(chunk, len(piece))

    whole, size_bytes, count = hashing.whole(), 0, 0
    recipe = RecipeWriter(keep, recipe_rows)
    for piece in cut(stream):
        whole.update(piece)
        row = keep(piece)
        recipe.add(row.chunk, row.length)
        size_bytes += row.length
        count += 1
    return ContentId(whole.hexdigest()), size_bytes, recipe.finish() if count > 1 else None


class _Sieve(MemoryBackend):
    """Keeps what is wanted of what is put, and says of everything else that it is not there."""

    def __init__(self, wanted: frozenset[str]) -> None:
        super().__init__()
        self._wanted = wanted

    def put(self, key: str, content: Content) -> None:
        """See `Backend`."""
        if key in self._wanted:
            super().put(key, content)


def put_manifest_parts(store: Store, entries: list[TreeEntry], lost: frozenset[str], condemned: frozenset[str]) -> int:
    """Of the `lost` parts of manifests (plain keys) those that the manifest of these entries consists of stand again; returns how
    many."""
    sieve = _Sieve(lost)
    try:
        write_manifest(sieve, entries)
    except Invalid:
        return 0
    made = [stored.key for stored in sieve.list("")]
    for key in made:
        replace_named(store.metadata, key, sieve.get(key), condemned)
    return len(made)
