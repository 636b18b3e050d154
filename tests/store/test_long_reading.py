"""A large file that is read in parts: its row is told only when all of it was read, and it was one version."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.errors import Unavailable
from datamon.store.chunks import WHOLE_BYTES
from datamon.store.long_reading import read_parts
from datamon.store.testing.contents import random_bytes
from datamon.store.walk import open_tree, row_of

CONTENT = random_bytes("long", WHOLE_BYTES + 10)
Read = Callable[[memoryview], int]


def read_all(into: bytearray) -> Callable[[Read], None]:
    def take(read: Read) -> None:
        buffer = bytearray(1000)
        while count := read(memoryview(buffer)):
            into.extend(buffer[:count])

    return take


def test_all_of_it_is_read_and_its_row_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    taken = bytearray()
    with open_tree(tmp_path) as tree:
        assert read_parts(tree, "a", read_all(taken)) == row_of((tmp_path / "a").stat())
    assert taken == CONTENT


def test_a_file_of_which_not_all_was_read_has_no_row(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)

    def take(read: Read) -> None:
        assert read(memoryview(bytearray(WHOLE_BYTES))) == WHOLE_BYTES

    with open_tree(tmp_path) as tree:
        assert read_parts(tree, "a", take) is None


def test_what_grows_is_not_followed_for_ever(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    taken = bytearray()

    def take(read: Read) -> None:
        def growing(buffer: memoryview) -> int:
            with (tmp_path / "a").open("ab") as stream:
                stream.write(bytes(2000))
            return read(buffer)

        read_all(taken)(growing)

    with open_tree(tmp_path) as tree:
        assert read_parts(tree, "a", take) is None
    assert len(taken) == len(CONTENT) + 1


def large_directory(path: Path) -> None:
    path.mkdir()
    for number in range(WHOLE_BYTES // 240):
        (path / f"{number:0240}").touch()


@pytest.mark.parametrize(
    "make",
    [
        lambda _: None,
        lambda path: path.write_bytes(CONTENT[:WHOLE_BYTES]),
        lambda path: os.mkfifo(path),
        large_directory,
    ],
    ids=["nothing", "a small file", "a pipe", "a directory"],
)
def test_what_is_no_large_file_has_no_row(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "a")
    taken = bytearray()
    with open_tree(tmp_path) as tree:
        assert read_parts(tree, "a", read_all(taken)) is None
    assert taken == b""


@pytest.mark.parametrize(
    "error", [OSError("told"), Unavailable("disk-full", "told")], ids=lambda error: type(error).__name__
)
def test_an_error_of_who_takes_it_is_not_one_of_reading(error: Exception, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)

    def take(_: Read) -> None:
        raise error

    with open_tree(tmp_path) as tree, pytest.raises(type(error), match="told"):
        read_parts(tree, "a", take)
