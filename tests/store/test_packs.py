"""The byte format of packs: written down exactly, read exactly, and what damage does to it."""

import struct
from collections.abc import Callable, Sequence

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Corrupt
from datamon.store.backend import Span
from datamon.store.hashing import PLAIN
from datamon.store.packs import (
    PackRow,
    check_pack,
    decode_frame,
    encode_footer,
    encode_frame,
    end_bytes,
    frame_rows,
    read_footer,
    rescan,
)
from datamon.store.testing.contents import random_bytes

TEXT = b"a line that repeats and so compresses well\n"


def framed(pieces: Sequence[bytes | memoryview]) -> bytes:
    """A frame of these chunks."""
    return encode_frame(b"".join(pieces), [*map(len, pieces)])


def made_pack(frames: Sequence[Sequence[bytes]]) -> tuple[bytes, list[PackRow]]:
    """A pack of these frames and its rows."""
    body = b""
    rows: list[PackRow] = []
    for pieces in frames:
        frame = framed(pieces)
        rows.extend(frame_rows(len(body), len(frame), [*map(PLAIN.chunk, pieces)], [*map(len, pieces)]))
        body += frame
    return body + encode_footer(rows, blake3(body).digest()), rows


def span_of(content: bytes) -> Callable[[Span], bytes]:
    """How `read_footer` reads these bytes."""
    return lambda span: content[span.start :][: span.length]


FRAMES = [
    [TEXT * 3, b"small", TEXT],
    [random_bytes("raw", 90_000)],
    [TEXT * 2_000],
    [b""],
    [random_bytes("end", 10)] * 2,
]
PACK, ROWS = made_pack(FRAMES)


def test_a_frame_is_written_as_the_format_says() -> None:
    frame = framed([b"ab", b"cde"])
    assert frame == b"DMF1" + struct.pack("<BBHIIII", 0, 0, 2, 5, 5, 2, 3) + b"abcde"


def test_a_footer_is_written_as_the_format_says() -> None:
    row = PackRow(PLAIN.chunk(b"x"), 1, 2, 3, 4)
    footer = bytes(PLAIN.chunk(b"x")) + struct.pack("<IIII", 1, 2, 3, 4)
    digests = blake3(footer).digest()[:16] + blake3(b"frames").digest()[:16]
    assert (
        encode_footer([row], blake3(b"frames").digest()) == footer + struct.pack("<II", 48, 1) + digests + b"DMPACK01"
    )


def test_the_end_of_a_pack_has_the_bytes_that_are_told() -> None:
    assert len(encode_footer(ROWS, bytes(32))) == end_bytes(len(ROWS))


def test_a_frame_keeps_nothing_of_a_buffer_that_is_used_again() -> None:
    buffer = bytearray(random_bytes("reused", 70_000))
    frame = framed([memoryview(buffer)])
    buffer[:] = bytes(70_000)
    assert decode_frame(frame, "it").raw == random_bytes("reused", 70_000)


def test_a_frame_is_raw_unless_zstd_saves_three_percent() -> None:
    noise = random_bytes("noise", 120_000)
    for zeros, codec in ((0, 0), (3_000, 0), (5_000, 1)):
        frame = framed([noise + bytes(zeros)])
        assert frame[4] == codec, zeros
        assert decode_frame(frame, "it").raw == noise + bytes(zeros)


def test_a_pack_says_where_its_chunks_lie() -> None:
    assert read_footer(span_of(PACK), "it") == ROWS
    for row in ROWS:
        frame = decode_frame(PACK[row.offset : row.offset + row.stored], "it")
        assert PLAIN.chunk(frame.raw[row.inner : row.inner + row.length]) == row.chunk


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=300), min_size=1, max_size=5), max_size=6))
def test_any_pack_comes_back_by_its_footer_and_by_a_rescan(frames: list[list[bytes]]) -> None:
    pack, rows = made_pack(frames)
    assert read_footer(span_of(pack), "it") == rows
    assert rescan(pack, PLAIN) == rows


