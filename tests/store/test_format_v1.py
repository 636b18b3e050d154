"""A store that an earlier version wrote in format 1 is read to the last byte by this one (`tests/store/data/make_v1.py`)."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from datamon.lineage.checking import check_runs
from datamon.query.engine import ask
from datamon.query.index.opening import open_index
from datamon.query.place import Place
from datamon.store.backend.local import LocalBackend
from datamon.store.bundle import Author
from datamon.store.check.check import check
from datamon.store.check.packs import Sample
from datamon.store.download import download
from datamon.store.opening import Store, store_on
from datamon.store.repos import list_repos
from datamon.store.testing.faults import WRITES, FaultyBackend
from datamon.store.testing.trees import snapshot

HERE = Path(__file__).resolve().parent / "data"
HELD: dict[str, Any] = json.loads((HERE / "v1.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store's files."""
    root = tmp_path_factory.mktemp("v1")
    with zipfile.ZipFile(HERE / "v1.zip") as archive:
        archive.extractall(root)
    return root


@pytest.fixture
def old(root: Path) -> Iterator[Store]:
    """The store, to which no test may write."""
    metadata, blob = (FaultyBackend(LocalBackend(root / name), methods=WRITES) for name in ("metadata", "blob"))
    yield store_on(metadata, blob, Author("Bob", "bob@example.org"))
    assert metadata.calls == blob.calls == []


def shown(place: Path) -> dict[str, list[object]]:
    return {
        path: [mode, mtime_ns, blake3(inside).hexdigest() if isinstance(inside, bytes) else inside]
        for path, (mode, mtime_ns, inside) in snapshot(place).items()
    }


def test_the_fixture_is_small() -> None:
    assert sum(path.stat().st_size for path in HERE.iterdir() if path.is_file()) < 200_000


def test_repos_refs_and_bundles_are_those_that_were_written(old: Store) -> None:
    assert [repo.name for repo in list_repos(old, system=True)] == sorted(HELD)
    for repo in list_repos(old, system=True):
        state = old.logs.repo(repo.id)
        refs = {ref.name: [ref.kind, ref.bundle, ref.frozen] for ref in state.refs.values()}
        live = {bundle.id: bundle.to_record() for bundle in state.bundles.values() if bundle.id not in state.deleted}
        assert refs == HELD[repo.name]["refs"]
        assert live == {bundle: held["record"] for bundle, held in HELD[repo.name]["bundles"].items()}


def test_every_bundle_is_downloaded_as_it_was(old: Store, tmp_path: Path) -> None:
    for repo in list_repos(old, system=True):
        for bundle in old.logs.repo(repo.id).bundles.values():
            if bundle.id in HELD[repo.name]["bundles"]:
                download(old, bundle, tmp_path / bundle.id)
                assert shown(tmp_path / bundle.id) == HELD[repo.name]["bundles"][bundle.id]["files"]


def test_a_check_of_everything_finds_no_damage(old: Store) -> None:
    found = [*check(old, Sample(100)), *check_runs(old)]
    assert [finding for finding in found if finding.is_damage or finding.code != "unreferenced"] == []


def test_questions_about_runs_are_answered(old: Store, tmp_path: Path) -> None:
    index = open_index(old, index_dir=tmp_path / "index")
    place = Place(tmp_path, "here")
    answer = ask(old, "SELECT step, status FROM runs ORDER BY status", params={}, place=place, index=index)
    assert list(answer.rows) == [("train", "running"), ("train", "succeeded")]
