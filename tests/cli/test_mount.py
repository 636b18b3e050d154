"""Bundles and repos mounted by the real kernel."""

import errno
import mmap
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datamon.cli.testing import Shell
from datamon.cli.testing_mount import mounted, need_fuse, take_away, until
from datamon.errors import EXIT_CODES, Conflict, Invalid, NotFound
from datamon.store.mount.mounts import mounted_at

LARGE = random.Random(1).randbytes(3_000_000)
MANY = 3_000
STRANGE = ("résumé with spaces.txt", "данные/таблица.csv", "🎲 dice.txt", "new\nline", "-rf")
AT_INIT = ("--repo", "orders", "--label", "init")


@pytest.fixture(autouse=True)
def _kernel() -> None:
    need_fuse()


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A person with a repo `orders`, in it the directory `tree`, labelled `init`."""
    root = tmp_path_factory.mktemp("mounts")
    shell = Shell(root / "home", root / "work", {"DATAMON_NAME": "Ada", "DATAMON_EMAIL": "ada@example.org"})
    shell.home.mkdir()
    shell.cwd.mkdir()
    plant(shell.cwd / "tree")
    shell.well("repo", "create", "--repo", "orders", "--description", "d")
    done = shell("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "m", "--label", "init")
    assert done.code == 0, done
    return shell


def plant(root: Path) -> None:
    """Files of every kind that a bundle keeps."""
    for name in STRANGE:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "large.bin").write_bytes(LARGE)
    (root / "empty").write_bytes(b"")
    (root / "tool.sh").write_text("#!/bin/sh\necho it runs\n")
    (root / "tool.sh").chmod(0o750)
    (root / "link").symlink_to("tool.sh")
    (root / "dangling").symlink_to("nowhere/at all")
    (root / "nothing in it").mkdir(mode=0o711)
    (root / "many").mkdir()
    for number in range(MANY):
        (root / "many" / f"{number:05}").write_text(str(number))
    for number, path in enumerate(sorted(root.rglob("*"), reverse=True)):
        os.utime(path, ns=(0, 1_500_000_000_123_456_789 + number * 1_000_000_007), follow_symlinks=False)


@pytest.fixture(scope="module")
def shown(person: Shell) -> Iterator[Path]:
    """The bundle, mounted."""
    need_fuse()
    with mounted(person, person.cwd / "shown", *AT_INIT) as serving:
        yield serving.directory


def failing(number: int) -> AbstractContextManager[object]:
    """The block fails with this number of the system's."""
    return pytest.raises(OSError, check=lambda error: error.errno == number)


def portrait(root: Path) -> dict[str, tuple[object, ...]]:
    """Kind, mode, time, target and bytes of every path."""
    return {str(path.relative_to(root)): features(path) for path in sorted(root.rglob("*"))}


