"""An encrypted store that an earlier version wrote is read to the last byte by this one (`data/make_v2_encrypted.py`)."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from datamon.errors import Denied
from datamon.store.backend.local import LocalBackend
from datamon.store.bundle import Author
from datamon.store.check.check import check
from datamon.store.check.packs import Sample
from datamon.store.download import download
from datamon.store.encryption_key import EncryptionKey
from datamon.store.opening import Store, store_on
from datamon.store.repos import list_repos
from datamon.store.testing.faults import WRITES, FaultyBackend

HERE = Path(__file__).resolve().parent / "data"
EVE = Author("Eve", "eve@example.org")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store's files."""
    root = tmp_path_factory.mktemp("v2")
    with zipfile.ZipFile(HERE / "v2-encrypted.zip") as archive:
        archive.extractall(root)
    return root


@pytest.fixture
def old(root: Path) -> Iterator[Store]:
    """The store, to which no test may write."""
    metadata, blob = (FaultyBackend(LocalBackend(root / name), methods=WRITES) for name in ("metadata", "blob"))
    yield store_on(metadata, blob, EVE, key=EncryptionKey(bytes(range(32))))
    assert metadata.calls == blob.calls == []


def test_its_bundle_is_downloaded_as_it_was(old: Store, tmp_path: Path) -> None:
    [repo] = list_repos(old)
    assert (repo.name, repo.description) == ("orders", "by night")
    [bundle] = old.logs.repo(repo.id).bundles.values()
    download(old, bundle, tmp_path / "out")
    assert (tmp_path / "out" / "small.txt").read_bytes() == b"a secret"
    assert (tmp_path / "out" / "sub" / "large.txt").read_bytes() == b"0123456789" * 30_000
    assert (tmp_path / "out" / "empty").read_bytes() == b""
    assert (tmp_path / "out" / "link").readlink() == Path("small.txt")


def test_a_check_of_everything_finds_nothing(old: Store) -> None:
    assert list(check(old, Sample(100))) == []


def test_the_key_that_was_changed_does_not_open_it(root: Path) -> None:
    with pytest.raises(Denied):
        store_on(LocalBackend(root / "metadata"), LocalBackend(root / "blob"), EVE, key=EncryptionKey(bytes(32)))
