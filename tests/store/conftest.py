"""Fixtures of the tests of the store: a directory to upload, and a store that remembers what it uploaded."""

from pathlib import Path

import pytest

from datamon.store import stat_cache
from datamon.store.opening import Store, memory_store
from datamon.store.testing.stat_caches import made_settled, on_disk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty directory."""
    return made_settled(tmp_path / "tree")


@pytest.fixture
def kept(tmp_path: Path) -> Store:
    """A store in memory that keeps what belongs to this machine on disk."""
    return on_disk(memory_store(), tmp_path / "state")


@pytest.fixture
def _no_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file counts as settled from the next tick of the clock on, where people's wait two seconds."""
    monkeypatch.setattr(stat_cache, "GUARD_NS", 0)
