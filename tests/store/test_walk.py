"""What a look at a directory finds, and what `.datamonignore` leaves out of it."""

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from datamon.errors import Denied, Invalid, NotFound
from datamon.store.testing.trees import make_socket, write_files
from datamon.store.testing.users import ordinary_user
from datamon.store.tree_writer import TreeWriter, new_token
from datamon.store.walk import open_tree, read_stable, scan, scan_to_keep


def kept(root: Path) -> list[str]:
    """The paths of files that an upload keeps."""
    with open_tree(root) as tree:
        return [one.path for one in scan_to_keep(tree) if one.kind != "dir"]


def tree_of(root: Path, *paths: str, ignore: str) -> Path:
    """A tree of these files with `.datamonignore` at its top."""
    return write_files(root, {".datamonignore": ignore, **dict.fromkeys(paths, "x")})


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        ("*.log", ["a.csv", "build/b.csv", "sub/build/c.csv", "sub/d.csv"]),
        ("/build/", ["a.csv", "e.log", "sub/build/c.csv", "sub/d.csv", "sub/f.log"]),
        ("build/", ["a.csv", "e.log", "sub/d.csv", "sub/f.log"]),
        ("*.log\n!f.log", ["a.csv", "build/b.csv", "sub/build/c.csv", "sub/d.csv", "sub/f.log"]),
        ("sub/\n!sub/d.csv", ["a.csv", "build/b.csv", "e.log"]),
        ("# *.csv\n\n*.log\r\n", ["a.csv", "build/b.csv", "sub/build/c.csv", "sub/d.csv"]),
        ("**/build/*.csv", ["a.csv", "e.log", "sub/d.csv", "sub/f.log"]),
        ("a.csv/", ["a.csv", "build/b.csv", "e.log", "sub/build/c.csv", "sub/d.csv", "sub/f.log"]),
    ],
)
def test_patterns_mean_what_they_mean_to_git(tmp_path: Path, ignore: str, left: list[str]) -> None:
    root = tree_of(
        tmp_path, "a.csv", "e.log", "build/b.csv", "sub/build/c.csv", "sub/d.csv", "sub/f.log", ignore=ignore
    )
    assert kept(root) == [".datamonignore", *left]


def test_the_ignore_file_is_kept_unless_it_ignores_itself(tmp_path: Path) -> None:
    assert kept(tree_of(tmp_path / "one", "a", ignore="b")) == [".datamonignore", "a"]
    assert kept(tree_of(tmp_path / "two", "a", ignore=".datamonignore")) == ["a"]


def test_an_ignore_file_in_a_folder_applies_below_it_and_before_the_outer_one(tmp_path: Path) -> None:
    root = tree_of(tmp_path, "a.csv", "sub/a.csv", "sub/b.csv", "sub/deep/a.csv", ignore="b.csv")
    write_files(root, {"sub/.datamonignore": "a.csv\n!b.csv"})
    assert kept(root) == [".datamonignore", "a.csv", "sub/.datamonignore", "sub/b.csv"]


def test_an_ignored_directory_is_not_an_entry_and_its_files_are_not_looked_at(tmp_path: Path) -> None:
    root = tree_of(tmp_path, "cache/x", ignore="cache")
    make_socket(root / "cache" / "socket")
    with open_tree(root) as tree:
        assert [one.path for one in scan_to_keep(tree)] == [".datamonignore"]


def test_a_symlink_is_found_as_itself_and_not_entered(tmp_path: Path) -> None:
    root = write_files(tmp_path / "tree", {"dir/a": "x"})
    (root / "link").symlink_to("dir")
    (root / "up").symlink_to("..")
    with open_tree(root) as tree:
        found = {one.path: (one.kind, one.target) for one in scan(tree, ignoring=True)}
    assert found == {
        "dir": ("dir", None),
        "dir/a": ("file", None),
        "link": ("symlink", "dir"),
        "up": ("symlink", ".."),
    }


def test_paths_are_found_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    root = write_files(tmp_path, dict.fromkeys(["a/b", "a-b", "a.csv", "é", "Z", "ab"], "x"))
    with open_tree(root) as tree:
        paths = [one.path for one in scan(tree, ignoring=True)]
    assert paths == sorted(paths, key=str.encode) == ["Z", "a", "a-b", "a.csv", "a/b", "ab", "é"]


def test_a_tree_deeper_than_paths_may_be_long_is_found_and_removed_whole(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1_010):
        os.mkdir("deep", dir_fd=descriptor)
        below = os.open("deep", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    with open_tree(tmp_path) as tree:
        assert len(scan(tree, ignoring=True)) == 1_010
        TreeWriter(tree, new_token()).empty()
    assert list(tmp_path.iterdir()) == []


def test_a_socket_and_a_fifo_are_refused_by_name_unless_ignored(tmp_path: Path) -> None:
    root = write_files(tmp_path / "tree", {"a": "x"})
    os.mkfifo(root / "queue")
    with pytest.raises(Invalid, match="queue") as caught:
        kept(root)
    assert caught.value.code == "unsupported-file"
    (root / "queue").unlink()
    make_socket(root / "plug")
    with pytest.raises(Invalid, match="plug") as caught:
        kept(root)
    assert caught.value.code == "unsupported-file"
    write_files(root, {".datamonignore": "plug"})
    assert kept(root) == [".datamonignore", "a"]


def test_a_name_that_is_not_utf_8_is_refused_in_readable_form_unless_ignored(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    (tmp_path / name).write_text("x")
    with pytest.raises(Invalid, match=r"caf\\xe9\.csv.*rename it") as caught:
        kept(tmp_path)
    assert caught.value.code == "bad-path"
    write_files(tmp_path, {".datamonignore": "caf*"})
    assert kept(tmp_path) == [".datamonignore"]


def test_a_link_target_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(os.fsdecode(b"\xff"))
    with pytest.raises(Invalid, match="link") as caught:
        kept(tmp_path)
    assert caught.value.code == "bad-path"


def test_a_pattern_that_cannot_be_read_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="datamonignore") as caught:
        kept(tree_of(tmp_path, "a", ignore="!"))
    assert caught.value.code == "bad-argument"


def test_a_directory_that_may_not_be_read_is_named() -> None:
    with ordinary_user() as home:
        write_files(home, {"open/a": "x", "closed/b": "x"})
        (home / "closed").chmod(0)
        with pytest.raises(Denied, match="closed") as caught:
            kept(home)
    assert caught.value.code == "unreadable"


def test_a_file_in_the_place_of_the_directory_is_bad_and_nothing_there_is_not_found(tmp_path: Path) -> None:
    write_files(tmp_path, {"a.csv": "x"})
    with pytest.raises(Invalid, match=r"a\.csv.*name the directory") as bad:
        open_tree(tmp_path / "a.csv")
    assert bad.value.code == "bad-path"
    with pytest.raises(NotFound) as absent:
        open_tree(tmp_path / "b")
    assert absent.value.code == "path-not-found"


def test_a_file_that_never_stops_changing_is_an_error_after_three_reads(tmp_path: Path) -> None:
    (tmp_path / "growing").write_bytes(b"x")
    reads = []

    def grow(stream: BinaryIO, size_bytes: int) -> bytes:
        reads.append(size_bytes)
        with (tmp_path / "growing").open("ab") as other:
            other.write(b"x")
        return stream.read(size_bytes)

    with open_tree(tmp_path) as tree, pytest.raises(Invalid, match="growing") as caught:
        read_stable(tree, "growing", grow)
    assert caught.value.code == "file-changed"
    assert reads == [1, 2, 3]
