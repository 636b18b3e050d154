"""A checkout that ends in the middle locks nobody out, and one that fails destroys nothing."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.errors import Conflict, Corrupt
from datamon.store import layout
from datamon.store.bundle import Bundle
from datamon.store.checkout import changed_paths, checkout
from datamon.store.opening import Store
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.faults import Killed
from datamon.store.testing.trees import snapshot, upload_tree, write_files
from datamon.store.tree_writer import is_unfinished_name

OLD = {"a": "1", "b": "1", "d/e/f": "1", "d/g": "1", "same": "s", "swap/x": "1"}
NEW = {"a": "22", "c": "2", "d/e/f": "2", "new/h": "2", "same": "s", "swap": "2"}
THIRD = {"a": "333", "d/g": "1", "z": "3"}


class Killing:
    """A listener by which the process ends at the n-th call of `advance`."""

    def __init__(self, number: int) -> None:
        self._left = number

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
        self.advance(0, 0)

    def advance(self, files: int, size_bytes: int) -> None:
        self._left -= 1
        if self._left == 0:
            raise Killed

    def end(self) -> None:
        self.advance(0, 0)


@pytest.fixture
def bundles(store: Store, tmp_path: Path) -> dict[str, Bundle]:
    """Bundles of the three trees."""
    trees = {"old": OLD, "new": NEW, "third": THIRD}
    return {name: upload_tree(store, write_files(tmp_path / name, files)) for name, files in trees.items()}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A directory that is not there yet."""
    return tmp_path / "work"


@pytest.mark.parametrize("then", ["old", "new", "third"])
@pytest.mark.parametrize("number", range(1, 9))
def test_a_checkout_killed_anywhere_is_finished_by_the_next_of_any_bundle(
    store: Store, bundles: dict[str, Bundle], work: Path, tmp_path: Path, number: int, then: str
) -> None:
    checkout(store, bundles["old"], work)
    with pytest.raises(Killed):
        checkout(store, bundles["new"], work, progress=Killing(number))
    assert all(path.read_text() for path in work.rglob("*") if path.is_file() and not is_unfinished_name(path.name))
    checkout(store, bundles[then], work)
    assert snapshot(work) == snapshot(tmp_path / then)
    assert changed_paths(store, work) == []


def test_a_checkout_killed_twice_is_finished_by_the_third(
    store: Store, bundles: dict[str, Bundle], work: Path, tmp_path: Path
) -> None:
    checkout(store, bundles["old"], work)
    for name, number in (("new", 4), ("third", 3), ("new", 2)):
        with pytest.raises(Killed):
            checkout(store, bundles[name], work, progress=Killing(number))
    checkout(store, bundles["old"], work)
    assert snapshot(work) == snapshot(tmp_path / "old")


def test_what_people_did_in_a_half_done_directory_is_still_theirs(
    store: Store, bundles: dict[str, Bundle], work: Path
) -> None:
    checkout(store, bundles["old"], work)
    with pytest.raises(Killed):
        checkout(store, bundles["new"], work, progress=Killing(4))
    write_files(work, {"same": "mine", "mine": "mine"})
    assert changed_paths(store, work) == ["mine", "same"]
    with pytest.raises(Conflict, match="'mine', 'same'"):
        checkout(store, bundles["new"], work)
    assert (work / "same").read_text() == "mine"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_interrupt_while_an_empty_directory_is_filled_leaves_it_empty(
    store: Store, bundles: dict[str, Bundle], work: Path, number: int
) -> None:
    work.mkdir()
    with pytest.raises(Killed):
        checkout(store, bundles["old"], work, progress=Killing(number))
    assert list(work.iterdir()) == []
    write_files(work, {"mine": "mine"})
    with pytest.raises(Conflict) as caught:
        checkout(store, bundles["old"], work)
    assert caught.value.code == "destination-not-empty"


_KILLED = """
    import os, sys
    from pathlib import Path
    from datamon.store.bundle import Author
    from datamon.store.checkout import checkout
    from datamon.store.opening import Places, open_store
    from datamon.store.repos import find_repo

    root, work, moment, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    store = open_store(Places(str(root / "metadata"), str(root / "blob"), state_dir=root / "state"), Author("Ada", "a@b.c"))
    bundle = next(b for b in store.logs.repo(find_repo(store, "raw").id).bundles.values() if b.id == name)

    class Killing:
        def begin(self, what, files, size_bytes):
            if moment == "before":
                os._exit(9)
        def advance(self, files, size_bytes):
            if size_bytes and not files:
                os._exit(9)  # inside a file
        def end(self): pass

    checkout(store, bundle, work, progress=Killing())
"""


@pytest.mark.parametrize("moment", ["before", "inside a file"])
def test_a_process_that_dies_while_filling_is_taken_over_by_the_next(
    local_store: Store, reopen: Callable[[], Store], work: Path, tmp_path: Path, moment: str
) -> None:
    source = write_files(tmp_path / "in", {"a": "1", "z": "1"})
    (source / "big").write_bytes(random_bytes("big", 600_000))
    bundle = upload_tree(local_store, source)
    arguments = [str(tmp_path / "store"), str(work), moment, bundle.id]
    died = subprocess.run([sys.executable, "-c", textwrap.dedent(_KILLED), *arguments], check=False, timeout=60)
    assert died.returncode == 9
    assert moment == "before" or any(is_unfinished_name(path.name) for path in work.iterdir())
    checkout(reopen(), bundle, work)
    assert snapshot(work) == snapshot(source)


def test_a_corrupt_bundle_stops_the_change_and_the_old_one_can_be_had_again(
    store: Store, work: Path, tmp_path: Path
) -> None:
    old = upload_tree(store, write_files(tmp_path / "old", OLD))
    packs = {stored.key for stored in store.blob.list(layout.PACKS)}
    new = upload_tree(store, write_files(tmp_path / "new", {**NEW, "zz": "unlike any other"}))
    checkout(store, old, work)
    for stored in list(store.blob.list(layout.PACKS)):
        if stored.key not in packs:
            store.blob.delete(stored.key)
    with pytest.raises(Corrupt, match=f"of the bundle {new.id}"):
        checkout(store, new, work)
    checkout(store, old, work)
    assert snapshot(work) == snapshot(tmp_path / "old")


def test_a_file_that_looks_unfinished_but_is_nobodys_is_an_edit(
    store: Store, bundles: dict[str, Bundle], work: Path
) -> None:
    checkout(store, bundles["old"], work)
    name = f".datamon-{os.urandom(8).hex()}.part"
    write_files(work, {name: "mine"})
    with pytest.raises(Conflict, match=name):
        checkout(store, bundles["new"], work)
