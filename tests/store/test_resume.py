"""An upload that was stopped or killed: nothing of it is seen, and the next one does not send again what is there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.errors import Unavailable
from datamon.store import layout, pack_delivery
from datamon.store.backend import Backend
from datamon.store.chunk_store import ChunkStore
from datamon.store.download import download
from datamon.store.opening import Store, memory_store, store_on
from datamon.store.repos import create_repo, find_repo
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.faults import Fault, FaultKind, FaultyBackend, Killed
from datamon.store.testing.trees import snapshot
from datamon.store.upload import UploadRequest, upload

MIB = 2**20
FILES = 24
PACK_BYTES = 2 * MIB


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Files of 1 MiB of noise each."""
    made = tmp_path / "tree"
    made.mkdir()
    for number in range(FILES):
        (made / f"{number:02}").write_bytes(random_bytes(str(number), MIB))
    return made


@pytest.fixture
def plain() -> Store:
    """A store in memory with a repo."""
    store = memory_store()
    create_repo(store, "raw", "for a test")
    return store


def on(plain: Store, blob: Backend) -> Store:
    """The same store as another process sees it, through this backend, with small packs."""
    store = store_on(plain.metadata, blob, plain.author)
    store.__dict__["chunks"] = ChunkStore(blob, clock=store.clock, pack_bytes=PACK_BYTES)
    return store


class Stopping:
    """A listener that calls a function once so many bytes have been read."""

    def __init__(self, size_bytes: int, then: Callable[[], None]) -> None:
        self._left = size_bytes
        self._then = then

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
        """Nothing to note."""

    def advance(self, files: int, size_bytes: int) -> None:
        before, self._left = self._left, self._left - size_bytes
        if before > 0 >= self._left:
            self._then()

    def end(self) -> None:
        """Nothing to note."""


def packs_bytes(store: Store) -> int:
    """The bytes of all packs."""
    return sum(stored.size_bytes for stored in store.blob.list(layout.PACKS))


def check_resumed(plain: Store, root: Path, copy: Path) -> int:
    """Nothing is seen of what was begun; an upload now is whole. Returns the bytes that it had to send."""
    again = on(plain, plain.blob)
    assert not again.logs.repo(find_repo(again, "raw").id).bundles
    before = packs_bytes(again)
    bundle = upload(again, UploadRequest("raw", root, "again"))
    download(store_on(plain.metadata, plain.blob, plain.author), bundle, copy)
    assert snapshot(copy) == snapshot(root)
    return packs_bytes(again) - before


def interrupt() -> None:
    raise KeyboardInterrupt


def test_what_an_interrupted_upload_had_sent_is_not_sent_again(plain: Store, root: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        upload(on(plain, plain.blob), UploadRequest("raw", root, ""), progress=Stopping(20 * MIB, interrupt))
    kept = packs_bytes(plain)
    assert kept > 8 * MIB
    assert check_resumed(plain, root, tmp_path / "copy") < (FILES + 1) * MIB - kept


def test_what_was_sent_before_a_file_could_not_be_read_is_not_sent_again(
    plain: Store, root: Path, tmp_path: Path
) -> None:
    last = root / f"{FILES - 1:02}"
    content = last.read_bytes()
    with pytest.raises(Exception, match="changed each time"):
        upload(on(plain, plain.blob), UploadRequest("raw", root, ""), progress=Stopping(MIB, last.unlink))
    last.write_bytes(content)
    kept = packs_bytes(plain)
    assert kept > 8 * MIB
    assert check_resumed(plain, root, tmp_path / "copy") < (FILES + 1) * MIB - kept


def test_an_upload_that_finds_no_room_takes_nothing_up(plain: Store, root: Path, tmp_path: Path) -> None:
    full = FaultyBackend(plain.blob, Fault(7, "full"), methods=frozenset({"put"}))
    with pytest.raises(Unavailable):
        upload(on(plain, full), UploadRequest("raw", root, ""))
    assert packs_bytes(plain) == 0
    assert check_resumed(plain, root, tmp_path / "copy") > FILES * MIB


@pytest.mark.parametrize("kind", ["killed-before", "killed-after", "before", "after"])
def test_at_most_as_much_is_sent_again_as_lies_between_two_index_segments(
    plain: Store, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: FaultKind
) -> None:
    monkeypatch.setattr(pack_delivery, "FIRST_SEGMENT_BYTES", 4 * MIB)
    monkeypatch.setattr(pack_delivery, "SEGMENT_BYTES", 4 * MIB)
    broken = FaultyBackend(plain.blob, Fault(12, kind), methods=frozenset({"put"}))
    with pytest.raises((Killed, Unavailable)):
        upload(on(plain, broken), UploadRequest("raw", root, ""))
    assert packs_bytes(plain) > 8 * MIB
    assert check_resumed(plain, root, tmp_path / "copy") < 20 * MIB
