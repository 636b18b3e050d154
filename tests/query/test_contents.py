"""WHAT CONTAINS, and the dependencies that equal contents suggest."""

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from datamon.errors import DatamonError
from datamon.query.answer import Answer
from datamon.query.engine import ask
from datamon.query.inferred import MOST_REPOS
from datamon.query.testing.stories import Story
from datamon.query.testing.worlds import Doing
from datamon.store import layout
from datamon.store.bundle import Bundle
from datamon.store.chunk_store import file_rows
from datamon.store.download import download
from datamon.store.manifest import find_entry, read_manifest
from datamon.store.opening import Store, memory_store
from datamon.store.repos import create_repo
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles
from datamon.store.testing.clocks import SteppingClock
from datamon.store.upload import UploadRequest, upload

BIG = random.Random(1).randbytes(3_000_000)
MIDDLE = random.Random(2).randbytes(300_000)
SMALL = random.Random(3).randbytes(2_000)


class Shelf:
    """Bundles with real bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store: Store = memory_store(clock=SteppingClock())
        self.count = 0

    def put(self, repo: str, files: Mapping[str, bytes]) -> Bundle:
        """One more bundle of a repo."""
        self.count += 1
        top = self.folder / str(self.count)
        for path, content in files.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_bytes(content)
        if self.store.logs.store().names.get(repo) is None:
            create_repo(self.store, repo, repo)
        return upload(self.store, UploadRequest(repo, top, "m"))

    def ask(self, text: str, **params: object) -> Answer:
        """The answer to a statement."""
        return ask(self.store, text, params=params)

    def found(self, text: str, **params: object) -> list[tuple[object, ...]]:
        """Repo, path, how and rounded share of each row."""
        rows = self.ask(text, **params)
        return [(row["repo"], row["path"], row["how"], round(float(str(row["share"])), 2)) for row in rows]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


# files


def test_every_bundle_that_holds_a_content_is_a_row_wherever_it_lies(shelf: Shelf) -> None:
    first, second = shelf.put("a", {"x": SMALL}), shelf.put("b", {"y/z": SMALL, "w": SMALL, "other": MIDDLE})
    answer = shelf.ask("WHAT CONTAINS file 'a:x'")
    assert [(row["bundle"], row["path"], row["how"], row["size"]) for row in answer] == [
        (first.id, "x", "same", 2_000),
        (second.id, "w", "same", 2_000),
        (second.id, "y/z", "same", 2_000),
    ]
    assert {(row["shared_bytes"], row["share"], row["ref"], row["run"]) for row in answer} == {
        (2_000, 1.0, "main", None)
    }


def test_a_file_that_shares_most_of_the_chunks_is_a_part_with_its_share(shelf: Shelf) -> None:
    shelf.put("a", {"big": BIG})
    shelf.put("b", {"inserted": BIG[:1_000_000] + b"!" + BIG[1_000_000:]})
    shelf.put("c", {"twothirds": BIG[:2_000_000]})
    shelf.put("d", {"third": BIG[:1_000_000]})
    shelf.put("e", {"more": BIG + MIDDLE})
    found = shelf.found("WHAT CONTAINS 'a:big'")
    assert [row[:3] for row in found] == [
        ("a", "big", "same"),
        ("e", "more", "part"),
        ("b", "inserted", "part"),
        ("c", "twothirds", "part"),
    ]
    shares = {row[0]: row[3] for row in found}
    assert float(str(shares["b"])) > 0.9
    assert 0.6 < float(str(shares["c"])) < 0.7
    assert {row[0] for row in shelf.found("WHAT CONTAINS 'd:third'")} == {"a", "b", "c", "d", "e"}


def test_shared_bytes_are_those_of_the_shared_chunks(shelf: Shelf) -> None:
    one = shelf.put("a", {"big": BIG})
    other = shelf.put("b", {"big": BIG[500_000:] + MIDDLE})
    rows = [row for row in shelf.ask("WHAT CONTAINS 'a:big'") if row["repo"] == "b"]
    store = shelf.store

    def chunks(bundle: Bundle) -> dict[bytes, int]:
        entry = find_entry(store.metadata, read_manifest(store.metadata, bundle.manifest), "big")
        assert entry.recipe is not None
        return {row.chunk: row.length for row in file_rows(store.chunks, entry.content, entry.size_bytes, entry.recipe)}

    shared = sum(length for chunk, length in chunks(one).items() if chunk in chunks(other))
    assert [row["shared_bytes"] for row in rows] == [shared]
    assert rows[0]["share"] == shared / len(BIG)


def test_an_empty_file_is_contained_by_those_that_have_one(shelf: Shelf) -> None:
    shelf.put("a", {"nothing": b"", "x": SMALL})
    shelf.put("b", {"void": b""})
    assert shelf.found("WHAT CONTAINS 'a:nothing'") == [("a", "nothing", "same", 1.0), ("b", "void", "same", 1.0)]


# bundles and hashes


def test_a_bundle_is_contained_by_those_that_hold_most_of_its_bytes(shelf: Shelf) -> None:
    shelf.put("a", {"p": MIDDLE, "q": SMALL})
    shelf.put("b", {"elsewhere/p": MIDDLE, "r": BIG})
    shelf.put("c", {"q": SMALL})
    shelf.put("d", {"p": MIDDLE, "q": SMALL})
    found = shelf.found("WHAT CONTAINS bundle 'a'")
    assert found == [("a", "", "same", 1.0), ("d", "", "same", 1.0), ("b", "", "part", 0.99)]


def test_a_directory_is_looked_for_as_all_its_files_together(shelf: Shelf) -> None:
    shelf.put("a", {"d/p": MIDDLE, "d/q": SMALL, "top": BIG})
    shelf.put("b", {"p": MIDDLE})
    assert shelf.found("WHAT CONTAINS file 'a:d'") == [("a", "", "part", 1.0), ("b", "", "part", 0.99)]


def test_a_hash_is_that_of_a_file_a_bundle_or_a_chunk(shelf: Shelf) -> None:
    bundle = shelf.put("a", {"big": BIG, "x": SMALL})
    entry = find_entry(shelf.store.metadata, read_manifest(shelf.store.metadata, bundle.manifest), "big")
    by_file = shelf.found("WHAT CONTAINS hash $h", h=entry.content)
    assert by_file == [("a", "big", "same", 1.0)]
    assert shelf.found(f"WHAT CONTAINS hash '{bundle.content}'") == [("a", "", "same", 1.0)]
    third = list(file_rows(shelf.store.chunks, entry.content, entry.size_bytes, entry.recipe))[2]
    (row,) = shelf.ask(f"WHAT CONTAINS hash '{third.chunk.hex().upper()}'")
    assert (row["path"], row["how"], row["shared_bytes"], row["share"]) == ("big", "part", third.length, 1.0)
    assert shelf.found(f"WHAT CONTAINS hash '{'0' * 64}'") == []


@pytest.mark.parametrize("typed", ["abc", "g" * 64, ""])
def test_what_is_no_hash_is_told_at_its_place(shelf: Shelf, typed: str) -> None:
    with pytest.raises(DatamonError, match="64 hexadecimal digits") as raised:
        shelf.ask(f"WHAT CONTAINS hash '{typed}'")
    assert (raised.value.code, raised.value.facts["line"]) == ("bad-reference", 1)


def test_no_data_is_read(shelf: Shelf, tmp_path: Path) -> None:
    bundle = shelf.put("a", {"x": MIDDLE})
    for stored in list(shelf.store.blob.list(layout.PACKS)):
        shelf.store.blob.delete(stored.key)
    with pytest.raises(DatamonError):
        download(shelf.store, bundle, tmp_path / "out")
    assert shelf.found("WHAT CONTAINS 'a:x'") == [("a", "x", "same", 1.0)]


def test_deleted_bundles_are_rows_when_they_are_included_and_said_to_be_gone_when_they_are(shelf: Shelf) -> None:
    gone = shelf.put("a", {"x": SMALL})
    shelf.put("a", {"y": SMALL})
    delete_bundles(shelf.store, shelf.store.logs.store().names["a"], DeleteRequest((gone.id,), force=True))
    assert shelf.found("WHAT CONTAINS 'a:y'") == [("a", "y", "same", 1.0)]
    assert [row[1] for row in shelf.found("WHAT CONTAINS 'a:y' INCLUDING deleted")] == ["x", "y"]
    shelf.store.metadata.delete(layout.manifest(gone.manifest))
    answer = shelf.ask("WHAT CONTAINS 'a:y' INCLUDING deleted")
    assert len(answer) == 1
    assert "what 1 deleted bundle held is gone and was not searched" in answer.notes


# inferred


def pairs(answer: Answer) -> list[tuple[object, ...]]:
    return [(row["repo_from"], row["repo_to"], row["files"], row["shared_bytes"]) for row in answer]


def test_a_content_that_another_repo_had_before_suggests_a_dependency(shelf: Shelf) -> None:
    first = shelf.put("a", {"p": MIDDLE, "q": BIG})
    second = shelf.put("b", {"x/p": MIDDLE, "own": SMALL})
    (row,) = shelf.ask("FROM inferred")
    assert (row["bundle_from"], row["bundle_to"], row["files"]) == (first.id, second.id, 1)
    assert (row["shared_bytes"], row["share"]) == (300_000, 300_000 / 302_000)


def test_of_the_other_repos_bundles_it_is_the_newest_of_those_that_share_most(shelf: Shelf) -> None:
    shelf.put("a", {"p": MIDDLE})
    shelf.put("a", {"p": MIDDLE, "q": SMALL})
    newest = shelf.put("a", {"p": MIDDLE, "q": SMALL, "r": BIG})
    shelf.put("b", {"p": MIDDLE, "q": SMALL})
    shelf.put("a", {"p": MIDDLE, "q": SMALL, "later": BIG})
    assert [row["bundle_from"] for row in shelf.ask("FROM inferred WHERE repo_to = 'b'")] == [newest.id]


def test_small_and_empty_files_and_contents_that_lie_everywhere_suggest_nothing(shelf: Shelf) -> None:
    shelf.put("a", {"tiny": b"x" * 1023, "none": b""})
    shelf.put("b", {"tiny": b"x" * 1023, "none": b""})
    assert shelf.ask("FROM inferred").rows == []
    for number in range(MOST_REPOS + 1):
        shelf.put(f"r{number}", {"LICENSE": SMALL})
    assert shelf.ask("FROM inferred").rows == []


def test_what_stays_in_a_repo_is_suggested_once_for_the_bundle_that_brought_it(shelf: Shelf) -> None:
    shelf.put("a", {"p": MIDDLE})
    brought = shelf.put("b", {"p": MIDDLE})
    shelf.put("b", {"p": MIDDLE, "q": SMALL})
    assert [row["bundle_to"] for row in shelf.ask("FROM inferred")] == [brought.id]


LONG, OTHER = "long " * 300, "other " * 300


def test_what_came_by_a_recorded_run_is_explained_and_no_suggestion() -> None:
    story = Story()
    story.world.upload("src", {"f": LONG})
    story.run(Doing("copy", ("src",), {"kept": {"f": LONG}, "twin": {"f": LONG}}))
    story.run(Doing("again", ("kept",), {"last": {"f": LONG}}))
    assert story.ask("FROM inferred").rows == []
    story.world.upload("shadow", {"f": LONG})
    assert {row["repo_to"] for row in story.ask("FROM inferred")} == {"shadow"}


def test_inferred_edges_are_walked_only_when_they_are_asked_for() -> None:
    story = Story()
    source = story.world.upload("src", {"f": LONG})
    shadow = story.world.upload("shadow", {"f": LONG})
    story.run(Doing("use", ("shadow",), {"result": {"r": OTHER}}))
    plain = [row["name"] for row in story.ask("UPSTREAM OF 'result' AT bundle")]
    assert plain == ["shadow@main"]
    above = story.ask("UPSTREAM OF 'result' AT bundle INCLUDING inferred")
    rows = [(row["name"], row["depth"], row["how"], row["via_id"]) for row in above]
    assert rows[1:] == [("src@main", 2, "inferred", shadow.id)]
    below = story.ask("DOWNSTREAM OF 'src' INCLUDING inferred")
    first = next(iter(below))
    assert (first["kind"], first["depth"], first["how"], first["via_id"]) == ("bundle", 1, "inferred", source.id)
    assert [row["name"] for row in below] == ["shadow@main", "default/use", "result@main"]
    assert story.ask("DOWNSTREAM OF 'src'").rows == []
    assert story.names("DOWNSTREAM OF 'src' INCLUDING inferred STOP AT (repo = 'shadow')") == [("shadow@main", 1)]
    assert story.names("UPSTREAM OF 'result' AT bundle WITHIN 1 INCLUDING inferred") == [("shadow@main", 1)]


def test_inferred_edges_are_of_bundles_and_not_of_files() -> None:
    with pytest.raises(DatamonError, match="of whole bundles"):
        Story().ask("UPSTREAM OF 'model' AT file INCLUDING inferred")


def test_the_past_had_no_suggestion_of_what_came_later() -> None:
    story = Story()
    story.world.upload("src", {"f": LONG})
    (moment,) = story.ask("SELECT max(time) FROM bundles").rows[0]
    story.world.upload("shadow", {"f": LONG})
    assert story.names("DOWNSTREAM OF 'src' INCLUDING inferred") == [("shadow@main", 1)]
    assert story.names("DOWNSTREAM OF 'src' AS OF $then INCLUDING inferred", then=moment) == []


def test_a_deleted_bundle_that_a_run_read_explains_what_it_held() -> None:
    story = Story()
    old = story.world.upload("src", {"f": LONG})
    story.run(Doing("copy", ("src",), {"kept": {"f": LONG}}))
    story.world.upload("src", {"f": LONG, "g": OTHER})
    delete_bundles(story.world.store, story.world.repo("src"), DeleteRequest((old.id,), force=True))
    assert story.ask("FROM inferred").rows == []
