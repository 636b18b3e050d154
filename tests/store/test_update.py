"""Update: a directory is brought to a bundle, and edits go only when a person says so."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Conflict, Invalid
from datamon.store.bundle import Bundle
from datamon.store.checkout import changed_paths, checkout
from datamon.store.download import download
from datamon.store.opening import Store, memory_store
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.trees import snapshot, upload_tree, write_files
from datamon.store.testing.users import ordinary_user
from datamon.store.update import Updated, UpdateRequest, update
from datamon.store.worktree import only_one, read_note

OLD = {"a.csv": "1", "same.csv": "s", "sub/b.csv": "2", "sub/deep/c.txt": "3", "to-dir": "x", "to-file/x": "x"}
NEW = {"a.csv": "one", "same.csv": "s", "new/d.csv": "4", "sub/b.csv": "2", "to-dir/x": "y", "to-file": "y"}


@pytest.fixture
def old(store: Store, tmp_path: Path) -> Bundle:
    """A bundle of `OLD`."""
    return upload_tree(store, write_files(tmp_path / "old", OLD))


@pytest.fixture
def new(store: Store, tmp_path: Path) -> Bundle:
    """A bundle of `NEW`, which differs in every way."""
    return upload_tree(store, write_files(tmp_path / "new", NEW))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A directory that is not there yet."""
    return tmp_path / "work"


def test_a_downloaded_directory_is_brought_to_another_bundle_and_only_what_differs_is_written(
    store: Store, old: Bundle, new: Bundle, work: Path, tmp_path: Path
) -> None:
    download(store, old, work)
    kept = {path: (work / path).stat().st_ino for path in ("same.csv", "sub/b.csv")}
    assert update(store, UpdateRequest(new, work)) == Updated(written=4, removed=3)
    assert snapshot(work) == snapshot(tmp_path / "new")
    assert {path: (work / path).stat().st_ino for path in kept} == kept
    assert update(store, UpdateRequest(new, work)) == Updated(written=0, removed=0)
    assert changed_paths(store, work) == []


def test_an_absent_and_an_empty_directory_are_filled(store: Store, old: Bundle, work: Path, tmp_path: Path) -> None:
    for directory in (work, tmp_path / "empty"):
        if directory.name == "empty":
            directory.mkdir()
        assert update(store, UpdateRequest(old, directory)).written == len(OLD)
        assert snapshot(directory) == snapshot(tmp_path / "old")


def test_edits_are_listed_and_nothing_is_touched(store: Store, old: Bundle, new: Bundle, work: Path) -> None:
    download(store, old, work)
    write_files(work, {"a.csv": "mine", "mine.csv": "mine"})
    (work / "sub/b.csv").unlink()
    before = snapshot(work)
    with pytest.raises(Conflict, match=r"'a\.csv', 'mine\.csv', 'sub/b\.csv'; upload.*--force") as caught:
        update(store, UpdateRequest(new, work))
    assert (caught.value.code, caught.value.edits) == ("local-edits", ["a.csv", "mine.csv", "sub/b.csv"])
    assert snapshot(work) == before


def test_edits_that_are_given_up_are_named_and_additions_stay_where_they_are_not_in_the_way(
    store: Store, old: Bundle, new: Bundle, work: Path, tmp_path: Path
) -> None:
    download(store, old, work)
    edits = {"a.csv": "mine", "sub/deep/c.txt": "mine", "sub/deep/mine": "m", "new/mine": "m", "to-file/mine": "m"}
    write_files(work, edits)
    (work / "sub/b.csv").unlink()
    done = update(store, UpdateRequest(new, work, giving_up_edits=True))
    assert done.given_up == ("a.csv", "sub/b.csv", "sub/deep/c.txt", "to-file/mine")
    assert done.kept == ("new/mine", "sub/deep/mine")
    held = {path: (work / path).read_text() for path in snapshot(work) if (work / path).is_file()}
    assert held == {**NEW, "new/mine": "m", "sub/deep/mine": "m"}
    with pytest.raises(Conflict, match="'new/mine', 'sub/deep', 'sub/deep/mine'"):
        update(store, UpdateRequest(new, work))


def test_an_edit_that_made_it_as_in_the_bundle_is_none(
    store: Store, old: Bundle, new: Bundle, work: Path, tmp_path: Path
) -> None:
    download(store, old, work)
    write_files(work, {"a.csv": "one", "new/d.csv": "4"})
    assert update(store, UpdateRequest(new, work)).written == 2
    assert snapshot(work) == snapshot(tmp_path / "new")


