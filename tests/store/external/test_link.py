"""Bundles that link to what lies elsewhere, on every scheme: made, read, changed, gone."""

from pathlib import Path

import pytest

from datamon.errors import Conflict, DatamonError, Invalid, NotFound
from datamon.store.bundle import Bundle
from datamon.store.checkout import changed_paths, checkout
from datamon.store.diff import diff_bundles, diff_directory
from datamon.store.download import download, download_file
from datamon.store.external.link import LinkRequest, link
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.manifest import part_content, read_manifest
from datamon.store.opening import Store
from datamon.store.progress import Silent
from datamon.store.refs import find_ref
from datamon.store.repos import find_repo
from datamon.store.resolve import find_bundle
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.places import Place, contents, entries_of
from datamon.store.testing.trees import upload_tree, write_files
from datamon.store.update import UpdateRequest, update

LONG = random_bytes("long", 300_000)
FILES = {"a.csv": b"one", "sub/long.bin": LONG, "sub/empty": b"", "sub/b c": b"two"}


def head(store: Store) -> Bundle:
    repo = find_repo(store, "raw")
    return find_bundle(store, repo, find_ref(store, repo, "main", "branch").bundle)


@pytest.fixture
def filled(place: Place) -> Place:
    for name, content in FILES.items():
        place.put(name, content)
    return place


@pytest.fixture
def linked(with_repo: Store, filled: Place) -> Bundle:
    return link(with_repo, LinkRequest(filled.url, "raw", "linked"))


def test_what_was_linked_is_downloaded_as_it_is_at_the_source(store: Store, linked: Bundle, tmp_path: Path) -> None:
    assert download(store, linked, tmp_path / "out") == 4
    assert contents(tmp_path / "out") == FILES
    download_file(store, linked, "sub/b c", tmp_path / "one")
    assert contents(tmp_path / "one") == {"b c": b"two"}


def test_a_linked_file_has_the_content_id_that_it_has_when_it_is_uploaded(
    store: Store, linked: Bundle, tmp_path: Path
) -> None:
    for name, content in FILES.items():
        (tmp_path / "up" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "up" / name).write_bytes(content)
    uploaded = entries_of(store, upload_tree(store, tmp_path / "up"))
    entries = entries_of(store, linked)
    assert {path: entry.content for path, entry in entries.items()} == {
        path: entry.content for path, entry in uploaded.items()
    }
    assert {path: entry.size_bytes for path, entry in entries.items()} == {
        path: entry.size_bytes for path, entry in uploaded.items()
    }
    assert {entry.kind for entry in entries.values()} == {"external", "dir"}
    manifest = read_manifest(store.metadata, linked.manifest)
    assert part_content(store.metadata, manifest, "a.csv") == uploaded["a.csv"].content


def test_linked_bytes_are_not_in_the_store_and_copied_ones_are(with_repo: Store, filled: Place, tmp_path: Path) -> None:
    link(with_repo, LinkRequest(filled.url, "raw", "linked"))
    assert not list(with_repo.blob.list("packs/"))
    copied = link(with_repo, LinkRequest(filled.url, "raw", "copied", copy=True))
    assert {entry.kind for entry in entries_of(with_repo, copied).values()} == {"file", "dir"}
    for name in FILES:
        filled.delete(name)
    download(with_repo, copied, tmp_path / "out")
    assert contents(tmp_path / "out") == FILES


def test_one_thing_gets_its_own_name_or_the_path_that_it_is_given(with_repo: Store, filled: Place) -> None:
    url = filled.url_of("sub/b c")
    assert list(entries_of(with_repo, link(with_repo, LinkRequest(url, "raw", "m")))) == ["b c"]
    second = link(with_repo, LinkRequest(url, "raw", "m", path="x/y"))
    assert list(entries_of(with_repo, second)) == ["b c", "x", "x/y"]


def test_a_link_keeps_what_the_head_has_beside_it(with_repo: Store, filled: Place, tmp_path: Path) -> None:
    write_files(tmp_path / "up", {"kept.txt": "kept", "in/a.csv": "replaced"})
    first = upload_tree(with_repo, tmp_path / "up")
    second = link(with_repo, LinkRequest(filled.url, "raw", "m", path="in", label="now"))
    assert second.parents == (first.id,)
    download(with_repo, second, tmp_path / "out")
    assert contents(tmp_path / "out") == {"kept.txt": b"kept", **{f"in/{name}": FILES[name] for name in FILES}}
    assert find_ref(with_repo, find_repo(with_repo, "raw"), "now", "label").bundle == second.id


def test_linking_again_takes_what_changed_and_drops_what_is_gone_there(
    with_repo: Store, filled: Place, tmp_path: Path
) -> None:
    link(with_repo, LinkRequest(filled.url, "raw", "m", path="in"))
    filled.put("a.csv", b"changed")
    filled.delete("sub/b c")
    again = link(with_repo, LinkRequest(filled.url, "raw", "m", path="in"))
    download(with_repo, again, tmp_path / "out")
    assert contents(tmp_path / "out") == {"in/a.csv": b"changed", "in/sub/long.bin": LONG, "in/sub/empty": b""}


