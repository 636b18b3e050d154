"""A bundle mounted to be changed by the real kernel: what programs do to it, what is committed, and what a kill leaves."""

import errno
import mmap
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from datamon.cli.testing import Shell
from datamon.cli.testing_mount import Serving, mounted, need_fuse, until
from datamon.errors import EXIT_CODES, Conflict, NotFound, Unavailable
from datamon.store.mount.mounts import mounted_at

NEW = ("new", "--repo", "orders", "--message", "m")
MEMORY = Path("/dev/shm")


@pytest.fixture(autouse=True)
def _kernel() -> None:
    need_fuse()


@pytest.fixture
def person(orders: Shell) -> Shell:
    """A person with a repo `orders` with two files."""
    return orders


def changing(person: Shell, *words: str) -> AbstractContextManager[Serving]:
    """The repo, mounted to be changed at `desk`."""
    return mounted(person, person.cwd / "desk", *words, command=("bundle", "mount", *NEW))


def failing(number: int) -> AbstractContextManager[object]:
    """The block fails with this number of the system's."""
    return pytest.raises(OSError, check=lambda error: error.errno == number)


def contents(root: Path) -> dict[str, tuple[object, ...]]:
    """Kind, mode, target and bytes of every path."""
    return {str(path.relative_to(root)): _features(path) for path in sorted(root.rglob("*"))}


def _features(path: Path) -> tuple[object, ...]:
    found = path.lstat()
    if path.is_symlink():
        return ("link", str(path.readlink()))
    return (found.st_mode, path.read_bytes() if path.is_file() else None)


def downloaded(person: Shell, name: str, *words: str) -> dict[str, tuple[object, ...]]:
    """What the repo's newest bundle holds."""
    ran = person("bundle", "download", "--repo", "orders", "--destination", name, *words)
    assert ran.code == 0, ran
    return contents(person.cwd / name)


def committed(said: str) -> list[str]:
    """The bundles that were told."""
    return [line.rpartition(":")[2] for line in said.splitlines() if line.startswith("Uploaded bundle id:")]


def test_what_was_done_is_a_bundle_with_the_old_one_as_parent_when_it_is_unmounted(person: Shell) -> None:
    before = person.well("bundle", "list", "--repo", "orders").lines[-1].split(" , ")[0]
    with changing(person, "--label", "done") as serving:
        desk = serving.directory
        assert (desk / "a.csv").read_text() == "id,price\n1,3\n"
        (desk / "a.csv").write_text("id,price\n1,4\n")
        with (desk / "b.csv").open("a") as file:
            file.write("3,5\n")
        (desk / "sub" / "deep").mkdir(parents=True)
        (desk / "b.csv").rename(desk / "sub" / "c.csv")
        (desk / "sub" / "tool.sh").write_text("#!/bin/sh\necho run\n")
        (desk / "sub" / "tool.sh").chmod(0o755)
        assert subprocess.check_output([str(desk / "sub" / "tool.sh")], text=True) == "run\n"
        (desk / "link").symlink_to("sub/c.csv")
        os.utime(desk / "a.csv", ns=(1, 1_600_000_000_000_000_001))
        shown = contents(desk)
        person.well("mount", "unmount", str(desk))
        code, out, said = serving.whole_end()
        assert code == 0, said
    assert downloaded(person, "out", "--label", "done") == shown
    assert shown["sub/c.csv"][1] == b"id,price\n2,4\n3,5\n"
    assert (person.cwd / "out" / "a.csv").stat().st_mtime_ns == 1_600_000_000_000_000_001
    (bundle,) = committed(out)
    (row,) = person.well(
        "query", f"SELECT parents[1] AS parent FROM bundles WHERE id = '{bundle}'", "--format", "csv"
    ).lines[1:]
    assert row == before
    assert not list((person.home / ".datamon" / "state").glob("*/mounts/*"))


def test_without_a_change_there_is_no_bundle(person: Shell) -> None:
    before = person.well("bundle", "list", "--repo", "orders").lines
    with changing(person) as serving:
        assert len(os.listdir(serving.directory)) == 2
        serving.process.terminate()
        assert "nothing was changed" in serving.end()[1]
    assert person.well("bundle", "list", "--repo", "orders").lines == before