def test_a_copy_that_datamon_did_not_make_is_taken_over_and_completed(
    store: Store, old: Bundle, work: Path, tmp_path: Path
) -> None:
    write_files(work, {path: text for path, text in OLD.items() if path != "a.csv"})
    assert update(store, UpdateRequest(old, work)) == Updated(written=1, removed=0)
    assert snapshot(work) == snapshot(tmp_path / "old")
    assert changed_paths(store, work) == []


@pytest.mark.parametrize("giving_up", [False, True])
def test_a_directory_of_others_is_left_alone_whatever_is_asked(
    store: Store, old: Bundle, work: Path, giving_up: bool
) -> None:
    write_files(work, {**OLD, "a.csv": "mine", "mine.csv": "mine"})
    before = snapshot(work)
    with pytest.raises(Conflict, match=r"'a\.csv', 'mine\.csv'") as caught:
        update(store, UpdateRequest(old, work, giving_up_edits=giving_up))
    assert caught.value.code == "destination-not-empty"
    assert snapshot(work) == before


def test_a_name_filter_leaves_the_matching_files_and_the_directories_above_them(
    store: Store, old: Bundle, new: Bundle, work: Path
) -> None:
    assert download(store, old, work, pattern=r"^(sub|to).*/[bx]") == 2
    assert sorted(snapshot(work)) == ["sub", "sub/b.csv", "to-file", "to-file/x"]
    assert changed_paths(store, work) == []
    update(store, UpdateRequest(new, work))
    assert sorted(snapshot(work)) == ["sub", "sub/b.csv", "to-dir", "to-dir/x"]
    update(store, UpdateRequest(new, work, pattern=r"d\.csv$"))
    assert sorted(snapshot(work)) == ["new", "new/d.csv"]
    update(store, UpdateRequest(new, work, pattern=""))
    assert sorted(path for path in snapshot(work) if (work / path).is_file()) == sorted(NEW)


def test_a_name_filter_that_finds_nothing_leaves_nothing(store: Store, old: Bundle, work: Path) -> None:
    assert download(store, old, work, pattern="no such name") == 0
    assert snapshot(work) == {}


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "(?P<a>x)(?P<a>y)", "a{99999999999}"])
def test_a_name_filter_that_is_no_regular_expression_is_refused(
    store: Store, old: Bundle, work: Path, pattern: str
) -> None:
    with pytest.raises(Invalid, match="is no regular expression") as caught:
        download(store, old, work, pattern=pattern)
    assert caught.value.code == "bad-argument"
    assert not work.exists()


def test_a_part_stays_that_part(store: Store, old: Bundle, new: Bundle, work: Path) -> None:
    checkout(store, old, work, path="sub")
    update(store, UpdateRequest(new, work))
    assert sorted(snapshot(work)) == ["b.csv"]


def test_a_second_download_says_that_update_goes_on(store: Store, old: Bundle, work: Path) -> None:
    download(store, old, work)
    with pytest.raises(Conflict, match=r"holds a bundle that datamon put there; go on with `bundle update`") as caught:
        download(store, old, work)
    assert caught.value.code == "destination-not-empty"