def test_a_file_does_not_take_the_place_of_a_directory(with_repo: Store, filled: Place, tmp_path: Path) -> None:
    write_files(tmp_path / "up", {"in/a": "", "file": ""})
    upload_tree(with_repo, tmp_path / "up")
    for url, path in ((filled.url_of("a.csv"), "in"), (filled.url, "file"), (filled.url_of("a.csv"), "file/x")):
        with pytest.raises(Invalid, match="link to another path") as caught:
            link(with_repo, LinkRequest(url, "raw", "m", path=path))
        assert caught.value.code == "bad-path"


@pytest.mark.parametrize("content", [b"ONE", b"longer", b""], ids=["same size", "longer", "empty"])
def test_a_source_that_changed_is_an_error_that_names_it_and_leaves_nothing(
    store: Store, linked: Bundle, filled: Place, tmp_path: Path, content: bytes
) -> None:
    filled.put("a.csv", content)
    with pytest.raises(Conflict, match=r"a\.csv.*link it again") as caught:
        download(store, linked, tmp_path / "out")
    assert caught.value.code == "source-changed"
    assert (caught.value.path, caught.value.bundle) == ("a.csv", linked.id)
    assert str(caught.value.url).startswith(filled.url.replace(" ", "%20") if "file" in filled.url else filled.url)
    assert not (tmp_path / "out").exists()


def test_a_source_that_is_gone_is_another_error(store: Store, linked: Bundle, filled: Place, tmp_path: Path) -> None:
    for name in ("sub/long.bin", "sub/empty"):
        filled.delete(name)
        with pytest.raises(NotFound, match=name) as caught:
            download_file(store, linked, name, tmp_path)
        assert caught.value.code == "source-not-found"


def test_the_same_bytes_put_again_are_what_was_linked(
    store: Store, linked: Bundle, filled: Place, tmp_path: Path
) -> None:
    for name, content in FILES.items():
        filled.put(name, b"other")
        filled.put(name, content)
    download(store, linked, tmp_path / "out")
    assert contents(tmp_path / "out") == FILES


def test_a_directory_with_linked_files_is_updated_and_its_edits_are_seen(
    store: Store, linked: Bundle, filled: Place, tmp_path: Path
) -> None:
    download(store, linked, tmp_path / "out")
    assert changed_paths(store, tmp_path / "out") == []
    assert list(diff_directory(store, linked, tmp_path / "out")) == []
    assert update(store, UpdateRequest(linked, tmp_path / "out")).written == 0
    filled.put("a.csv", b"newer")
    newer = link(store, LinkRequest(filled.url, "raw", "m"))
    assert [change.path for change in diff_bundles(store, linked, newer)] == ["a.csv"]
    assert update(store, UpdateRequest(newer, tmp_path / "out")).written == 1
    assert contents(tmp_path / "out") == {**FILES, "a.csv": b"newer"}
    (tmp_path / "out" / "a.csv").write_bytes(b"edited")
    assert changed_paths(store, tmp_path / "out") == ["a.csv"]
    with pytest.raises(Conflict, match=r"a\.csv"):
        checkout(store, newer, tmp_path / "out")


def test_gc_leaves_linked_entries_alone(store: Store, linked: Bundle, tmp_path: Path) -> None:
    collect(store, GcRequest(grace_ns=0))
    download(store, linked, tmp_path / "out")
    assert contents(tmp_path / "out") == FILES


def test_a_branch_that_moves_meanwhile_loses_nothing(with_repo: Store, filled: Place, tmp_path: Path) -> None:
    class Uploading(Silent):
        def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
            if what == "link" and not (tmp_path / "up").exists():
                upload_tree(with_repo, write_files(tmp_path / "up", {"meanwhile.txt": "1"}))

    made = link(with_repo, LinkRequest(filled.url, "raw", "m"), progress=Uploading())
    assert "meanwhile.txt" in entries_of(with_repo, made)
    assert head(with_repo) == made
    assert len(made.parents) == 1


def test_a_branch_that_always_moves_ends_as_a_conflict(with_repo: Store, filled: Place, tmp_path: Path) -> None:
    class Uploading(Silent):
        def end(self) -> None:
            upload_tree(with_repo, write_files(tmp_path / "up", {"meanwhile.txt": "1"}))

    with pytest.raises(Conflict) as caught:
        link(with_repo, LinkRequest(filled.url, "raw", "m"), progress=Uploading())
    assert caught.value.code == "ref-moved"


def test_what_changes_while_it_is_read_is_linked_as_it_is_then(with_repo: Store, filled: Place, tmp_path: Path) -> None:
    class Changing(Silent):
        def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
            if what == "link":
                filled.put("a.csv", b"other bytes")

    made = link(with_repo, LinkRequest(filled.url, "raw", "m"), progress=Changing())
    download(with_repo, made, tmp_path / "out")
    assert contents(tmp_path / "out") == {**FILES, "a.csv": b"other bytes"}


def test_a_missing_repo_is_told_before_anything_is_read(store: Store, place: Place) -> None:
    with pytest.raises(DatamonError) as caught:
        link(store, LinkRequest(place.url_of("nothing"), "nowhere", "m"))
    assert caught.value.code == "repo-not-found"
