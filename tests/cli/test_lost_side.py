"""A side of a mirrored store disappears for good in the middle of a session: nothing that was acknowledged goes with it, and a
fresh side is filled."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datamon.cli.testing import Ran, Shell
from datamon.errors import EXIT_CODES, Unavailable
from datamon.store.backend.patience import Patience
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.emulator import make_buckets, running_emulator
from datamon.store.testing.proxy import Proxy, running_proxy

Inside = Callable[..., Ran]
UNAVAILABLE = EXIT_CODES[Unavailable][0]
RESIGNED = Patience(total_s=0.3, connect_s=1.0, read_s=5.0, first_pause_s=0.05, longest_pause_s=0.1)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """On the way to the side `far`; who finds it gone does not wait for long."""
    monkeypatch.setattr("datamon.store.mirror.opening.OF_A_SIDE", RESIGNED)
    with running_emulator() as url, running_proxy(url) as proxy:
        make_buckets(url, "far")
        yield proxy


class Session:
    """A person whose store has three sides, and what they were told is done: bundles, with the bytes of their one file."""

    def __init__(self, shell: Shell, inside: Inside, proxy: Proxy) -> None:
        self.shell = shell.having(STORAGE_EMULATOR_HOST=proxy.url)
        self.inside = inside
        self.done: dict[str, bytes] = {}

    def configure(self, order: list[str], far: str) -> None:
        """The sides stand in the configuration in this order."""
        places = {"near": str(self.shell.home / "near"), "other": str(self.shell.home / "other"), "far": far}
        sides = [{"name": name, "metadata": places[name]} for name in order]
        file = self.shell.home / ".datamon" / "datamon.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({"mirror": {"sides": sides}}))

    def well(self, *words: str) -> list[str]:
        """The lines that a command told that must succeed."""
        ran = self.inside(self.shell, *words)
        assert ran.code == 0, ran
        return ran.lines

    def upload(self, name: str) -> int:
        """The exit code of an upload of four megabytes and a file of its own."""
        tree = self.shell.cwd / "tree"
        tree.mkdir(exist_ok=True)
        content = random_bytes(name, 4_000_000)
        (tree / "f").write_bytes(content)
        ran = self.inside(self.shell, "bundle", "upload", "--repo", "one", "--path", "tree", "--message", name)
        if ran.code == 0:
            found = re.search(r"Uploaded bundle id:(\w+)", ran.out)
            assert found
            self.done[found[1]] = content
        return ran.code

    def verify(self) -> None:
        """All that was told to be done is there, and reads as it was."""
        listed = [line.split(" , ")[0] for line in self.well("bundle", "list", "--repo", "one")]
        assert set(self.done) <= set(listed)
        for number, (bundle, content) in enumerate(self.done.items()):
            target = f"back-{number}-{len(list(self.shell.cwd.iterdir()))}"
            self.well("bundle", "download", "--repo", "one", "--bundle", bundle, "--destination", target)
            assert (self.shell.cwd / target / "f").read_bytes() == content


@pytest.mark.parametrize("puts", [1, 4])
@pytest.mark.parametrize("first", ["far", "near"])
def test_a_session_goes_on_without_the_side_and_then_with_a_fresh_one(
    first: str, puts: int, shell: Shell, inside: Inside, proxy: Proxy, tmp_path: Path
) -> None:
    """Also when it was the first, which decides: then after a promotion."""
    session = Session(shell, inside, proxy)
    order = ["far", "near", "other"] if first == "far" else ["near", "far", "other"]
    session.configure(order, "gs://far/side")
    session.well("repo", "create", "--repo", "one", "--description", "")
    assert session.upload("before") == 0
    proxy.vanish_after("put", puts)
    code = session.upload("meanwhile")
    proxy.vanish()
    session.verify()
    if first == "far":
        assert code in (0, UNAVAILABLE)
        assert session.upload("refused") == UNAVAILABLE
        session.well("store", "promote", "near", "--reason", "far has disappeared")
    else:
        assert code == 0
    assert session.upload("without it") == 0
    session.verify()
    session.configure(order, str(tmp_path / "fresh"))
    session.well("repair")
    found = json.loads(session.inside(session.shell, "check", "--read-data", "--format", "json").out)
    assert [finding for finding in found if finding["severity"] == "damage"] == []
    session.well("store", "promote", "far", "--reason", "it has everything")
    (shell.home / "near").rename(shell.home / "gone")
    session.verify()
    assert session.upload("with the fresh side") == 0
    session.verify()
