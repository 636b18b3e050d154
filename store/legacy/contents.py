"""Files' bytes out of the first datamon's blobs, every leaf and every root verified, and into a session of ours."""

import io
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import BinaryIO, NamedTuple, cast

from datamon.errors import Corrupt
from datamon.store.backend.foreign import Foreign
from datamon.store.legacy.keys import KEY_BYTES, LeafRule, leaf_key, root_key
from datamon.store.legacy.read_ahead import Asked, Readers
from datamon.store.legacy.records import LegacyFile
from datamon.store.long_file import StoredFile
from datamon.store.pack_session import PackSession
from datamon.store.progress import Progress
from datamon.store.whole_files import extension_of

_REMEMBERED_BYTES = 64 * 2**20
_ROW_BYTES = 400
"""What remembering a file takes besides its recipe, roughly."""


class _Opened(NamedTuple):
    """A file whose root is verified: the keys of its leaves, and its bytes, verified, when it has one leaf at most."""

    root: bytes
    size_bytes: int
    leaves: Sequence[bytes]
    content: bytes | None


class Contents:
    """The blobs of an old store on their way into ours. What was put is remembered, within a bound, and not read again."""

    def __init__(self, blob: Foreign, readers: Readers, progress: Progress) -> None:
        self._blob = blob
        self._readers = readers
        self._progress = progress
        self._remembered = _Remembered()

    def known(self, roots: Sequence[bytes]) -> dict[bytes, StoredFile]:
        """Those of the files that were put before."""
        found = ((root, self._remembered.get(root)) for root in dict.fromkeys(roots))
        return {root: stored for root, stored in found if stored is not None}

    def skip(self, files: Sequence[LegacyFile]) -> None:
        """These files need not be read: they are like others."""
        self._progress.advance(len(files), sum(file.size_bytes for file in files))

    def put(
        self, session: PackSession, files: Sequence[LegacyFile], leaves: LeafRule
    ) -> dict[bytes, StoredFile | Corrupt]:
        """By root key what each of the files is in the session, or why it cannot be had: a leaf or the root that is missing or is
        not what was stored, or another size than the list says. No file is kept of which a byte was not verified."""
        asked = (self._opening(file, leaves) for file in files)
        outcomes = zip(files, self._readers.each(asked), strict=True)
        return {file.root: self._kept(session, file, leaves, opened) for file, opened in outcomes}

    def remember(self, put: Mapping[bytes, StoredFile | Corrupt]) -> None:
        """What was put is durable: its session is closed."""
        for root, stored in put.items():
            if isinstance(stored, StoredFile):
                self._remembered.keep(root, stored)

    def forget(self) -> None:
        """Everything is read again when it is needed again: what was put may be gone."""
        self._remembered = _Remembered()

    def _opening(self, file: LegacyFile, leaves: LeafRule) -> Asked[_Opened]:
        return min(file.size_bytes, leaves.content_bytes), partial(self._open, file, leaves)

    def _open(self, file: LegacyFile, rule: LeafRule) -> _Opened:
        name = file.root.hex()
        stored = self._blob.read(name)
        keys = stored[:-KEY_BYTES]
        if stored[-KEY_BYTES:] != file.root or root_key(keys, rule) != file.root or len(keys) % KEY_BYTES:
            raise _damaged(self._blob, name)
        leaves = [keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES)]
        if len(leaves) != rule.count(file.size_bytes):
            raise _damaged(
                self._blob, name, f"has {len(leaves)} leaves, too many or too few for {file.size_bytes} bytes"
            )
        content = None if len(leaves) > 1 else b"".join(self._leaf(key, 0, file.size_bytes, rule) for key in leaves)
        return _Opened(file.root, file.size_bytes, leaves, content)

    def _leaf(self, key: bytes, leaf: int, file_bytes: int, rule: LeafRule) -> bytes:
        content = self._blob.read(key.hex())
        if len(content) != rule.length(file_bytes, leaf):
            raise _damaged(self._blob, key.hex(), f"has {len(content)} bytes, too many or too few for its place")
        if leaf_key(content, leaf, rule) != key:
            raise _damaged(self._blob, key.hex())
        return content

    def _kept(
        self, session: PackSession, file: LegacyFile, rule: LeafRule, opened: _Opened | Corrupt
    ) -> StoredFile | Corrupt:
        if isinstance(opened, Corrupt):
            self._progress.advance(1, file.size_bytes)
            return opened
        extension = extension_of(file.name)
        try:
            stored = session.put_file(self._stream(opened, rule), extension=extension, size_hint=file.size_bytes)
        except _LeafError as error:
            return error.fault
        self._progress.advance(1, 0)
        return stored

    def _stream(self, opened: _Opened, rule: LeafRule) -> BinaryIO:
        if opened.content is not None:
            self._progress.advance(0, opened.size_bytes)
            return io.BytesIO(opened.content)
        return cast(BinaryIO, io.BufferedReader(_Leaves(self._leaves(opened, rule))))

    def _leaves(self, opened: _Opened, rule: LeafRule) -> Iterator[bytes]:
        """The leaves' bytes, in order. Raises `_LeafError` at the first that is damaged."""
        asked = (
            (rule.content_bytes, partial(self._leaf, key, leaf, opened.size_bytes, rule))
            for leaf, key in enumerate(opened.leaves)
        )
        for content in self._readers.each(asked):
            if isinstance(content, Corrupt):
                raise _LeafError(content)
            self._progress.advance(0, len(content))
            yield content


class _LeafError(Exception):
    """A leaf cannot be had. No error of those who take its bytes can be taken for one of these."""

    def __init__(self, fault: Corrupt) -> None:
        super().__init__(fault.message)
        self.fault = fault


class _Leaves(io.RawIOBase):
    """Leaves as one stream."""

    def __init__(self, leaves: Iterator[bytes]) -> None:
        self._leaves = leaves
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            content = next(self._leaves, None)
            if content is None:
                return 0
            self._rest = memoryview(content)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class _Remembered:
    """The files that were put last, by their root keys, in some tens of megabytes."""

    def __init__(self) -> None:
        self._bytes = 0
        self._files: OrderedDict[bytes, StoredFile] = OrderedDict()

    def get(self, root: bytes) -> StoredFile | None:
        """What the file is in our store, if it is still here."""
        stored = self._files.get(root)
        if stored is not None:
            self._files.move_to_end(root)
        return stored

    def keep(self, root: bytes, stored: StoredFile) -> None:
        """The file is here until others need its room."""
        if root in self._files:
            return
        self._files[root] = stored
        self._bytes += _room(stored)
        while self._bytes > _REMEMBERED_BYTES:
            _, oldest = self._files.popitem(last=False)
            self._bytes -= _room(oldest)


def _room(stored: StoredFile) -> int:
    return _ROW_BYTES + len(stored.recipe or b"")


def _damaged(blob: Foreign, name: str, fault: str = "is not what was stored under that name") -> Corrupt:
    where = f"{blob.url}/{name}"
    return Corrupt("bad-bytes", f"{where} {fault}; restore it from a copy", key=name)
