"""Cuts and chunk ids: the committed vectors, and what holds for any bytes."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from pyfastcdc import FastCDC
from pyfastcdc.py import FastCDC as PlainFastCDC

from datamon.store import chunks
from datamon.store.chunks import Cutter, Rooms, cut, read_head, read_into, stretches
from datamon.store.hashing import PLAIN
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.strategies import contents

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "chunking.json").read_text())
KERNEL = FastCDC(65_536, min_size=16_384, max_size=262_144, normalized_chunking=2, seed=0)
CASES = {case["name"]: case for case in VECTORS["cases"]}


def built(case: dict[str, Any]) -> bytes:
    """The input that a case describes."""
    return b"".join(
        random_bytes(part["random"], part["bytes"]) if "random" in part else bytes(part["zeros"])
        for part in case["input"]
    )


class Dribble(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a pipe does."""

    def __init__(self, content: bytes, most: int) -> None:
        self._rest = memoryview(content)
        self._most = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._most, len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


@pytest.mark.parametrize("name", CASES)
def test_the_cuts_are_those_of_the_format(name: str) -> None:
    case = CASES[name]
    content = built(case)
    pieces = list(cut(io.BytesIO(content)))
    assert blake3(content).hexdigest() == case["content"]
    assert [len(piece) for piece in pieces] == case["lengths"]
    assert b"".join(pieces) == content
    if pieces:
        assert (PLAIN.chunk(pieces[0]).hex(), PLAIN.chunk(pieces[-1]).hex()) == (case["first"], case["last"])


def test_the_parameters_are_those_of_the_vectors() -> None:
    assert VECTORS["parameters"] == {
        "algorithm": "fastcdc-2020",
        "average": chunks.AVERAGE_BYTES,
        "minimum": chunks.MINIMUM_BYTES,
        "maximum": chunks.MAXIMUM_BYTES,
        "normalization": chunks.NORMALIZATION,
        "seed": chunks.SEED,
    }


def test_a_kernel_in_plain_python_gives_the_same_cuts() -> None:
    case = CASES["a mebibyte"]
    kernel = PlainFastCDC(65_536, min_size=16_384, max_size=262_144, normalized_chunking=2, seed=0)
    assert [piece.length for piece in kernel.cut_buf(built(case)[: 2**19])][:5] == case["lengths"][:5]


@settings(max_examples=40, deadline=None)
@given(content=contents(), most=st.sampled_from([1_000, 16_384, 65_536, 10**6]))
def test_cuts_do_not_depend_on_how_the_bytes_arrive(content: bytes, most: int) -> None:
    whole = list(cut(io.BytesIO(content)))
    assert list(cut(io.BufferedReader(Dribble(content, most)))) == whole
    dribbled: Any = Dribble(content, most)
    assert list(cut(dribbled)) == whole


@settings(max_examples=40, deadline=None)
@given(content=contents())
def test_chunks_make_up_the_bytes_and_keep_the_limits(content: bytes) -> None:
    pieces = list(cut(io.BytesIO(content)))
    assert b"".join(pieces) == content
    assert all(pieces)
    if len(content) <= chunks.WHOLE_BYTES:
        assert len(pieces) == bool(content)
    else:
        assert all(len(piece) <= chunks.MAXIMUM_BYTES for piece in pieces)
        assert all(len(piece) >= chunks.MINIMUM_BYTES for piece in pieces[:-1])


def test_an_insertion_at_the_front_changes_few_chunks() -> None:
    content = random_bytes("dedup", 3_000_000)
    before = set(cut(io.BytesIO(content)))
    after = list(cut(io.BytesIO(b"inserted" + content)))
    assert sum(piece not in before for piece in after) <= 2


def test_chunks_are_not_overwritten_by_later_ones() -> None:
    """The cutter uses its buffer again; a chunk that is waiting for its pack must not change."""
    content = random_bytes("owned", 2_000_000)
    stream = io.BytesIO(content)
    kept = [(piece, PLAIN.chunk(piece)) for piece in cut(stream)]
    assert all(PLAIN.chunk(piece) == identity for piece, identity in kept)


@given(size=st.integers(0, 70_000), expected=st.integers(-5, 10**7))
@settings(max_examples=60, deadline=None)
def test_a_wrong_guess_of_a_files_size_does_no_harm(size: int, expected: int) -> None:
    content = random_bytes("head", size)
    stream = io.BytesIO(content)
    head = read_head(stream, expected)
    assert head == content[: len(head)]
    assert len(head) == size if size <= chunks.WHOLE_BYTES else len(head) > chunks.WHOLE_BYTES
    if size > chunks.WHOLE_BYTES:
        found = stretches(head, read_into(stream), Rooms().take)
        assert [bytes(piece) for stretch in found for piece in stretch.chunks()] == list(cut(io.BytesIO(content)))


@pytest.mark.parametrize("size", [65_537, 262_145, 2 * 2**20, 2 * 2**20 + 262_144, 2 * 2**20 + 262_145, 9_000_000])
def test_cuts_do_not_depend_on_where_a_stretch_ends(size: int) -> None:
    content = random_bytes("stretches", size)
    expected = [piece.length for piece in KERNEL.cut_buf(content)]
    found = list(stretches(b"", read_into(io.BytesIO(content)), Rooms().take))
    assert [len(piece) for stretch in found for piece in stretch.chunks()] == expected
    assert b"".join(stretch.content for stretch in found) == content
    assert (len(found) == 1) == (size < chunks.STRETCH_BYTES)


def test_a_spare_buffer_is_used_again_and_no_other() -> None:
    content = random_bytes("spare", 10_000_000)
    rooms = Rooms()
    held = []
    for number, stretch in enumerate(stretches(b"", read_into(io.BytesIO(content)), rooms.take)):
        if number % 2:
            rooms.give_back(stretch.content)
        else:
            held.append(stretch)
    assert len({id(stretch.content.obj) for stretch in held}) == len(held)
    assert all(bytes(stretch.content) in content for stretch in held)


def test_what_comes_behind_a_buffer_does_not_change_the_cuts_that_are_sure() -> None:
    content = memoryview(random_bytes("sure", 900_000))
    for size in (1, 262_143, 262_144, 500_000):
        sure = Cutter().ends(content[:size], is_last=False)
        assert sure == Cutter().ends(content, is_last=True)[: len(sure)]
        assert bool(sure) == (size >= chunks.MAXIMUM_BYTES)
