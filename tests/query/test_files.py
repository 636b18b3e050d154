"""The relation `files`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.query.files import ALL, Wanted, attach_files
from datamon.query.index import Index, open_index
from datamon.store.bundle import Bundle
from datamon.store.opening import Store
from datamon.store.repos import create_repo, find_repo
from datamon.store.upload import UploadRequest, upload

Uploads = Callable[..., Bundle]


@pytest.fixture
def index(store: Store) -> Index:
    """The index of the store in memory."""
    return open_index(store)


@pytest.fixture
def put(store: Store, tmp_path: Path) -> Uploads:
    """Uploads files to the repo `orders`: names and texts."""
    create_repo(store, "orders", "")
    places = iter(range(1000))

    def upload_files(**texts: str) -> Bundle:
        directory = tmp_path / str(next(places))
        (directory / "sub").mkdir(parents=True)
        for name, text in texts.items():
            (directory / "sub" / name).write_text(text)
        return upload(store, UploadRequest("orders", directory, "m"))

    return upload_files


def rows(store: Store, index: Index, sql: str, wanted: Wanted = ALL) -> list[tuple[object, ...]]:
    """The answer of a SELECT over `files`."""
    with index.connect() as connection:
        attach_files(connection, store, wanted)
        return connection.execute(sql).fetchall()


def test_files_are_the_entries_of_every_bundle(store: Store, index: Index, put: Uploads) -> None:
    first, second = put(a="1"), put(a="1", b="22")
    found = rows(
        store, index, "SELECT repo, bundle, path, kind, size, executable FROM files ORDER BY size, bundle, path"
    )
    directories = sorted([("orders", each.id, "sub", "dir", 0, False) for each in (first, second)])
    ones = sorted([("orders", each.id, "sub/a", "file", 1, False) for each in (first, second)])
    assert found == [*directories, *ones, ("orders", second.id, "sub/b", "file", 2, False)]


def test_equal_bytes_have_one_content_and_a_time_without_zone(store: Store, index: Index, put: Uploads) -> None:
    put(a="1", b="1")
    [(contents, times)] = rows(
        store, index, "SELECT count(DISTINCT content), any_value(typeof(mtime)) FROM files WHERE size = 1"
    )
    assert (contents, times) == (1, "TIMESTAMP")


def test_only_the_bundles_asked_for_are_read(store: Store, index: Index, put: Uploads) -> None:
    first, _ = put(a="1"), put(b="2")
    found = rows(store, index, "SELECT DISTINCT bundle FROM files", Wanted(bundles=[first.id]))
    assert found == [(first.id,)]


def test_files_of_deleted_bundles_show_only_when_wanted(store: Store, index: Index, put: Uploads) -> None:
    bundle = put(a="1")
    repo = find_repo(store, "orders")
    store.logs.append(repo.id, lambda _: {"kind": "delete", "bundles": [bundle.id], "reason": "test"})
    assert rows(store, index, "SELECT * FROM files") == []
    assert len(rows(store, index, "SELECT * FROM files", Wanted(deleted=True))) == 2


def test_a_store_without_bundles_has_no_files(store: Store, index: Index) -> None:
    assert rows(store, index, "SELECT * FROM files") == []
    assert rows(store, index, "SELECT * FROM files", Wanted(bundles=[])) == []
