"""The local backend: the contract, what reaches the disk in which order, and what a disk can do to it."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datamon.errors import DatamonError, Denied, Invalid, Unavailable
from datamon.store import layout
from datamon.store.backend import Appending, Backend, Span, has_durably
from datamon.store.backend import local as local_module
from datamon.store.backend.local import LocalBackend
from datamon.store.chunk_store import ChunkStore
from datamon.store.entries import NO_CONTENT, TreeEntry
from datamon.store.manifest import write_manifest
from datamon.store.testing import contract
from datamon.store.testing.clocks import SteppingClock

ENTRIES = [TreeEntry("a", "dir", 0, NO_CONTENT, None, None, False, 0o755, 0)]

WRITES: dict[str, Callable[[LocalBackend], object]] = {
    "put": lambda backend: backend.put("a/b/c", b"content"),
    "put_if_absent": lambda backend: backend.put_if_absent("a/b/c", b"content"),
    "append": lambda backend: backend.append("a/b/c", b"content"),
}


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds(check: Callable[[Backend], None], tmp_path: Path) -> None:
    check(LocalBackend(tmp_path / "store"))


@pytest.mark.parametrize("check", contract.APPENDING_CHECKS, ids=lambda check: check.__name__)
def test_the_appending_contract_holds(check: Callable[[contract.AppendingBackend], None], tmp_path: Path) -> None:
    check(LocalBackend(tmp_path / "store"))


@pytest.mark.parametrize("check", contract.ACROSS_PROCESSES, ids=lambda check: check.__name__)
def test_the_contract_across_processes_holds(check: Callable[[str], None], tmp_path: Path) -> None:
    check(str(tmp_path / "store"))


def test_it_appends(tmp_path: Path) -> None:
    assert isinstance(LocalBackend(tmp_path), Appending)


def test_looking_makes_no_directory(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path / "absent" / "store")
    assert list(backend.list("")) == []
    assert not backend.has("a")
    backend.delete("a/b")
    assert list(tmp_path.iterdir()) == []


class Disk:
    """Notes what is done to the disk, in order, and fails one call when told to. Paths are relative to `root`."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.done: list[str] = []
        self.fail: tuple[int, int] | None = None
        for name in ("open", "write", "fsync", "link", "mkdir", "rename", "replace"):
            patch.setattr(os, name, self._noted(name, getattr(os, name)))

    def _noted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **options: Any) -> Any:
            step = f"{name} " + " ".join(
                self._shown(a) for a in arguments[: 2 if name in ("link", "rename", "replace") else 1]
            )
            self.done.append(step)
            if self.fail is not None and len(self.done) == self.fail[0]:
                raise OSError(self.fail[1], os.strerror(self.fail[1]))
            return call(*arguments, **options)

        return noted

    def _shown(self, argument: Any) -> str:
        path = Path(f"/proc/self/fd/{argument}").readlink() if isinstance(argument, int) else Path(argument)
        if not path.is_relative_to(self.root):
            return "above"
        parts = path.relative_to(self.root).parts
        return "temporary" if parts[:1] == ("+tmp",) and len(parts) == 2 else "/".join(parts) or "root"


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("what a descriptor names is read from /proc")
    yield Disk(tmp_path / "store", monkeypatch)


@pytest.mark.parametrize(("write", "naming"), [("put", "re"), ("put_if_absent", "link")])
def test_bytes_are_synced_before_the_name_and_the_name_before_the_answer(write: str, naming: str, disk: Disk) -> None:
    WRITES[write](LocalBackend(disk.root))
    done = disk.done
    named = next(n for n, step in enumerate(done) if step.startswith(naming) and step.endswith("temporary a/b/c"))
    assert done.index("write temporary") < done.index("fsync temporary") < named
    assert "fsync a/b" in done[named:]
    for folder, parent in (("a/b", "a"), ("a", "root"), ("root", "above")):
        assert f"fsync {parent}" in done[done.index(f"mkdir {folder}") :], folder


def test_what_another_process_put_is_durable_before_it_is_pointed_at(disk: Disk) -> None:
    above = {"fsync a/b", "fsync a", "fsync root"}
    LocalBackend(disk.root).put("a/b/c", b"content")
    disk.done.clear()
    assert has_durably(LocalBackend(disk.root), "a/b/c")
    assert above <= set(disk.done)
    disk.done.clear()
    assert not LocalBackend(disk.root).put_if_absent("a/b/c", b"other")
    assert above <= set(disk.done)
    assert not has_durably(LocalBackend(disk.root), "a/b/d")


def test_a_manifest_that_is_there_already_is_synced_before_it_is_committed(disk: Disk) -> None:
    manifest = write_manifest(LocalBackend(disk.root), ENTRIES)
    disk.done.clear()
    assert write_manifest(LocalBackend(disk.root), ENTRIES) == manifest
    [row] = manifest.segments
    for key in (layout.manifest(manifest.id), layout.segment(row.id), layout.stat_segment(row.stat)):
        assert f"fsync {key.rpartition('/')[0]}" in disk.done
    assert not [call for call in disk.done if call.startswith("write")]


def test_an_index_that_another_process_put_is_synced_before_an_upload_relies_on_it(disk: Disk) -> None:
    for _ in range(2):
        disk.done.clear()
        session = ChunkStore(LocalBackend(disk.root), clock=SteppingClock()).session()
        session.put_bytes(b"content")
        session.close()
        assert "fsync index" in disk.done
    assert session.chunk_count_new == 0