def features(path: Path) -> tuple[object, ...]:
    """What one path is."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return "link", str(path.readlink()), found.st_mtime_ns
    common = stat.S_IMODE(found.st_mode), found.st_mtime_ns
    return ("dir", *common) if stat.S_ISDIR(found.st_mode) else ("file", *common, found.st_size, path.read_bytes())


def test_every_path_is_as_it_was_uploaded(person: Shell, shown: Path) -> None:
    assert portrait(shown) == portrait(person.cwd / "tree")


def test_programs_in_it_run_and_links_are_followed(shown: Path) -> None:
    assert subprocess.check_output([str(shown / "link")], text=True) == "it runs\n"


@given(begin=st.integers(0, len(LARGE) + 10), length=st.integers(0, 400_000))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_stretch_of_a_file_can_be_read(shown: Path, begin: int, length: int) -> None:
    file = os.open(shown / "large.bin", os.O_RDONLY)
    try:
        assert os.pread(file, length, begin) == LARGE[begin : begin + length]
    finally:
        os.close(file)


def test_a_file_can_be_mapped_into_memory(shown: Path) -> None:
    with (shown / "large.bin").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        assert content[1_000_000:2_000_000] == LARGE[1_000_000:2_000_000]
        assert content[:] == LARGE


def test_a_long_directory_is_listed_whole_by_many_at_once_and_again_from_its_beginning(shown: Path) -> None:
    listings = [os.scandir(shown / "many") for _ in range(3)]
    assert all({entry.name for entry in each} == {f"{n:05}" for n in range(MANY)} for each in listings)
    program = (
        "import ctypes, sys; c = ctypes.CDLL(None, use_errno=True); c.opendir.restype = c.readdir.restype = ctypes.c_void_p;"
        "d = ctypes.c_void_p(c.opendir(sys.argv[1].encode()));"
        "[c.readdir(d) for _ in range(2000)]; c.rewinddir(d); n = 0\n"
        "while c.readdir(d): n += 1\n"
        "print(n)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(shown / "many")], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{MANY + 2}\n"


def test_nothing_can_be_changed(shown: Path) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: (shown / "new").write_text("x"),
        lambda: (shown / "tool.sh").open("r+"),
        lambda: (shown / "tool.sh").unlink(),
        lambda: (shown / "many").rename(shown / "others"),
        lambda: (shown / "dir").mkdir(),
        lambda: (shown / "tool.sh").chmod(0o600),
        lambda: os.utime(shown / "tool.sh"),
        lambda: os.truncate(shown / "tool.sh", 1),
        lambda: os.link(shown / "tool.sh", shown / "hard"),
        lambda: os.setxattr(shown / "tool.sh", "user.x", b"y"),
    ]
    for attempt in attempts:
        with failing(errno.EROFS):
            attempt()


def test_what_is_not_there_says_so(shown: Path) -> None:
    for wrong, number in (("nothing", errno.ENOENT), ("tool.sh/below", errno.ENOTDIR), ("many/nothing", errno.ENOENT)):
        with failing(number):
            (shown / wrong).stat()
    with failing(errno.EINVAL):
        (shown / "tool.sh").readlink()


def test_a_file_tells_its_content_id_and_the_top_its_bundle(person: Shell, shown: Path) -> None:
    rows = person.well("bundle", "list", "files", "--repo", "orders", "--format", "jsonl").lines
    assert any(os.getxattr(shown / "large.bin", "user.datamon.content").decode() in row for row in rows)
    assert os.listxattr(shown / "large.bin") == ["user.datamon.content"]
    assert os.listxattr(shown / "many") == []
    bundle = os.getxattr(shown, "user.datamon.bundle").decode()
    assert bundle in person.well("bundle", "list", "--repo", "orders").out
    with failing(errno.ENODATA):
        os.getxattr(shown / "large.bin", "user.other")


def test_the_room_is_the_bundles_and_none_is_free(shown: Path) -> None:
    room = os.statvfs(shown)
    assert room.f_blocks * room.f_frsize >= len(LARGE)
    assert (room.f_bfree, room.f_bavail, room.f_ffree) == (0, 0, 0)
    assert room.f_files > MANY
    assert room.f_flag & os.ST_RDONLY


def test_a_path_has_the_same_inode_each_time_and_no_other_path_has_it(person: Shell, shown: Path) -> None:
    numbers = {path: path.lstat().st_ino for path in shown.rglob("*")}
    assert len(set(numbers.values())) == len(numbers)
    with mounted(person, person.cwd / "again", *AT_INIT) as again:
        for path in (shown / "tool.sh", shown / "many" / "00007"):
            assert (again.directory / path.relative_to(shown)).lstat().st_ino == numbers[path]


def test_the_list_of_mounts_has_it_and_a_second_one_there_is_refused(person: Shell, shown: Path) -> None:
    (line,) = [line for line in person.well("mount", "list").lines if line.startswith(str(shown))]
    assert line.split(" , ")[1].startswith("datamon:orders@")
    assert line.endswith("live")
    ran = person("bundle", "mount", "--mount", str(shown), *AT_INIT)
    assert ran.code == EXIT_CODES[Conflict][0]
    assert f"`datamon mount unmount {shown}`" in ran.sentence


def test_a_repo_shows_its_refs_and_follows_them_while_who_is_inside_stays(person: Shell) -> None:
    tree = person.cwd / "small"
    tree.mkdir()
    (tree / "f").write_text("one")
    person.well("repo", "create", "--repo", "small", "--description", "d")
    upload = ("bundle", "upload", "--repo", "small", "--path", "small", "--message", "m", "--label", "prod")
    assert person(*upload).code == 0
    with mounted(person, person.cwd / "repo", "--repo", "small") as serving:
        top = serving.directory
        assert sorted(os.listdir(top)) == ["branches", "bundles", "labels"]
        assert (os.listdir(top / "labels"), os.listdir(top / "branches")) == (["prod"], ["main"])
        inside = (top / "labels" / "prod").resolve()
        assert (inside / "f").read_text() == "one"
        (tree / "f").write_text("two")
        assert person(*upload).code == 0
        until(lambda: (top / "labels" / "prod" / "f").read_text() == "two")
        assert (inside / "f").read_text() == "one"
        until(lambda: len(os.listdir(top / "bundles")) == 2)
        person.well("label", "delete", "--repo", "small", "--label", "prod")
        until(lambda: not os.path.lexists(top / "labels" / "prod"))
        assert portrait(top / "branches" / "main") == portrait(tree)
        with failing(errno.EROFS):
            (top / "labels" / "new").mkdir()


@contextmanager
def heeding(number: signal.Signals) -> Iterator[None]:
    """Processes that are started inside do not ignore the signal, whatever started the tests."""
    before = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_a_signal_that_is_ignored_where_it_is_started_is_ignored(person: Shell) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with mounted(person, person.cwd / "ignoring", *AT_INIT) as serving:
            serving.process.send_signal(signal.SIGHUP)
            assert (serving.directory / "large.bin").read_bytes() == LARGE
            assert serving.process.poll() is None
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_unmounts(person: Shell, number: signal.Signals) -> None:
    with heeding(number), mounted(person, person.cwd / f"signal-{number}", *AT_INIT) as serving:
        assert (serving.directory / "tool.sh").exists()
        serving.process.send_signal(number)
        code, said = serving.end()
        assert (code, mounted_at(serving.directory)) == (0, None)
        assert said.endswith(f"{serving.directory} is unmounted\n")


def test_a_mount_whose_process_is_killed_is_gone(person: Shell) -> None:
    with mounted(person, person.cwd / "killed", *AT_INIT) as serving:
        held = os.open(serving.directory / "large.bin", os.O_RDONLY)
        serving.process.kill()
        serving.process.communicate()
        until(lambda: mounted_at(serving.directory) is None)
        assert os.listdir(serving.directory) == []
        with failing(errno.ENOTCONN):
            os.close(held)


def test_a_mount_in_use_says_by_whom_and_ends_by_force(person: Shell) -> None:
    with mounted(person, person.cwd / "busy", *AT_INIT) as serving:
        user = subprocess.Popen(["sleep", "60"], cwd=serving.directory / "many")
        try:
            ran = person("mount", "unmount", str(serving.directory))
            assert ran.code == EXIT_CODES[Conflict][0]
            assert f"in use by sleep ({user.pid})" in ran.sentence
            person.well("mount", "unmount", "--force", str(serving.directory))
            assert mounted_at(serving.directory) is None
        finally:
            user.kill()
            user.wait()
        assert serving.end()[0] == 0
    ran = person("mount", "unmount", str(serving.directory))
    assert ran.code == EXIT_CODES[NotFound][0]


def test_in_the_background_it_can_be_used_at_once_and_says_what_it_says_in_a_file(person: Shell) -> None:
    place = person.cwd / "background"
    place.mkdir()
    try:
        ran = person("bundle", "mount", *AT_INIT, "--mount", "background", "--daemonize")
        assert (ran.code, ran.out) == (0, "")
        assert (place / "large.bin").read_bytes() == LARGE
        log = Path(ran.err.strip().rpartition(" ")[2])
        assert "is mounted at background" in log.read_text()
        person.well("mount", "unmount", "background")
        until(lambda: "is unmounted" in log.read_text())
    finally:
        take_away(place)


@pytest.mark.parametrize("more", [(), ("--daemonize",)])
def test_what_cannot_be_mounted_is_an_error_that_says_why(person: Shell, more: tuple[str, ...]) -> None:
    (person.cwd / "free").mkdir(exist_ok=True)

    def refused(place: str, *words: str) -> tuple[int, str]:
        ran = person("bundle", "mount", "--mount", place, *words, *more)
        return ran.code, ran.sentence

    code, said = refused("tree", *AT_INIT)
    assert (code, "not empty" in said) == (EXIT_CODES[Conflict][0], True)
    code, said = refused("nowhere", *AT_INIT)
    assert (code, "no directory nowhere" in said) == (EXIT_CODES[NotFound][0], True)
    code, said = refused("free", *AT_INIT, "--cache-size", "huge")
    assert (code, "'huge' is no size" in said) == (EXIT_CODES[Invalid][0], True)
    _, said = refused("free", "--repo", "orders", "--label", "nix")
    assert "no label 'nix'" in said
    assert mounted_at(person.cwd / "free") is None


def test_a_damaged_byte_is_an_error_of_that_file_which_is_named_and_of_no_other(person: Shell) -> None:
    packs = sorted((person.home / ".datamon" / "store").rglob("*.pack"), key=lambda path: path.stat().st_size) or [
        max((p for p in (person.home / ".datamon" / "store").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    ]
    pack = packs[-1]
    whole = pack.read_bytes()
    spoilt = bytearray(whole)
    at = whole.index(LARGE[1_000_000:1_000_064])
    spoilt[at] ^= 1
    with mounted(person, person.cwd / "damaged", *AT_INIT) as serving:
        try:
            pack.chmod(0o644)
            pack.write_bytes(spoilt)
            with failing(errno.EIO):
                (serving.directory / "large.bin").read_bytes()
            assert (serving.directory / "many" / "00005").read_text() == "5"
        finally:
            pack.write_bytes(whole)
        assert (serving.directory / "large.bin").read_bytes() == LARGE
        serving.process.terminate()
        assert "'large.bin' of the bundle" in serving.end()[1]


def test_a_store_that_goes_away_is_an_error_and_no_hang(person: Shell, tmp_path: Path) -> None:
    store = person.home / ".datamon" / "store"
    with mounted(person, person.cwd / "gone", *AT_INIT) as serving:
        shutil.move(store, tmp_path / "elsewhere")
        try:
            with failing(errno.EIO):
                (serving.directory / "large.bin").read_bytes()
        finally:
            shutil.move(tmp_path / "elsewhere", store)
        assert (serving.directory / "large.bin").read_bytes() == LARGE