def test_a_commit_on_the_way_goes_on_and_reads_only_what_was_written_since(person: Shell) -> None:
    with changing(person, "--empty") as serving:
        desk = serving.directory
        assert os.listdir(desk) == []
        (desk / "one").write_text("1")
        first = committed(person.well("mount", "commit", str(desk), "--message", "first").out)
        (desk / "two").write_text("2")
        second = committed(person.well("mount", "commit", str(desk)).out)
        assert first != second
        again = committed(person.well("mount", "commit", str(desk)).out)
        assert again == second
        serving.process.terminate()
        assert "nothing was changed" in serving.end()[1]
    assert set(downloaded(person, "out")) == {"one", "two"}
    messages = [line.split(" , ")[2] for line in person.well("bundle", "list", "--repo", "orders").lines]
    assert messages[-2:] == ["first", "m"]


def test_what_a_killed_process_left_is_recovered_whole(person: Shell) -> None:
    with changing(person) as serving:
        desk = serving.directory
        (desk / "new").write_text("kept")
        (desk / "a.csv").rename(desk / "moved.csv")
        (desk / "b.csv").unlink()
        held = os.open(desk / "open", os.O_RDWR | os.O_CREAT)
        os.write(held, b"not closed")
        shown = contents(desk)
        serving.process.kill()
        serving.process.communicate()
        until(lambda: mounted_at(desk) is None)
        with suppress(OSError):
            os.close(held)
    (line,) = person.well("mount", "recover").lines
    work, repo, directory, _ = line.split(" , ")
    assert (repo, directory) == ("orders", str(desk))
    assert len(committed(person.well("mount", "recover", work).out)) == 1
    assert downloaded(person, "out") == shown
    assert person.well("mount", "recover").lines == []
    assert person("mount", "recover", work).code == EXIT_CODES[NotFound][0]


def test_work_that_is_mounted_cannot_be_recovered(person: Shell) -> None:
    with changing(person) as serving:
        (serving.directory / "x").write_text("x")
        assert person.well("mount", "recover").lines == []
        (place,) = (person.home / ".datamon" / "state").glob("*/mounts/*")
        assert person("mount", "recover", place.name).code == EXIT_CODES[Conflict][0]


def test_a_branch_that_moved_meanwhile_is_left_alone_and_the_work_is_a_bundle_all_the_same(person: Shell) -> None:
    with changing(person) as serving:
        (serving.directory / "mine").write_text("mine")
        ran = person("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "theirs")
        assert ran.code == 0
        serving.process.terminate()
        code, out, said = serving.whole_end()
    assert code == 0
    assert "moved meanwhile" in said
    (bundle,) = committed(out)
    assert "mine" not in downloaded(person, "theirs")
    assert "mine" in downloaded(person, "ours", "--bundle", bundle)


@pytest.fixture
def small_disk(person: Shell) -> Iterator[Path]:
    """The folder of this machine's state is a disk of three megabytes."""
    state = person.home / ".datamon" / "state"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(state)], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip("capability: loop and other mounts are not allowed to this user, so NO FULL DISK WAS TRIED")
    try:
        yield state
    finally:
        subprocess.run(["umount", "-l", str(state)], check=True)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_is_told_to_the_program_and_loses_nothing(person: Shell) -> None:
    with changing(person) as serving:
        desk = serving.directory
        (desk / "before").write_text("before")
        with failing(errno.ENOSPC):
            (desk / "large").write_bytes(bytes(5_000_000))
        with failing(errno.ENOSPC):
            for number in range(5_000):
                (desk / f"small-{number}").write_bytes(bytes(4_000))
        assert (desk / "before").read_text() == "before"
        (desk / "large").unlink()
        (desk / "after").write_text("after")
        shown = contents(desk)
        serving.process.terminate()
        code, said = serving.end()
        assert code == 0, said
    assert downloaded(person, "out") == shown
    assert {"before", "after"} <= shown.keys()


