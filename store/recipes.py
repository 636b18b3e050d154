"""Recipes: which chunks make a file of more than one chunk, in levels (docs/format.md, "Chunks")."""

import io
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from datamon.errors import Corrupt
from datamon.store.chunks import cut
from datamon.store.ids import ChunkId

MOST_ROWS = 32
"""A list of more rows than this is itself kept as chunks."""

_ROW = struct.Struct("<32sI")


@dataclass(frozen=True, slots=True)
class RecipeRow:
    """One chunk of a list: its id and how many bytes it has."""

    chunk: ChunkId
    length: int

    def encode(self) -> bytes:
        """As it stands in a list: 36 bytes."""
        return _ROW.pack(self.chunk, self.length)


def encode_recipe(rows: bytes, keep: Callable[[bytes], RecipeRow], most_rows: int = MOST_ROWS) -> bytes:
    """The recipe whose list of level 0 is `rows`. Lists longer than `most_rows` rows are cut and given to `keep`."""
    level = 0
    while len(rows) > most_rows * _ROW.size:
        rows = b"".join(keep(piece).encode() for piece in cut(io.BytesIO(rows)))
        level += 1
    return bytes([level]) + rows


def recipe_rows(recipe: bytes, get: Callable[[RecipeRow], bytes]) -> Iterator[RecipeRow]:
    """The rows of level 0, in the order of the file; `get` gives a list's chunk, verified. Lists are read as they are needed.
    Raises Corrupt (`bad-record`) when `recipe` is none."""
    if not recipe:
        raise _broken()
    rows: Iterable[RecipeRow] = _parsed([recipe[1:]])
    for _ in range(recipe[0]):
        rows = _parsed(map(get, rows))
    return iter(rows)


def _parsed(pieces: Iterable[bytes]) -> Iterator[RecipeRow]:
    """The rows of a list that comes in pieces, which may end inside a row."""
    rest = b""
    for piece in pieces:
        rest += piece
        whole = len(rest) - len(rest) % _ROW.size
        for chunk, length in _ROW.iter_unpack(rest[:whole]):
            yield RecipeRow(ChunkId(chunk), length)
        rest = rest[whole:]
    if rest:
        raise _broken()


def _broken() -> Corrupt:
    return Corrupt("bad-record", "the recipe of a file is not whole; restore the store from a copy")
