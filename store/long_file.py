"""A file of more than one chunk on its way into the store, stretch after stretch, its length known only at the end."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from datamon.store.chunks import Cutter, Stretch
from datamon.store.ids import ContentId
from datamon.store.intake import Framed, Intake
from datamon.store.recipes import RecipeRow, RecipeWriter
from datamon.store.walk import Row
from datamon.store.whole_files import ReadFile
from datamon.store.workers import Line


class StoredFile(NamedTuple):
    """What a manifest needs of a file's bytes: their content id (32 bytes), how many they are, the recipe (None for one chunk or
    none)."""

    digest: bytes
    size_bytes: int
    recipe: bytes | None

    @property
    def content(self) -> ContentId:
        """The content id."""
        return ContentId(self.digest.hex())


class CutFile(NamedTuple):
    """A file of several chunks that was read whole: its row, its content id's bytes, its chunks."""

    row: Row
    digest: bytes
    chunks: Sequence[Framed]


def cut_files(intake: Intake, files: Iterable[ReadFile | None]) -> list[CutFile | None]:
    """These files, cut and compressed, less what the store has. Any thread may call this."""
    return [None if file is None else _cut(intake, file) for file in files]


def frame_stretch(intake: Intake, stretch: Stretch) -> Sequence[Framed]:
    """The stretch's chunks. Any thread may call this."""
    return [intake.framed(content) for content in stretch.chunks()]


class LongFile:
    """One such file. `feed` or `keep` bring its chunks in order, and then `stored` says what was kept. For one thread."""

    def __init__(self, intake: Intake, recipe_rows: int) -> None:
        self._intake = intake
        self._whole = intake.hashing.whole()
        self._recipe = RecipeWriter(self._keep_list, recipe_rows)
        self._chunks = 0
        self._size_bytes = 0

    def feed(self, stretch: Stretch, line: Line, release: Callable[[], object]) -> None:
        """The file goes on with this stretch; its chunks are kept when its turn comes in `line`, and `release` is called when the
        bytes are not needed any more. Raises as `Line.push`."""
        self._whole.update(stretch.content)  # before its turn, when the buffer may be used again
        work = partial(frame_stretch, self._intake, stretch)
        line.push(len(stretch.content), work, partial(self._keep_stretch, release))

    def keep(self, chunks: Iterable[Framed]) -> None:
        """The file goes on with these chunks."""
        for framed in chunks:
            self._intake.keep_framed(framed)
            self._recipe.add(framed.chunk, framed.length)
            self._chunks += 1
            self._size_bytes += framed.length

    def stored(self, digest: bytes | None = None) -> StoredFile:
        """What was kept, after the last chunk. `digest` is for those who hashed the bytes themselves."""
        recipe = self._recipe.finish() if self._chunks > 1 else None
        return StoredFile(digest or self._whole.digest(), self._size_bytes, recipe)

    def _keep_stretch(self, release: Callable[[], object], chunks: Iterable[Framed]) -> None:
        self.keep(chunks)
        release()

    def _keep_list(self, content: bytes) -> RecipeRow:
        chunk = self._intake.hashing.chunk(content)
        if not self._intake.has(chunk):
            self._intake.keep_alone(chunk, content)
        return RecipeRow(chunk, len(content))


def _cut(intake: Intake, file: ReadFile) -> CutFile:
    content = memoryview(file.content)
    stretch = Stretch(content, Cutter().ends(content, is_last=True))
    return CutFile(file.row, intake.hashing.chunk(content), frame_stretch(intake, stretch))
