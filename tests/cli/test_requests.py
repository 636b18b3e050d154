"""How many requests a command makes of a bucket: each costs money, and more time than anything that is done here."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from datamon.cli.testing import Ran, Shell
from datamon.store.bundle import Author
from datamon.store.opening import memory_store
from datamon.store.repos import create_repo
from datamon.store.testing.commits import commit_nothing
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.emulator import make_buckets, running_emulator
from datamon.store.testing.file_clock import settle
from datamon.store.testing.proxy import Proxy, running_proxy

FILES, FILE_BYTES = 1_000, 36_000
OLD_S = 10
"""A file last changed so long ago is settled: what the stat cache holds of it is believed."""


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with running_emulator() as url:
        make_buckets(url, "team-metadata", "team-blob")
        yield url


@pytest.fixture(scope="module")
def proxy(emulator: str) -> Iterator[Proxy]:
    with running_proxy(emulator) as proxy:
        yield proxy


@dataclass(frozen=True)
class Member:
    """A person of a team whose store lies in two buckets, behind a proxy that counts."""

    shell: Shell
    proxy: Proxy

    def __call__(self, *words: str) -> Ran:
        """Runs `datamon`; only the requests of this line are counted afterwards."""
        self.proxy.forget()
        return self.shell.well(*words)

    @property
    def asked(self) -> list[str]:
        """What the last line asked for: ids and hashes as `*`."""
        requests = (f"{request.method} {request.key.partition('/')[2]}" for request in self.proxy.requests)
        return [re.sub(r"[0-9A-Za-z]{27}|\b[0-9a-f]{64}\b", "*", request) for request in requests]


@pytest.fixture
def member(proxy: Proxy, shell: Shell, tmp_path: Path) -> Member:
    place = tmp_path.name.replace("_", "-")
    variables = {
        "STORAGE_EMULATOR_HOST": proxy.url,
        "DATAMON_METADATA": f"gs://team-metadata/{place}",
        "DATAMON_BLOB": f"gs://team-blob/{place}",
    }
    member = Member(shell.having(**variables), proxy)
    member("repo", "create", "--repo", "orders", "--description", "d")
    return member


@pytest.fixture
def tree(shell: Shell) -> Path:
    """A thousand files, some 36 MB that cannot be compressed: three packs."""
    root = shell.cwd / "tree"
    content = random_bytes("tree", FILES * FILE_BYTES)
    for number in range(FILES):
        path = root / f"d{number % 20}" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content[number * FILE_BYTES : (number + 1) * FILE_BYTES])
    for path in [*root.rglob("*"), root]:
        found = path.stat()
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns - OLD_S * 10**9))
    return root


UPLOAD = ("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "m")


def test_a_thousand_files_are_tens_of_requests_up_and_about_as_many_as_packs_down(member: Member, tree: Path) -> None:
    member(*UPLOAD)
    counted = member.proxy.counted()
    packs = sum(request.startswith("put packs/") for request in member.asked)
    assert packs == 3
    assert counted["put"] == packs + 1 + 3 + 2  # an index segment; manifest, entries, times; intent and log entry
    assert len(member.asked) <= 28
    member("bundle", "download", "--repo", "orders", "--destination", "back")
    reads = [request for request in member.asked if request.startswith("get packs/")]
    assert packs <= len(reads) <= 2 * packs
    assert len(member.asked) <= len(reads) + 14
    files = {path.relative_to(tree): path.read_bytes() for path in tree.rglob("*.bin")}
    back = member.shell.cwd / "back"
    assert {path.relative_to(back): path.read_bytes() for path in back.rglob("*.bin")} == files
    # Once more, from the cache on disk.
    member("bundle", "download", "--repo", "orders", "--destination", "again")
    assert not any(request.startswith(("get packs/", "get segments/", "get manifests/")) for request in member.asked)


def test_without_the_cache_on_disk_a_download_is_as_few_requests(member: Member, tree: Path) -> None:
    member(*UPLOAD)
    bare = Member(member.shell.having(DATAMON_CACHE_SIZE="0"), member.proxy)
    for destination in ("one", "two"):
        bare("bundle", "download", "--repo", "orders", "--destination", destination)
        assert 3 <= sum(request.startswith("get packs/") for request in bare.asked) <= 6
    assert not (member.shell.home / ".datamon" / "cache" / "packs").exists()


def test_an_unchanged_tree_is_two_requests_whatever_its_files(member: Member, tree: Path) -> None:
    """Are its packs there, is its manifest: all else is the command's, which opens the store, looks whether the logs have moved
    (before it reads the tree and before it commits), and commits."""
    settle(tree)
    member(*UPLOAD)
    member(*UPLOAD)
    about_the_tree = [
        r for r in member.asked if r.split()[1].startswith(("packs/", "manifests/", "segments/", "stats/"))
    ]
    assert about_the_tree == ["list packs/", "has manifests/" + about_the_tree[-1].split("manifests/")[-1]]
    assert len(member.asked) <= 16
    assert member.proxy.counted()["put"] == 2


def test_a_long_log_is_not_read_again(member: Member) -> None:
    for number in range(8):
        member("label", "list", "--repo", "orders")
        (member.shell.cwd / "one").mkdir(exist_ok=True)
        (member.shell.cwd / "one" / "file").write_text(str(number))
        member("bundle", "upload", "--repo", "orders", "--path", "one", "--message", "m")
    member("bundle", "list", "--repo", "orders")
    assert len(member.asked) <= 8
    assert len(member("bundle", "list", "--repo", "orders").lines) == 8


def test_a_question_about_a_thousand_unchanged_repos_is_a_handful_of_requests(shell: Shell, tmp_path: Path) -> None:
    """The journal tells that nothing is new; no repo is asked. The question before has merged its thousands of records."""
    made = memory_store(Author("Ada", "ada@example.org"))
    for number in range(1_000):
        commit_nothing(made, create_repo(made, f"repo-{number:04}", ""))
    for backend, bucket in ((made.metadata, "metadata"), (made.blob, "blob")):
        for stored in backend.list(""):
            place = tmp_path / "filled" / bucket / "crowd" / stored.key
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(backend.get(stored.key))
    with running_emulator(tmp_path / "filled") as url, running_proxy(url) as proxy:
        places = {"DATAMON_METADATA": "gs://metadata/crowd", "DATAMON_BLOB": "gs://blob/crowd"}
        member = Member(shell.having(STORAGE_EMULATOR_HOST=proxy.url, **places), proxy)
        member("query", "SELECT count(*) FROM repos")
        answer = member("query", "SELECT count(*) FROM repos")
        assert "1000" in answer.out
        journal = ["list journal/", "list journal/merged/", "get journal/merged/00000000000000000001"]
        assert member.asked == ["get store.json", "get blobs.json", "list open/", *journal]
