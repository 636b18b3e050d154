"""Upload: a directory becomes a bundle, whole or not at all."""

import io
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from datamon.store.beneath import Beneath
from datamon.store.bundle import Bundle
from datamon.store.chunks import WHOLE_BYTES
from datamon.store.commit import CommitRequest, check_targets, commit_bundle
from datamon.store.entries import PERMISSION_BITS, TreeEntry
from datamon.store.ids import SessionId
from datamon.store.manifest import Manifest, write_manifest
from datamon.store.names import DEFAULT_BRANCH
from datamon.store.opening import Store
from datamon.store.pack_session import PackSession, StoredFile
from datamon.store.progress import SILENT, Progress
from datamon.store.repos import check_text, find_repo
from datamon.store.walk import Found, observe, open_tree, read_stable, scan_to_keep

_BUFFER_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What is to be uploaded, where to, and which refs point at it then."""

    repo: str
    path: Path
    message: str
    branch: str = DEFAULT_BRANCH
    label: str | None = None


def upload(store: Store, request: UploadRequest, *, progress: Progress = SILENT) -> Bundle:
    """The new bundle of the directory, to which branch and label point; until the one entry that says so stands, nothing is
    visible. Repo, message and refs are checked before a byte is read.

    Raises NotFound (`repo-not-found`, `path-not-found`), Conflict (`ref-frozen`, `ref-exists`), and as `put_tree` does.
    """
    repo = find_repo(store, request.repo)
    check_text("message", request.message)
    check_targets(store, repo, branch=request.branch, label=request.label)
    manifest, session = put_tree(store, request.path, progress=progress)
    commit = CommitRequest(manifest, request.message, session, branch=request.branch, label=request.label)
    return commit_bundle(store, repo, commit)


def put_tree(store: Store, path: Path, *, progress: Progress = SILENT) -> tuple[Manifest, SessionId]:
    """The directory's manifest and the session that wrote its chunks: everything a commit needs, durable, but not committed.
    Symlinks are kept as symlinks and never followed, hard links as files; `.datamonignore` is honoured.

    Raises NotFound (`path-not-found`), Invalid (`bad-path`, `unsupported-file`, `file-changed`), Denied
    (`unreadable`), Unavailable.
    """
    with open_tree(path) as tree:
        found = scan_to_keep(tree)
        progress.begin("upload", len(found), sum(one.size_bytes for one in found))
        session = store.chunks.session()
        try:
            entries = list(_put_each(session, tree, found, progress))
            session.close()
        except BaseException:
            session.discard()
            raise
    manifest = write_manifest(store.metadata, entries)
    progress.end()
    return manifest, session.id


def _put_each(session: PackSession, tree: Beneath, found: Sequence[Found], progress: Progress) -> Iterator[TreeEntry]:
    for one in found:
        yield _put_file(session, tree, one, progress) if one.kind == "file" else observe(tree, one)
        progress.advance(1, 0)


def _put_file(session: PackSession, tree: Beneath, found: Found, progress: Progress) -> TreeEntry:
    extension = os.path.splitext(found.path)[1]  # noqa: PTH122 (a Path costs more than the file)

    def read(stream: BinaryIO, size_bytes: int) -> StoredFile:
        if size_bytes > WHOLE_BYTES:
            stream = io.BufferedReader(_Watched(stream, size_bytes + 1, progress), _BUFFER_BYTES)
            return session.put_file(stream, extension=extension, size_hint=size_bytes)
        whole = io.BytesIO(stream.read(size_bytes + 1))
        stored = session.put_file(whole, extension=extension, size_hint=size_bytes)
        progress.advance(0, stored.size_bytes)
        return stored

    stored, status = read_stable(tree, found.path, read)
    mode = status.st_mode & PERMISSION_BITS
    return TreeEntry(
        path=found.path,
        kind="file",
        size_bytes=stored.size_bytes,
        content=stored.content,
        target=None,
        recipe=stored.recipe,
        executable=bool(mode & stat.S_IXUSR),
        mode=mode,
        mtime_ns=status.st_mtime_ns,
    )


class _Watched(io.RawIOBase):
    """The first `most_bytes` of a stream (it may grow faster than it is read), telling the listener of each byte."""

    def __init__(self, stream: BinaryIO, most_bytes: int, progress: Progress) -> None:
        self._stream = stream
        self._left = most_bytes
        self._progress = progress

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        piece = self._stream.read(min(len(buffer), self._left))
        self._left -= len(piece)
        buffer[: len(piece)] = piece
        self._progress.advance(0, len(piece))
        return len(piece)