def test_what_a_bundle_cannot_hold_is_refused(person: Shell) -> None:
    with changing(person) as serving:
        desk = serving.directory
        refused: list[tuple[int, Callable[[], object]]] = [
            (errno.EPERM, lambda: os.link(desk / "a.csv", desk / "hard")),
            (errno.EPERM, lambda: os.mkfifo(desk / "pipe")),
            (errno.ENOTSUP, lambda: os.setxattr(desk / "a.csv", "user.x", b"y")),
            (errno.EILSEQ, lambda: (desk / "half\udcff").write_text("x")),
            (errno.ENAMETOOLONG, lambda: (desk / ("n" * 256)).write_text("x")),
        ]
        for number, attempt in refused:
            with failing(number):
                attempt()
        person.well("mount", "commit", str(desk))


def test_a_removed_file_lives_as_long_as_it_is_open_and_is_not_committed(person: Shell) -> None:
    with changing(person) as serving:
        desk = serving.directory
        with (desk / "gone").open("w+b") as file:
            file.write(b"still here")
            file.flush()
            (desk / "gone").unlink()
            assert sorted(os.listdir(desk)) == ["a.csv", "b.csv"]
            assert os.fstat(file.fileno()).st_size == 10
            file.seek(0)
            assert file.read() == b"still here"
            person.well("mount", "commit", str(desk))
        serving.process.terminate()
        serving.end()
    assert set(downloaded(person, "out")) == {"a.csv", "b.csv"}


def test_a_file_can_be_written_through_memory(person: Shell) -> None:
    with changing(person) as serving:
        place = serving.directory / "mapped"
        file = os.open(place, os.O_RDWR | os.O_CREAT)
        os.ftruncate(file, 3 * mmap.PAGESIZE)
        with mmap.mmap(file, 3 * mmap.PAGESIZE) as content:
            content[mmap.PAGESIZE : mmap.PAGESIZE + 5] = b"paged"
        os.close(file)
        assert place.read_bytes()[mmap.PAGESIZE :].startswith(b"paged")


def test_a_mount_that_cannot_be_made_leaves_no_work(person: Shell) -> None:
    (person.cwd / "nowhere").mkdir()
    lacking = person.having(FUSE_LIBRARY_PATH="/no/such/libfuse.so")
    ran = lacking("bundle", "mount", "new", "--repo", "orders", "--mount", "nowhere", "--message", "m")
    assert ran.code == EXIT_CODES[Unavailable][0]
    assert "mounts need libfuse" in ran.sentence
    assert person.well("mount", "recover").out == ""


