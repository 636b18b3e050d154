"""Mounts of bundles in a bucket, and by a user who is not root."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from datamon.cli.testing import Shell
from datamon.cli.testing_mount import mounted, need_fuse, take_away, until
from datamon.store.mount.mounts import mounted_at
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.emulator import make_buckets, running_emulator
from datamon.store.testing.proxy import FaultKind, Proxy, Rule, running_proxy

LARGE = random_bytes("large", 24 * 2**20)
SOMEBODY = os.getuid() or 65534
SOME_GROUP = os.getgid() if os.getuid() else SOMEBODY
AS_SOMEBODY = (
    ()
    if os.getuid()
    else (
        *("setpriv", f"--reuid={SOMEBODY}", f"--regid={SOME_GROUP}", "--clear-groups"),
        *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
    )
)
"""Of root's rights a program keeps only that to read every file, as the interpreter may lie in root's home."""
_SOON_S = 20.0
"""What a program on a busy machine may need to end."""


@pytest.fixture(autouse=True)
def _kernel() -> None:
    need_fuse()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with running_emulator() as url, running_proxy(url) as proxy:
        make_buckets(url, "team")
        yield proxy


@pytest.fixture
def far(shell: Shell, proxy: Proxy) -> Shell:
    """A person whose store is in a bucket, which no cache on the disk stands in for."""
    person = shell.having(STORAGE_EMULATOR_HOST=proxy.url, DATAMON_METADATA="team")
    person.well("repo", "create", "--repo", "orders", "--description", "")
    (person.cwd / "tree").mkdir()
    (person.cwd / "tree" / "large").write_bytes(LARGE)
    (person.cwd / "tree" / "small").write_text("small")
    upload = ("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "m", "--label", "init")
    assert person(*upload).code == 0
    return person


def reading(path: Path) -> "subprocess.Popen[bytes]":
    """A program that reads a file, and ends with the number of the error that it got."""
    program = "import sys\ntry: open(sys.argv[1], 'rb').read()\nexcept OSError as error: sys.exit(error.errno)"
    return subprocess.Popen([sys.executable, "-c", program, str(path)])


def test_a_bucket_is_read_as_a_program_reads_on(far: Shell, proxy: Proxy) -> None:
    proxy.forget()
    with mounted(far, far.cwd / "shown", "--repo", "orders", "--label", "init") as serving:
        with (serving.directory / "large").open("rb") as file:
            assert file.read(100) == LARGE[:100]
        seldom = proxy.counted()["get"]
        assert (serving.directory / "large").read_bytes() == LARGE
        assert (serving.directory / "large").read_bytes() == LARGE
    assert seldom < proxy.counted()["get"] < 80


@pytest.mark.parametrize("fault", ["refused", "stalled"])
def test_a_mount_ends_soon_also_while_a_program_waits_for_a_bucket_that_is_gone(
    far: Shell, proxy: Proxy, fault: FaultKind
) -> None:
    with mounted(far, far.cwd / "shown", "--repo", "orders", "--label", "init") as serving:
        assert len(os.listdir(serving.directory)) == 2
        proxy.obey(Rule(fault))
        before = proxy.spoilt.total()
        with reading(serving.directory / "large") as reader:
            proxy.await_spoilt(before + 1)
            serving.process.send_signal(signal.SIGTERM)
            assert serving.process.wait(_SOON_S) == 0
            assert reader.wait(_SOON_S) in (errno.EIO, errno.ENOTCONN, errno.ECONNABORTED)
        assert mounted_at(serving.directory) is None


@pytest.mark.slow
def test_a_bucket_that_goes_away_in_mid_read_is_an_error_and_a_message_and_is_read_again_when_it_is_back(
    far: Shell, proxy: Proxy
) -> None:
    """It is waited for as long as the store's patience lasts, two minutes."""
    with mounted(far, far.cwd / "shown", "--repo", "orders", "--label", "init") as serving:
        with (serving.directory / "large").open("rb") as file:
            assert file.read(100) == LARGE[:100]
        proxy.obey(Rule("refused"))
        assert reading(serving.directory / "large").wait(300) == errno.EIO
        proxy.obey()
        assert (serving.directory / "large").read_bytes() == LARGE
        serving.process.terminate()
        assert "/large cannot be read: " in serving.end()[1]


@pytest.fixture
def somebody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A person who is not root, with directories of their own."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="datamon-") as folder:
        root = Path(folder)
        person = Shell(root / "home", root / "work", {"DATAMON_NAME": "Bob", "DATAMON_EMAIL": "bob@example.org"})
        for path in (root, person.home, person.cwd, person.cwd / "tree", person.cwd / "shown"):
            path.mkdir(exist_ok=True)
            os.chown(path, SOMEBODY, SOME_GROUP)
        (person.cwd / "tree" / "small").write_text("small")
        yield person


def test_somebody_who_is_not_root_mounts_and_owns_what_is_shown(somebody: Shell) -> None:
    def well(*command: str) -> None:
        ran = somebody(*command, prefix=AS_SOMEBODY)
        assert ran.code == 0, ran

    place = somebody.cwd / "shown"
    well("repo", "create", "--repo", "orders", "--description", "")
    well("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "m", "--label", "init")
    try:
        well("bundle", "mount", "--repo", "orders", "--label", "init", "--mount", "shown", "--daemonize")
        look = [*AS_SOMEBODY, "sh", "-c", 'id -u; stat -c "%u %g" "$1/small"; cat "$1/small"', "sh", str(place)]
        assert subprocess.check_output(look, text=True) == f"{SOMEBODY}\n{SOMEBODY} {SOME_GROUP}\nsmall"
        well("mount", "unmount", "shown")
        assert mounted_at(place) is None
        well("bundle", "mount", "new", "--repo", "orders", "--mount", "shown", "--message", "m", "--daemonize")
        subprocess.run([*AS_SOMEBODY, "sh", "-c", 'echo new > "$1/new"', "sh", str(place)], check=True)
        well("mount", "unmount", "shown")
        until(lambda: "new" in somebody("bundle", "list", "files", "--repo", "orders", prefix=AS_SOMEBODY).out)
    finally:
        take_away(place)
