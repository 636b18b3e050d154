"""A file of more than one chunk on its way into the store, stretch after stretch, its length known only at the end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from blake3 import blake3

from datamon.store.chunks import Stretch, chunk_id
from datamon.store.ids import ContentId
from datamon.store.intake import Framed, Intake
from datamon.store.recipes import RecipeRow, RecipeWriter
from datamon.store.workers import Line


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What a manifest needs of a file's bytes: their content id, how many they are, the recipe (None for one chunk or none)."""

    content: ContentId
    size_bytes: int
    recipe: bytes | None


def frame_stretch(intake: Intake, stretch: Stretch) -> Sequence[Framed]:
    """The stretch's chunks. Any thread may call this."""
    return [intake.framed(content) for content in stretch.chunks()]


class LongFile:
    """One such file. `feed` or `keep` bring its chunks in order, and then `stored` says what was kept. For one thread."""

    def __init__(self, intake: Intake, spare: list[bytearray], recipe_rows: int) -> None:
        self.spare = spare
        """Buffers of stretches that are done with, for `stretches`."""
        self._intake = intake
        self._whole = blake3()
        self._recipe = RecipeWriter(self._keep_list, recipe_rows)
        self._chunks = 0
        self._size_bytes = 0

    def feed(self, stretch: Stretch, line: Line) -> None:
        """The file goes on with this stretch; its chunks are kept when its turn comes in `line`. Raises as `Line.push`."""
        self._whole.update(stretch.content)  # before its turn, when the buffer may be used again
        work = partial(frame_stretch, self._intake, stretch)
        line.push(len(stretch.content), work, partial(self._keep_stretch, stretch))

    def keep(self, chunks: Iterable[Framed]) -> None:
        """The file goes on with these chunks."""
        for framed in chunks:
            self._intake.keep_framed(framed)
            self._recipe.add(framed.chunk, framed.length)
            self._chunks += 1
            self._size_bytes += framed.length

    def stored(self, content: ContentId | None = None) -> StoredFile:
        """What was kept, after the last chunk. `content` is for those who hashed the bytes themselves."""
        recipe = self._recipe.finish() if self._chunks > 1 else None
        return StoredFile(content or ContentId(self._whole.hexdigest()), self._size_bytes, recipe)

    def _keep_stretch(self, stretch: Stretch, chunks: Iterable[Framed]) -> None:
        self.keep(chunks)
        if isinstance(stretch.content.obj, bytearray):
            self.spare.append(stretch.content.obj)

    def _keep_list(self, content: bytes) -> RecipeRow:
        chunk = chunk_id(content)
        if not self._intake.has(chunk):
            self._intake.keep_alone(chunk, content)
        return RecipeRow(chunk, len(content))