def test_an_append_syncs_the_bytes_and_at_first_the_name(disk: Disk) -> None:
    backend = LocalBackend(disk.root)
    backend.append("journal/log", b"1")
    assert disk.done.index("write journal/log") < disk.done.index("fsync journal/log")
    assert "fsync journal" in disk.done
    disk.done.clear()
    backend.append("journal/log", b"2")
    assert disk.done == ["open journal/log", "write journal/log", "fsync journal/log"]


def test_a_directory_that_another_process_made_is_synced_in_its_parent_too(disk: Disk) -> None:
    (disk.root / "a" / "b").mkdir(parents=True)
    disk.done.clear()
    LocalBackend(disk.root).put("a/b/c", b"x")
    assert "fsync a" in disk.done
    assert "fsync root" in disk.done


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("write", WRITES)
def test_a_full_disk_at_every_step_is_told_and_shows_nothing(
    write: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("what a descriptor names is read from /proc")
    step = 0
    while True:
        step += 1
        root = tmp_path / str(step)
        with monkeypatch.context() as patch:
            disk = Disk(root, patch)
            disk.fail = (step, code)
            try:
                WRITES[write](LocalBackend(root))
            except Unavailable as error:
                assert error.code == "disk-full"
                assert str(root) in error.message
            else:
                break
        _nothing_half_there(root, disk.done[step - 1])
        WRITES[write](LocalBackend(root))
        assert LocalBackend(root).get("a/b/c") == b"content"
    assert step > 5


def _nothing_half_there(root: Path, failed: str) -> None:
    backend = LocalBackend(root)
    listed = [stored.key for stored in backend.list("")]
    assert not (root / "+tmp").exists() or not list((root / "+tmp").iterdir())
    if failed.startswith(("open a/b", "fsync a/b")) and listed:
        # The name was given, and only its sync failed; or an append had made its file. Never a part of the bytes.
        assert backend.get("a/b/c") in (b"content", b"")
        (root / "a/b/c").unlink()
        return
    assert [key for key in listed if backend.get(key)] == [], failed
    if listed:
        (root / "a/b/c").unlink()


def test_an_append_cut_short_by_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda target, content: write(target, content[:3]))
    with pytest.raises(Unavailable, match=r"no room is left in .*make room"):
        LocalBackend(tmp_path).append("log", b"123456")


def test_a_put_goes_on_after_a_short_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda target, content: write(target, content[:3]))
    backend = LocalBackend(tmp_path)
    backend.put("a", b"12345678")
    assert backend.get("a") == b"12345678"


def test_a_get_goes_on_after_a_short_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = LocalBackend(tmp_path)
    backend.put("a", b"12345678")
    read = os.pread
    monkeypatch.setattr(os, "pread", lambda source, length, start: read(source, min(length, 3), start))
    assert backend.get("a") == b"12345678"
    assert backend.get("a", Span(1, 6)) == b"234567"


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_without_hard_links_one_racer_still_wins(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: object, target: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", no_links)
    backend = LocalBackend(tmp_path / "store")
    contract.only_the_first_put_if_absent_wins(backend)
    contract.one_of_many_racing_threads_wins(backend)


def test_a_directory_without_rights_is_denied(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path)
    backend.put("a/b", b"x")
    tmp_path.chmod(0)
    own = os.geteuid()
    if own == 0:  # root may do everything, so be nobody for a moment
        os.seteuid(65534)
    try:
        with pytest.raises(Denied, match="permissions"):
            backend.get("a/b")
    finally:
        os.seteuid(own)
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("code", "kind", "name"),
    [
        (errno.EACCES, Denied, "unreadable"),
        (errno.EIO, Unavailable, "backend-unavailable"),
        (errno.ESTALE, Unavailable, "backend-unavailable"),
    ],
)
def test_what_the_file_system_says_becomes_an_error_of_ours(
    code: int, kind: type[DatamonError], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = LocalBackend(tmp_path)
    backend.put("a", b"x")

    def fails(*_: object) -> bytes:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "pread", fails)
    with pytest.raises(kind) as raised:
        backend.get("a")
    assert raised.value.code == name
    assert str(tmp_path) in raised.value.message


@pytest.mark.parametrize("write", WRITES)
def test_a_root_that_is_a_file_is_refused(write: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(Invalid, match="choose a directory"):
        WRITES[write](LocalBackend(tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_strange_files_and_left_over_temporary_ones_are_not_listed(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path)
    backend.put("a/b", b"x")
    (tmp_path / "+tmp" / "left").write_bytes(b"half")
    (tmp_path / "with space").write_bytes(b"")
    (tmp_path / "a" / "é").mkdir()
    assert [stored.key for stored in backend.list("")] == ["a/b"]


def test_temporary_files_older_than_a_day_are_removed_by_the_next_writer(tmp_path: Path) -> None:
    LocalBackend(tmp_path).put("a", b"x")
    old, young = tmp_path / "+tmp" / "old", tmp_path / "+tmp" / "young"
    for path, age_s in ((old, 25 * 3600), (young, 3600)):
        path.write_bytes(b"half")
        time_s = (tmp_path / "a").stat().st_mtime - age_s
        os.utime(path, (time_s, time_s))
    LocalBackend(tmp_path).put("b", b"x")
    assert not old.exists()
    assert young.exists()


def test_files_have_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    """A store that a group shares must be readable by the group."""
    before = os.umask(0o027)
    try:
        LocalBackend(tmp_path / "store").put("a/b", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "store" / "a" / "b").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "store" / "a").stat().st_mode) == 0o750


def test_a_relative_root_is_fixed_when_the_backend_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    backend = LocalBackend(Path("store"))
    monkeypatch.chdir("/")
    backend.put("a", b"x")
    assert (tmp_path / "store" / "a").read_bytes() == b"x"
    assert backend.url == str(tmp_path / "store")
    assert backend.pack_bytes == local_module._PACK_BYTES
