"""Generations of the index: published whole, never waited for, thrown away when they cannot be used."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from datamon.errors import Denied, Unavailable
from datamon.query.index import FileIndex, opening
from datamon.query.index.parts import read_parts, read_whole
from datamon.query.index.publish import Generations
from datamon.query.index.tail import BEGINNING, LogName, read_tail
from datamon.query.testing.events import Told
from datamon.query.testing.recorded import recorded
from datamon.query.testing.relations import content_of, rebuilt
from datamon.store.bundle import Entry
from datamon.store.opening import Store, memory_store
from datamon.store.repos import create_repo


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the index lies."""
    return tmp_path / "index"


@pytest.fixture
def index(store: Store, directory: Path) -> FileIndex:
    """The index of the store in memory, there."""
    return FileIndex(store, directory)


def names(index: FileIndex) -> list[str]:
    """The repos that a new connection shows."""
    with index.connect() as connection:
        return [name for (name,) in connection.execute("SELECT name FROM repos ORDER BY name").fetchall()]


def generations(directory: Path) -> list[str]:
    """The files of the directory but the lock."""
    return sorted(path.name for path in directory.iterdir() if path.name != "lock")


def tell(store: Store, number: int) -> None:
    """One more run in the journal."""
    for event in Told(number).events():
        store.journal.append(event)


def test_one_generation_is_left_after_every_refresh(store: Store, index: FileIndex, directory: Path) -> None:
    for number in range(3):
        create_repo(store, f"repo-{number}", "")
        index.refresh()
    assert generations(directory) == ["000000000003.duckdb"]


def test_asking_again_without_news_publishes_nothing(store: Store, index: FileIndex, directory: Path) -> None:
    create_repo(store, "orders", "")
    index.refresh()
    before = (directory / "000000000001.duckdb").stat().st_ino
    assert names(index) == ["orders"]
    assert generations(directory) == ["000000000001.duckdb"]
    assert (directory / "000000000001.duckdb").stat().st_ino == before


def test_another_process_finds_what_was_published(store: Store, index: FileIndex, directory: Path) -> None:
    create_repo(store, "orders", "")
    index.refresh()
    assert names(FileIndex(store, directory)) == ["orders"]
    assert generations(directory) == ["000000000001.duckdb"]


def test_who_does_not_get_the_lock_still_sees_every_record_and_publishes_nothing(
    store: Store, index: FileIndex, directory: Path
) -> None:
    create_repo(store, "orders", "")
    index.refresh()
    with Generations(directory).lock() as locked:
        assert locked
        create_repo(store, "parts", "")
        assert names(index) == ["orders", "parts"]
        assert generations(directory) == ["000000000001.duckdb"]


def test_without_any_generation_and_without_the_lock_the_answer_is_whole(
    store: Store, index: FileIndex, directory: Path
) -> None:
    create_repo(store, "orders", "")
    with Generations(directory).lock():
        assert names(index) == ["orders"]
    assert generations(directory) == []


def test_a_reader_keeps_its_generation_while_newer_ones_replace_it(store: Store, index: FileIndex) -> None:
    create_repo(store, "orders", "")
    with index.connect() as connection:
        for number in range(3):
            create_repo(store, f"repo-{number}", "")
            index.refresh()
        assert connection.execute("SELECT name FROM repos").fetchall() == [("orders",)]


@pytest.mark.parametrize("damage", [b"", b"not a database", b"\0" * 20_000])
def test_a_damaged_file_is_thrown_away_and_built_again(
    store: Store, index: FileIndex, directory: Path, damage: bytes
) -> None:
    create_repo(store, "orders", "")
    index.refresh()
    (directory / "000000000001.duckdb").unlink()
    (directory / "000000000001.duckdb").write_bytes(damage)
    assert names(index) == ["orders"]
    assert generations(directory) == ["000000000002.duckdb"]


def test_a_file_that_is_damaged_inside_is_built_again_when_there_is_news(
    store: Store, index: FileIndex, directory: Path
) -> None:
    for number in range(300):
        tell(store, number)
    index.refresh()
    [name] = generations(directory)
    content = bytearray((directory / name).read_bytes())
    half = len(content) // 2
    content[half : half + 200_000] = os.urandom(len(content[half : half + 200_000]))
    (directory / name).write_bytes(bytes(content))
    tell(store, 300)
    with index.connect() as connection:
        assert content_of(connection) == rebuilt(store)