@pytest.mark.parametrize("cut_off", [1, 31, 32, 33, 80, len(PACK) - 40, len(PACK) - 1, len(PACK)])
def test_a_pack_that_lost_its_end_has_no_footer(cut_off: int) -> None:
    with pytest.raises(Corrupt, match="the pack p is damaged") as raised:
        read_footer(span_of(PACK[: len(PACK) - cut_off]), "the pack p")
    assert raised.value.code == "bad-pack"


def test_every_flipped_byte_of_footer_and_trailer_is_noticed() -> None:
    begin = max(row.offset + row.stored for row in ROWS)
    for at in range(begin, len(PACK)):
        damaged = PACK[:at] + bytes([PACK[at] ^ 0x40]) + PACK[at + 1 :]
        with pytest.raises(Corrupt):
            check_pack(damaged, "it")


def test_no_flipped_byte_of_a_frame_gives_a_wrong_chunk() -> None:
    """Either the frame is refused or the chunk's id tells."""
    pieces = [TEXT * 3, b"small", TEXT]
    for compressible in (pieces, [random_bytes("r", 200)]):
        frame = framed(compressible)
        for at in range(len(frame)):
            for bit in (0x01, 0x80):
                damaged = frame[:at] + bytes([frame[at] ^ bit]) + frame[at + 1 :]
                try:
                    decoded = decode_frame(damaged, "it")
                except Corrupt as error:
                    assert error.code == "bad-pack"
                    continue
                same = decoded.raw == b"".join(compressible) and decoded.lengths == tuple(map(len, compressible))
                assert not same or at == 5, at  # byte 5 is not used


def test_a_frame_that_claims_to_be_huge_is_refused_before_it_is_unpacked() -> None:
    import zstandard

    bomb = zstandard.ZstdCompressor(level=1).compress(bytes(300_000_000))
    frame = struct.pack("<4sBBHIII", b"DMF1", 1, 0, 1, len(bomb), 1_000, 1_000) + bomb
    with pytest.raises(Corrupt, match="size is wrong"):
        decode_frame(frame, "it")
    frame = struct.pack("<4sBBHIII", b"DMF1", 1, 0, 1, len(bomb), 300_000_000, 300_000_000) + bomb
    with pytest.raises(Corrupt, match="lengths"):
        decode_frame(frame, "it")


def test_a_rescan_finds_every_frame_of_a_pack_that_lost_its_footer() -> None:
    assert rescan(PACK[: len(PACK) - 200], PLAIN) == ROWS
    assert rescan(b"", PLAIN) == []
    assert rescan(b"DMF1", PLAIN) == []


def test_a_rescan_finds_the_frames_around_a_damaged_one() -> None:
    broken = ROWS[3]  # the raw one
    for damage in (0, 9):  # in its magic, in its length
        at = broken.offset + damage
        damaged = PACK[:at] + bytes([PACK[at] ^ 0x40]) + PACK[at + 1 :]
        found = {row.chunk for row in rescan(damaged, PLAIN)}
        assert found == {row.chunk for row in ROWS if row.offset != broken.offset}


def test_a_rescan_finds_frames_wherever_they_lie_now() -> None:
    second = ROWS[3].offset
    found = rescan(b"rubbish DMF1 rubbish" + PACK[second:-100], PLAIN)
    assert [row.chunk for row in found] == [row.chunk for row in ROWS[3:]]
    assert found[0].offset == 20


def test_a_rescan_never_promises_a_chunk_that_is_not_there() -> None:
    at = ROWS[3].offset + 5_000  # inside the raw bytes: only the id can tell
    damaged = PACK[:at] + bytes([PACK[at] ^ 1]) + PACK[at + 1 :]
    for row in rescan(damaged, PLAIN):
        frame = decode_frame(damaged[row.offset : row.offset + row.stored], "it")
        assert PLAIN.chunk(frame.raw[row.inner : row.inner + row.length]) == row.chunk
    assert ROWS[3].chunk not in {row.chunk for row in rescan(damaged, PLAIN)}


def test_a_stored_pack_inside_a_pack_is_one_chunk_to_a_rescan() -> None:
    """Someone keeps a store inside a store: the inner frames are not taken for our own."""
    pack, rows = made_pack([[PACK], [TEXT]])
    assert rescan(pack, PLAIN) == rows
