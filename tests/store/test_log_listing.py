"""Reading a log whose listing is made while others write: it may show an entry and not the one before it."""

from collections.abc import Iterator

import pytest

from datamon.errors import Corrupt
from datamon.store import layout
from datamon.store.backend import Stored
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author
from datamon.store.check.check import check
from datamon.store.ids import RepoId
from datamon.store.opening import store_on
from datamon.store.repos import create_repo
from datamon.store.testing.commits import commit_nothing

ADA = Author("Ada", "ada@example.org")


class Unlisted(MemoryBackend):
    """Lists no key in `hidden`."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: set[str] = set()

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """See `Backend`."""
        return (stored for stored in super().list(prefix, after) if stored.key not in self.hidden)


def _written(entries: int) -> tuple[Unlisted, RepoId]:
    metadata = Unlisted()
    store = store_on(metadata, MemoryBackend(), ADA)
    repo = create_repo(store, "orders", "")
    for _ in range(entries):
        commit_nothing(store, repo)
    return metadata, repo.id


def test_what_stands_before_an_entry_that_was_not_listed_is_read_and_the_rest_later() -> None:
    metadata, repo = _written(6)
    reader = store_on(metadata, MemoryBackend(), ADA)
    metadata.hidden = {layout.log_entry(repo, 4)}
    assert reader.logs.repo(repo).number == 3
    assert reader.logs.repo(repo).number == 6


def test_check_reports_no_gap_where_an_entry_was_only_not_listed() -> None:
    metadata, repo = _written(6)
    store = store_on(metadata, MemoryBackend(), ADA)
    metadata.hidden = {layout.log_entry(repo, 4)}
    assert [finding for finding in check(store) if layout.log(repo) in str(finding.key)] == []
    metadata.delete(layout.log_entry(repo, 4))
    assert [finding.code for finding in check(store) if finding.key == layout.log_entry(repo, 4)] == ["entry-missing"]


def test_an_entry_that_is_not_there_is_missing() -> None:
    metadata, repo = _written(6)
    metadata.delete(layout.log_entry(repo, 4))
    with pytest.raises(Corrupt, match=f"{4:020d} is missing"):
        store_on(metadata, MemoryBackend(), ADA).logs.repo(repo)
