"""Streams are passed on as they come, and kept without secrets up to a bound."""

import io
import os
from collections.abc import Callable
from pathlib import Path

from datamon.lineage.capture.streams import KeptStream, Pump
from datamon.lineage.secrets import Redactor


def kept_bytes(kept: KeptStream, tmp_path: Path) -> bytes:
    with kept:
        kept.copy_to(tmp_path / "kept")
    return (tmp_path / "kept").read_bytes()


def pumped(sink: io.RawIOBase | io.BytesIO | None, kept: KeptStream, write: Callable[[int], object]) -> Pump:
    read_end, write_end = os.pipe()
    pump = Pump(os.fdopen(read_end, "rb", buffering=0), sink, kept)  # type: ignore[arg-type]  # all of BinaryIO that is used
    try:
        write(write_end)
    finally:
        os.close(write_end)
    return pump


def test_what_comes_is_passed_on_unchanged_and_kept_without_secrets(tmp_path: Path) -> None:
    kept, sink = KeptStream("stdout", Redactor(values=("hunter2-secret",))), io.BytesIO()

    def write(end: int) -> None:
        os.write(end, b"a hunter2")
        os.write(end, b"-secret b\xff")

    pumped(sink, kept, write).finish()
    assert sink.getvalue() == b"a hunter2-secret b\xff"
    assert kept_bytes(kept, tmp_path) == b"a *** b\xff"
    assert not kept.truncated


def test_only_the_first_part_of_a_long_stream_is_kept_and_all_of_it_passed_on(tmp_path: Path) -> None:
    kept, sink = KeptStream("stdout", Redactor(), limit=10), io.BytesIO()
    pumped(sink, kept, lambda end: [os.write(end, b"0123456") for _ in range(3)]).finish()
    assert sink.getvalue() == b"0123456" * 3
    assert kept_bytes(kept, tmp_path) == b"0123456012"
    assert (kept.truncated, kept.size_bytes) == (True, 10)


def test_a_stream_of_exactly_the_bound_is_whole() -> None:
    kept = KeptStream("stdout", Redactor(), limit=7)
    pumped(None, kept, lambda end: os.write(end, b"0123456")).finish()
    kept.close()
    assert not kept.truncated


class Gone(io.RawIOBase):
    """A sink whose reader went away."""

    def write(self, piece: object) -> int:
        raise BrokenPipeError


def test_when_the_reader_is_gone_the_writer_learns_it() -> None:
    kept = KeptStream("stdout", Redactor())
    read_end, write_end = os.pipe()
    pump = Pump(os.fdopen(read_end, "rb", buffering=0), Gone(), kept)  # type: ignore[arg-type]
    os.write(write_end, b"x")
    pump.finish()
    try:
        os.write(write_end, b"y")
        raise AssertionError("the pipe is still read")
    except BrokenPipeError:
        assert kept.size_bytes == 1
    finally:
        os.close(write_end)
        kept.close()


def test_a_pipe_that_another_process_holds_open_does_not_hold_the_recorder(tmp_path: Path) -> None:
    kept = KeptStream("stdout", Redactor(values=("secret",)))
    read_end, write_end = os.pipe()
    pump = Pump(os.fdopen(read_end, "rb", buffering=0), None, kept)
    os.write(write_end, b"said before secre")
    pump.finish(grace_s=0.05)
    os.close(write_end)
    assert pump.cut
    assert kept_bytes(kept, tmp_path) == b"said before secre"
