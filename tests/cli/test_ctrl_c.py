"""Ctrl-C in a command that waits for a bucket: it ends, whatever the bucket does."""

import signal
from collections.abc import Iterator

import pytest

from datamon.cli.testing import Shell
from datamon.errors import exit_code
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.emulator import make_buckets, running_emulator
from datamon.store.testing.proxy import Proxy, Rule, running_proxy

_SOON_S = 20.0
"""What a program on a busy machine may need to end; the pauses alone would be 120 s for each request."""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with running_emulator() as url, running_proxy(url) as proxy:
        make_buckets(url, "team")
        yield proxy


def test_an_upload_whose_packs_are_refused_for_ever_ends_at_ctrl_c(shell: Shell, proxy: Proxy) -> None:
    """Its threads sleep between tries at that moment, and what it puts in order afterwards is refused too."""
    far = shell.having(STORAGE_EMULATOR_HOST=proxy.url, DATAMON_METADATA="team")
    far.well("repo", "create", "--repo", "orders", "--description", "")
    tree = shell.cwd / "tree"
    tree.mkdir()
    for number in range(3):
        (tree / f"{number}").write_bytes(random_bytes(f"{number}", 20 * 2**20))
    proxy.obey(Rule("refused", methods=frozenset({"put"})))
    uploading = far.start("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "m")
    try:
        proxy.await_spoilt(12)
        proxy.obey(Rule("refused"))
        uploading.send_signal(signal.SIGINT)
        _, err = uploading.communicate(timeout=_SOON_S)
    finally:
        uploading.kill()
        uploading.wait()
    assert uploading.returncode == exit_code(KeyboardInterrupt())
    assert "stopped by Ctrl-C" in err
