"""How a store names bytes: plain BLAKE3, or keyed, so that nobody without the key can test for known content."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from blake3 import blake3

from datamon.store.ids import ChunkId, ContentId

_PIECE_BYTES = 1 << 20
_blake3: Callable[..., blake3] = blake3  # its stub does not say that the key may be None


@dataclass(frozen=True, slots=True)
class Hashing:
    """BLAKE3 under `key` (32 bytes), or plain BLAKE3 without one. Made once for each open store."""

    key: bytes | None = field(default=None, repr=False)

    def whole(self) -> blake3:
        """A hasher for the bytes of one file, piece after piece: its digest is the content id."""
        return _blake3(key=self.key)

    def chunk(self, content: bytes | memoryview) -> ChunkId:
        """The name of the chunk with these bytes.

        >>> Hashing().chunk(b"").hex()[:16]
        'af1349b9f5f9a1a6'
        """
        return ChunkId(_blake3(content, key=self.key).digest())

    def content(self, content: bytes | memoryview) -> ContentId:
        """The content id of a file with these bytes, or of a symlink with this target."""
        return ContentId(_blake3(content, key=self.key).hexdigest())

    def stream(self, stream: BinaryIO, size_bytes: int) -> ContentId:
        """The content id of the stream's next `size_bytes` bytes, with one more when there are more: it may grow meanwhile."""
        whole = self.whole()
        left = size_bytes + 1
        while piece := stream.read(min(left, _PIECE_BYTES)):
            whole.update(piece)
            left -= len(piece)
        return ContentId(whole.hexdigest())


PLAIN = Hashing()
"""How stores without a key name bytes: the BLAKE3 that any program computes."""