def test_fio_reads_back_what_it_wrote(person: Shell) -> None:
    if shutil.which("fio") is None:
        pytest.skip("NOT TESTED: fio is not installed (Debian: fio)")
    with changing(person) as serving:
        words = [
            "--directory=.",
            "--size=8m",
            "--verify=crc32c",
            "--do_verify=1",
            "--ioengine=psync",
            "--group_reporting",
        ]
        for kind in ("write", "randrw"):
            job = ["fio", f"--name={kind}", f"--rw={kind}", "--bs=4k-64k", "--numjobs=2", "--fallocate=none", *words]
            done = subprocess.run(job, cwd=serving.directory, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr


NAMES = st.sampled_from(["a", "b", "c", "d/a", "d/b", "d/e/a", "d/e", "d", "f"])
PIECES = st.binary(max_size=20)


class Changes(RuleBasedStateMachine):
    """The same operations on the mount and on a directory of a tmpfs, with the same results."""

    mount: Path

    def __init__(self) -> None:
        super().__init__()
        self.place = (
            Path(tempfile.mkdtemp(dir=MEMORY, prefix="datamon-")) / "desk"
        )  # symlinks lead to what lies beside it
        self.place.mkdir()
        self.files: dict[str, tuple[int, int]] = {}

    @initialize()
    def begin(self) -> None:
        for path in sorted(self.mount.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        (self.mount.parent / "a").unlink(missing_ok=True)

    def both(self, done: Callable[[Path], object]) -> None:
        """Does it in both places, which must give the same or fail with the same number."""
        assert self.outcome(done, self.mount) == self.outcome(done, self.place)

    def outcome(self, done: Callable[[Path], object], root: Path) -> object:
        try:
            return done(root)
        except OSError as error:
            return errno.errorcode[error.errno or 0]

    @rule(name=NAMES, content=PIECES)
    def write(self, name: str, content: bytes) -> None:
        self.both(lambda root: (root / name).write_bytes(content))

    @rule(name=NAMES, content=PIECES)
    def append(self, name: str, content: bytes) -> None:
        def done(root: Path) -> int:
            with (root / name).open("ab") as file:
                return file.write(content)

        self.both(done)

    @rule(name=NAMES, content=PIECES, at=st.integers(0, 40))
    def write_at(self, name: str, content: bytes, at: int) -> None:
        def done(root: Path) -> int:
            file = os.open(root / name, os.O_RDWR)
            try:
                return os.pwrite(file, content, at)
            finally:
                os.close(file)

        self.both(done)

    @rule(name=NAMES, size=st.integers(0, 60))
    def truncate(self, name: str, size: int) -> None:
        self.both(lambda root: os.truncate(root / name, size))

    @rule(name=NAMES)
    def create_alone(self, name: str) -> None:
        self.both(lambda root: os.close(os.open(root / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY)))

    @rule(name=NAMES)
    def make_directory(self, name: str) -> None:
        self.both(lambda root: (root / name).mkdir())

    @rule(name=NAMES)
    def remove_directory(self, name: str) -> None:
        self.both(lambda root: (root / name).rmdir())

    @rule(name=NAMES)
    def unlink(self, name: str) -> None:
        self.both(lambda root: (root / name).unlink())

    @rule(old=NAMES, new=NAMES)
    def rename(self, old: str, new: str) -> None:
        self.both(lambda root: os.rename(root / old, root / new))  # noqa: PTH104 (that would give a path)

    @rule(name=NAMES, to=st.sampled_from(["a", "d", "nowhere", "../a"]))
    def symlink(self, name: str, to: str) -> None:
        self.both(lambda root: (root / name).symlink_to(to))

    @rule(name=NAMES, mode=st.sampled_from([0o600, 0o644, 0o755, 0o700]))
    def chmod(self, name: str, mode: int) -> None:
        self.both(lambda root: (root / name).chmod(mode))

    @rule(name=NAMES)
    def read(self, name: str) -> None:
        self.both(lambda root: (root / name).read_bytes())

    @rule(name=NAMES)
    def hold(self, name: str) -> None:
        if name not in self.files:
            with suppress(OSError):
                ours = os.open(self.mount / name, os.O_RDWR)
                self.files[name] = ours, os.open(self.place / name, os.O_RDWR)

    @rule(name=NAMES, content=PIECES)
    def use(self, name: str, content: bytes) -> None:
        if name in self.files:
            ours, theirs = self.files[name]
            assert os.pwrite(ours, content, 3) == os.pwrite(theirs, content, 3)
            assert os.pread(ours, 100, 0) == os.pread(theirs, 100, 0)
            assert os.fstat(ours).st_size == os.fstat(theirs).st_size

    @rule(name=NAMES)
    def let_go(self, name: str) -> None:
        for file in self.files.pop(name, ()):
            os.close(file)

    @invariant()
    def both_are_the_same(self) -> None:
        assert contents(self.mount) == contents(self.place)

    def teardown(self) -> None:
        for name in list(self.files):
            self.let_go(name)
        shutil.rmtree(self.place.parent)


@pytest.fixture
def mount_of_the_machine(person: Shell) -> Iterator[Path]:
    """A mount that many examples use."""
    with changing(person) as serving:
        yield serving.directory


def _compared(mount: Path, examples: int) -> None:
    machine = type("Compared", (Changes,), {"mount": mount})
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None))


def test_any_operations_give_what_a_tmpfs_gives(mount_of_the_machine: Path) -> None:
    _compared(mount_of_the_machine, 40)


@pytest.mark.slow
def test_very_many_operations_give_what_a_tmpfs_gives(mount_of_the_machine: Path) -> None:
    _compared(mount_of_the_machine, 1_500)
