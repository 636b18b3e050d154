"""Laying what is new over a generation shows what writing the next one would, and writes nothing."""

from pathlib import Path

import duckdb
import pytest

from datamon.query.engine import ask, ask_on
from datamon.query.index import FileIndex, opening
from datamon.query.index.schema import VIEWS, WITH_SYSTEM
from datamon.query.testing.playing import play
from datamon.query.testing.random_histories import random_history
from datamon.query.testing.relations import content_of, rebuilt
from datamon.query.testing.worlds import Doing, World
from datamon.store.opening import memory_store
from datamon.store.refs import set_label
from datamon.store.repos import rename_repo
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.testing.clocks import SteppingClock


@pytest.fixture(autouse=True)
def _always_laid_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "BYTES_A_RECORD", 0)


def files(directory: Path) -> dict[str, int]:
    """What lies in the index's directory, and where."""
    return {path.name: path.stat().st_ino for path in directory.glob("*.duckdb")}


def test_over_generated_histories_every_relation_is_what_a_rebuild_makes(tmp_path: Path) -> None:
    for seed in range(60, 64):
        world = World(memory_store(clock=SteppingClock()))
        events = list(random_history(seed))
        for event in events[: seed % 20]:
            play(world, event)
        index = FileIndex(world.store, tmp_path / str(seed))
        index.refresh()
        before = files(tmp_path / str(seed))
        for number, event in enumerate(events[seed % 20 :]):
            play(world, event)
            if number % 5 == 0:
                whole = rebuilt(world.store)
                with index.connect() as connection:
                    assert content_of(connection) == whole
                for asked in sorted(VIEWS)[number // 5 % 4 :: 4]:
                    views = (f"main.{asked}", f"{WITH_SYSTEM}.{asked}")
                    with index.connect(about=f"SELECT * FROM {asked}") as connection:
                        assert content_of(connection, views) == {view: whole[view] for view in views}
        assert files(tmp_path / str(seed)) == before, "nothing was written"
        index.refresh()
        with index.connect() as connection:
            assert content_of(connection) == rebuilt(world.store)
        assert files(tmp_path / str(seed)) != before


def test_runs_that_close_refs_that_move_and_repos_that_change_are_as_they_are_now(tmp_path: Path) -> None:
    world = World(memory_store(clock=SteppingClock()))
    first = world.upload("raw", {"a": "1"})
    world.run(Doing("s", ("raw",), {"out": {"o": "1"}}, "failed"))
    set_label(world.store, world.repo("raw"), "v", first.id)
    index = FileIndex(world.store, tmp_path)
    index.refresh()
    second = world.upload("raw", {"a": "2"})
    set_label(world.store, world.repo("raw"), "v", second.id)
    delete_bundles(world.store, world.repo("raw"), DeleteRequest((first.id,), "a reason", force=True))
    rename_repo(world.store, world.repo("raw"), "rough")
    with index.connect() as connection:
        assert content_of(connection) == rebuilt(world.store)
        told = ask_on(connection, world.store, "SELECT repo, bundle FROM labels").rows
    assert list(told) == [("rough", second.id)]


def test_nothing_but_the_relations_can_be_read_or_written(tmp_path: Path) -> None:
    world = World(memory_store(clock=SteppingClock()))
    world.upload("raw", {"a": "1"})
    index = FileIndex(world.store, tmp_path / "index")
    index.refresh()
    world.upload("raw", {"a": "2"})
    with index.connect() as connection:
        for statement in (
            f"ATTACH '{tmp_path / 'other.duckdb'}' AS other",
            f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
            "SELECT * FROM read_text('/etc/hostname')",
            "INSTALL httpfs",
            "SET enable_external_access = true",
            "DELETE FROM base.kept.runs",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)
    for statement in ("FROM base.kept.runs", "FROM fresh.runs", "FROM gone.runs"):
        with pytest.raises(Exception, match="line 1"):
            ask(world.store, statement, index=index)