def test_an_index_of_another_schema_is_built_again(
    store: Store, index: FileIndex, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_repo(store, "orders", "")
    index.refresh()
    _rewrite(directory / "000000000001.duckdb", "UPDATE kept.state SET value = 'newer' WHERE name = 'schema'")
    assert names(index) == ["orders"]
    assert generations(directory) == ["000000000002.duckdb"]


def test_an_index_of_another_store_is_built_again(store: Store, index: FileIndex, directory: Path) -> None:
    create_repo(store, "orders", "")
    index.refresh()
    other = memory_store()
    create_repo(other, "parts", "")
    assert names(FileIndex(other, directory)) == ["parts"]
    assert names(index) == ["orders"]


def _rewrite(path: Path, statement: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)


class Stopped(BaseException):
    """A process that dies."""


def _dies(*_: object, **__: object) -> None:
    raise Stopped


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (opening, "apply"),
        (shutil, "copyfile"),
        (Generations, "publish"),
        (Generations, "share"),
        (Path, "rename"),
    ],
)
def test_a_refresh_that_dies_anywhere_leaves_the_old_generation_good(
    store: Store, index: FileIndex, directory: Path, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    create_repo(store, "orders", "")
    index.refresh()
    create_repo(store, "parts", "")
    with monkeypatch.context() as patch:
        patch.setattr(place, name, _dies)
        with pytest.raises(Stopped):
            index.refresh()
    with index.connect() as connection:
        assert content_of(connection) == rebuilt(store)
    index.refresh()
    with index.connect() as connection:
        assert content_of(connection) == rebuilt(store)
    assert generations(directory) == ["000000000002.duckdb"]


def test_what_a_dead_builder_left_is_cleared_away(store: Store, index: FileIndex, directory: Path) -> None:
    create_repo(store, "orders", "")
    (directory / "building-1-aa.duckdb").write_bytes(b"half")
    (directory / "building-1-aa.duckdb.wal").write_bytes(b"half")
    (directory / "reading-1-aa.duckdb").write_bytes(b"a private copy of a reader that may live")
    index.refresh()
    assert generations(directory) == ["000000000001.duckdb", "reading-1-aa.duckdb"]


def test_rebuilding_gives_the_same_relations_and_a_new_generation(
    store: Store, index: FileIndex, directory: Path
) -> None:
    for number in range(3):
        tell(store, number)
        index.refresh()
    with index.connect() as connection:
        before = content_of(connection)
    index.rebuild()
    with index.connect() as connection:
        assert content_of(connection) == before
    assert generations(directory) == ["000000000004.duckdb"]


def test_deleting_the_directory_under_an_index_loses_nothing(store: Store, index: FileIndex, directory: Path) -> None:
    create_repo(store, "orders", "")
    index.refresh()
    for path in directory.iterdir():
        path.unlink()
    assert names(index) == ["orders"]


def test_a_directory_that_is_deleted_while_it_is_opened_is_made_again(
    store: Store, index: FileIndex, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_repo(store, "orders", "")
    index.refresh()
    create_repo(store, "features", "")
    deletions = [directory] * 2

    def deleting(*given: Any) -> Any:
        if deletions:
            shutil.rmtree(deletions.pop())
        return read_tail(*given)

    def deleting_whole(*given: Any, **more: Any) -> Any:
        yield from read_parts(*given, **more)
        if deletions:
            shutil.rmtree(deletions.pop())

    monkeypatch.setattr(opening, "read_tail", deleting)
    monkeypatch.setattr(opening, "read_parts", deleting_whole)
    assert names(index) == ["features", "orders"]
    assert not deletions


def test_threads_that_ask_and_record_at_once_see_their_own_records(store: Store, index: FileIndex) -> None:
    def record_and_ask(number: int) -> list[str]:
        missed = []
        for turn in range(3):
            name = create_repo(store, f"repo-{number}-{turn}", "").name
            if name not in names(index):
                missed.append(name)
        return missed

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(record_and_ask, range(4))) == [[], [], [], []]
    assert len(names(index)) == 12


def test_a_directory_that_cannot_be_made_is_an_error_that_names_it(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unavailable, match="cannot be written") as caught:
        FileIndex(store, tmp_path / "file" / "index")
    assert caught.value.code == "index-unwritable"


def test_a_directory_that_may_not_be_written_is_denied(
    store: Store, index: FileIndex, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(opening, "open_for_building", refused)
    with pytest.raises(Denied, match="name another place"):
        index.refresh()


def test_what_is_read_in_small_parts_is_what_is_read_at_once() -> None:
    for seed in range(3):
        store = recorded(seed, late=seed == 1).world.store
        whole = read_tail(store, BEGINNING)
        assert whole is not None
        parts = list(read_whole(store, most=3))
        assert len(parts) > 10
        events = sorted((event for part in parts for event in part.events), key=itemgetter("event"))
        assert events == sorted(whole.events, key=itemgetter("event"))
        entries: dict[LogName, list[Entry]] = {}
        for part in parts:
            entries |= part.entries
            assert sum(map(len, part.entries.values())) <= 3 + max(map(len, part.entries.values()), default=0)
        assert entries == whole.entries
        assert {name: each for part in parts for name, each in part.environments.items()} == whole.environments
        assert parts[-1].after == whole.after