class Writing:
    """A listener by which somebody writes to a file when the first of the others is written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
        self._path.write_text("mine")

    def advance(self, files: int, size_bytes: int) -> None:
        pass

    def end(self) -> None:
        pass


@pytest.mark.parametrize("path", ["a.csv", "to-dir", "sub/deep/c.txt"])
def test_a_file_that_is_written_after_the_look_is_not_overwritten(
    store: Store, old: Bundle, new: Bundle, work: Path, path: str
) -> None:
    for name in snapshot(work.with_name("old")):
        if (work.with_name("old") / name).is_file():
            os.utime(work.with_name("old") / name, ns=(10**18, 10**18))  # so that any write shows
    aged = upload_tree(store, work.with_name("old"))
    download(store, aged, work)
    with pytest.raises(Conflict, match=path) as caught:
        update(store, UpdateRequest(new, work), progress=Writing(work / path))
    assert caught.value.code == "local-edits"
    assert (work / path).read_text() == "mine"
    with pytest.raises(Conflict, match=path):
        update(store, UpdateRequest(new, work))


def test_a_directory_that_is_filled_after_the_look_is_not_removed(
    store: Store, old: Bundle, new: Bundle, work: Path
) -> None:
    download(store, old, work)
    with pytest.raises(Conflict, match="to-file") as caught:
        update(store, UpdateRequest(new, work), progress=Writing(work / "to-file" / "mine"))
    assert caught.value.code == "local-edits"
    assert (work / "to-file" / "mine").read_text() == "mine"


def test_a_directory_at_which_another_is_at_work_is_refused_after_a_while(
    store: Store, local_store: Store, old: Bundle, work: Path
) -> None:
    for one in (store, local_store):
        waits: list[float] = []
        with (
            only_one(one, work),
            pytest.raises(Conflict, match="another command of datamon is at work"),
            only_one(one, work, waits.append),
        ):
            pytest.fail("both are inside")
        assert 10 < sum(waits) < 120
        with only_one(one, work):
            pass


_KILLED = """
    import os, signal, sys
    from pathlib import Path
    from datamon.store.bundle import Author
    from datamon.store.download import download
    from datamon.store.opening import Places, open_store
    from datamon.store.repos import find_repo

    root, work, left = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    store = open_store(Places(str(root / "metadata"), str(root / "blob"), state_dir=root / "state"), Author("Ada", "a@b.c"))
    [bundle] = store.logs.repo(find_repo(store, "raw").id).bundles.values()

    class Killing:
        def begin(self, what, files, size_bytes): self.advance(0, 0)
        def advance(self, files, size_bytes):
            global left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        def end(self): pass

    download(store, bundle, work, progress=Killing())
"""


@pytest.mark.parametrize("moment", [0, 1, 5, 9])
def test_a_download_that_was_killed_is_finished_by_an_update(
    local_store: Store, reopen: Callable[[], Store], work: Path, tmp_path: Path, moment: int
) -> None:
    source = write_files(tmp_path / "in", {f"d{number}/x": str(number) for number in range(4)})
    (source / "big").write_bytes(random_bytes("big", 600_000))
    bundle = upload_tree(local_store, source)
    arguments = [str(tmp_path / "store"), str(work), str(moment)]
    died = subprocess.run([sys.executable, "-c", textwrap.dedent(_KILLED), *arguments], check=False, timeout=60)
    assert died.returncode == -9
    if list(work.iterdir()):
        with pytest.raises(Conflict, match=r"a download that was cut short; go on with `bundle update`"):
            download(reopen(), bundle, work)
    update(reopen(), UpdateRequest(bundle, work))
    assert snapshot(work) == snapshot(source)


def test_a_machine_that_keeps_no_notes_can_still_download(store: Store, tmp_path: Path) -> None:
    with ordinary_user() as home:
        (home / "closed").mkdir(mode=0o500)
        bundle = upload_tree(store, write_files(home / "in", OLD))
        store.state_dir = home / "closed" / "state"
        assert download(store, bundle, home / "out") == len(OLD)
        assert read_note(store, home / "out") is None


_TREES = st.dictionaries(st.sampled_from(["a", "b", "d/a", "d/b", "d/e/f", "x/y", "l"]), st.sampled_from("12"))


@settings(max_examples=40, deadline=None)
@given(old=_TREES, new=_TREES, edits=_TREES, gone=st.sets(st.sampled_from(["a", "d/a", "x/y", "l"])))
def test_whatever_was_edited_a_person_loses_nothing_unasked_and_gets_the_bundle_when_asked(
    old: dict[str, str], new: dict[str, str], edits: dict[str, str], gone: set[str]
) -> None:
    store = memory_store()  # one for each example, where a fixture would be one for all
    with ordinary_user() as home:
        first, second = (upload_tree(store, write_files(home / name, tree)) for name, tree in (("1", old), ("2", new)))
        download(store, first, home / "work")
        write_files(home / "work", edits)
        for path in gone:
            (home / "work" / path).unlink(missing_ok=True)
        before = snapshot(home / "work")
        changed = changed_paths(store, home / "work")
        try:
            update(store, UpdateRequest(second, home / "work"))
        except Conflict as error:
            edits_named = error.facts["edits"]
            assert isinstance(edits_named, list) and set(edits_named) <= set(changed)
            assert snapshot(home / "work") == before
            done = update(store, UpdateRequest(second, home / "work", giving_up_edits=True))
        else:
            done = Updated(0, 0)
        after = snapshot(home / "work")
        assert all(after[path] == before[path] for path in done.kept)
        bundle = snapshot(home / "2")
        beside = {path for path in after if any(kept.startswith(f"{path}/") for kept in done.kept)} - set(bundle)
        assert {path: after[path] for path in after if path not in {*done.kept, *beside}} == bundle
