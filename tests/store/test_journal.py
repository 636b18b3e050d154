"""The journal: every record once, whoever writes and reads, whatever is torn or damaged."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Corrupt, Invalid
from datamon.store import layout
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.codec import Record, encode
from datamon.store.ids import new_ksuid
from datamon.store.journal import Cursor, FileJournal, Journal, ObjectJournal, mentioning, open_journal
from datamon.store.seal import seal
from datamon.store.testing.clocks import START_NS, SteppingClock

KINDS = ["file", "objects"]


@contextmanager
def _writers(kind: str) -> Iterator[Callable[[], Journal]]:
    """Gives journals on one place, each as another process would have it."""
    with tempfile.TemporaryDirectory() as directory:
        memory = MemoryBackend()
        clock = SteppingClock()
        if kind == "file":
            yield lambda: FileJournal(LocalBackend(Path(directory)), clock)
        else:
            yield lambda: ObjectJournal(memory, new_ksuid(START_NS), clock)


def _numbers(records: list[Record]) -> list[int]:
    return [record["number"] for record in records]


def _file(tmp_path: Path) -> tuple[FileJournal, Path]:
    return FileJournal(LocalBackend(tmp_path), SteppingClock()), tmp_path / layout.JOURNAL_FILE


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_comes_back_with_format_event_and_time(kind: str) -> None:
    with _writers(kind) as writer:
        writer().append({"kind": "x", "number": 1, "text": "ü\n☃"})
        [record], _ = writer().read({})
    assert record == {
        "format": 1,
        "kind": "x",
        "number": 1,
        "text": "ü\n☃",
        "event": record["event"],
        "time": START_NS + 10**9,
    }
    assert len(record["event"]) == 27


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_keeps_the_event_and_time_it_brings(kind: str) -> None:
    with _writers(kind) as writer:
        writer().append({"kind": "x", "event": "e", "time": 7})
        [record], _ = writer().read({})
    assert (record["event"], record["time"]) == ("e", 7)


@pytest.mark.parametrize("kind", KINDS)
def test_a_journal_that_nobody_wrote_is_empty(kind: str) -> None:
    with _writers(kind) as writer:
        records, cursor = writer().read({})
        assert records == []
        assert writer().read(cursor) == ([], cursor)


_OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 2), st.none()),
        st.tuples(st.just("read"), st.integers(0, 2), st.none() | st.integers(1, 3)),
    ),
    max_size=25,
)


@pytest.mark.parametrize("kind", KINDS)
@given(operations=_OPERATIONS)
@settings(max_examples=40, deadline=None)
def test_every_reader_gets_every_record_once_however_writes_and_reads_interleave(
    kind: str, operations: list[tuple[str, int, int | None]]
) -> None:
    with _writers(kind) as writer:
        journals = [writer() for _ in range(3)]
        cursors: list[Cursor] = [{}, {}, {}]
        seen: list[list[int]] = [[], [], []]
        numbers = count()
        for operation, who, limit in operations:
            if operation == "append":
                journals[who].append({"kind": "x", "number": next(numbers)})
            else:
                records, cursors[who] = journals[who].read(cursors[who], limit=limit)
                assert limit is None or len(records) <= limit
                seen[who].extend(_numbers(records))
        written = next(numbers)
        for who in range(3):
            seen[who].extend(_numbers(journals[who].read(cursors[who])[0]))
            assert sorted(seen[who]) == list(range(written))


@pytest.mark.parametrize("kind", KINDS)
def test_reading_by_limit_comes_to_the_end(kind: str) -> None:
    with _writers(kind) as writer:
        for number in range(7):
            writer().append({"kind": "x", "number": number})
        cursor: Cursor = {}
        sizes, seen = [], []
        while True:
            records, cursor = writer().read(cursor, limit=3)
            if not records:
                break
            sizes.append(len(records))
            seen.extend(_numbers(records))
    assert sizes == [3, 3, 1]
    assert sorted(seen) == list(range(7))


def test_a_record_is_laid_out_as_the_format_says(tmp_path: Path) -> None:
    journal, file = _file(tmp_path)
    journal.append({"kind": "x", "event": "e", "time": 7})
    body = b'{"event":"e","format":1,"kind":"x","time":7}'
    assert file.read_bytes() == b"\nDMJ1 0000002c %08x " % crc32(body) + body + b"\n"


def test_a_torn_record_at_the_end_is_left_until_it_is_known_to_be_torn(tmp_path: Path) -> None:
    journal, file = _file(tmp_path)
    journal.append({"kind": "x", "number": 1})
    size = file.stat().st_size
    journal.append({"kind": "x", "number": 2})
    os.truncate(file, size + 20)
    records, cursor = journal.read({})
    assert (_numbers(records), cursor["skipped"]) == ([1], 0)
    journal.append({"kind": "x", "number": 3})
    records, cursor = journal.read(cursor)
    assert (_numbers(records), cursor["skipped"]) == ([3], 1)


def test_a_record_that_lacks_only_its_last_line_end_is_whole_once_another_follows(tmp_path: Path) -> None:
    journal, file = _file(tmp_path)
    journal.append({"kind": "x", "number": 1})
    os.truncate(file, file.stat().st_size - 1)
    records, cursor = journal.read({})
    assert records == []
    journal.append({"kind": "x", "number": 2})
    assert _numbers(journal.read(cursor)[0]) == [1, 2]


@given(keep=st.integers(0, 400), rubbish=st.binary(max_size=30), early=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_write_torn_anywhere_costs_only_its_own_record(keep: int, rubbish: bytes, early: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        journal, file = _file(Path(directory))
        journal.append({"kind": "x", "number": 1})
        size = file.stat().st_size
        journal.append({"kind": "x", "number": 2, "pad": "p" * 200})
        os.truncate(file, min(size + keep, file.stat().st_size))
        with file.open("ab") as tail:
            tail.write(rubbish.replace(b"\n", b""))
        first, cursor = journal.read({}) if early else ([], {})
        journal.append({"kind": "x", "number": 3})
        journal.append({"kind": "x", "number": 4})
        rest, _ = journal.read(cursor)
        assert [number for number in _numbers(first + rest) if number != 2] == [1, 3, 4]


@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_a_flipped_bit_costs_at_most_the_record_it_is_in_and_the_next(place: int, bit: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        journal, file = _file(Path(directory))
        for number in range(5):
            journal.append({"kind": "x", "number": number})
        content = bytearray(file.read_bytes())
        hit = place % len(content) * 5 // len(content)
        content[place % len(content)] ^= 1 << bit
        file.write_bytes(content)
        records, cursor = journal.read({})
        assert {0, 1, 2, 3, 4} - {hit, hit - 1, hit + 1} <= set(_numbers(records))
        assert all(record["number"] in range(5) for record in records)
        assert len(records) + cursor["skipped"] <= 6


def test_a_damaged_line_is_counted_once(tmp_path: Path) -> None:
    journal, file = _file(tmp_path)
    journal.append({"kind": "x", "number": 1})
    with file.open("ab") as tail:
        tail.write(b"rubbish\nmore\n")
    journal.append({"kind": "x", "number": 2})
    records, cursor = journal.read({})
    assert (_numbers(records), cursor["skipped"]) == ([1, 2], 2)
    assert journal.read(cursor) == ([], cursor)


def test_a_record_larger_than_one_read_comes_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datamon.store.journal._PIECE_BYTES", 64)
    journal, _ = _file(tmp_path)
    for number in range(4):
        journal.append({"kind": "x", "number": number, "pad": "p" * 100 * number})
    records, cursor = journal.read({})
    assert _numbers(records) == [0, 1, 2, 3]
    journal.append({"kind": "x", "number": 4})
    assert _numbers(journal.read(cursor)[0]) == [4]


def test_a_journal_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    journal, file = _file(tmp_path)
    for number in range(3):
        journal.append({"kind": "x", "number": number})
    _, cursor = journal.read({})
    os.truncate(file, 100)
    with pytest.raises(Corrupt, match="read it from its beginning"):
        journal.read(cursor)
    file.unlink()
    with pytest.raises(Corrupt):
        journal.read(cursor)
    file.write_bytes(b"y" * (cursor["offset"] + 10))
    with pytest.raises(Corrupt):
        journal.read(cursor)


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_in_a_newer_format_stops_the_reader(kind: str, tmp_path: Path) -> None:
    body = encode({"format": 3, "kind": "x"})
    journal: Journal
    if kind == "file":
        journal, file = _file(tmp_path)
        file.parent.mkdir()
        file.write_bytes(b"\nDMJ1 %08x %08x %s\n" % (len(body), crc32(body), body))
    else:
        backend = MemoryBackend()
        backend.put(layout.journal_record("w", 1), seal(body))
        journal = ObjectJournal(backend, "v")
    with pytest.raises(Invalid) as refusal:
        journal.read({})
    assert refusal.value.code == "newer-format"


def test_a_damaged_stored_record_is_skipped_and_counted() -> None:
    backend = MemoryBackend()
    journal = ObjectJournal(backend, "w", SteppingClock())
    for number in range(3):
        journal.append({"kind": "x", "number": number})
    backend.put(layout.journal_record("w", 2), b'{"torn')
    records, cursor = journal.read({})
    assert (_numbers(records), cursor) == ([0, 2], {"writers": {"w": 3}, "skipped": 1})


def test_a_listing_that_misses_a_record_does_not_pass_it() -> None:
    backend = MemoryBackend()
    journal = ObjectJournal(backend, "w", SteppingClock())
    for number in range(3):
        journal.append({"kind": "x", "number": number})
    second = backend.get(layout.journal_record("w", 2))
    backend.delete(layout.journal_record("w", 2))
    records, cursor = journal.read({})
    assert _numbers(records) == [0]
    backend.put(layout.journal_record("w", 2), second)
    assert _numbers(journal.read(cursor)[0]) == [1, 2]


def test_two_processes_with_one_writers_name_lose_nothing() -> None:
    backend = MemoryBackend()
    parent, child = ObjectJournal(backend, "w"), ObjectJournal(backend, "w")
    for number in range(0, 6, 2):
        parent.append({"kind": "x", "number": number})
        child.append({"kind": "x", "number": number + 1})
    assert _numbers(parent.read({})[0]) == [0, 1, 2, 3, 4, 5]


def test_the_backend_decides_which_kind_of_journal_a_store_has(tmp_path: Path) -> None:
    assert isinstance(open_journal(LocalBackend(tmp_path), SteppingClock()), FileJournal)
    assert isinstance(open_journal(MemoryBackend(), SteppingClock()), ObjectJournal)


_WRITER = """
import sys
from pathlib import Path
from datamon.store.backend.local import LocalBackend
from datamon.store.journal import FileJournal
journal = FileJournal(LocalBackend(Path(sys.argv[1])))
for number in range(200):
    journal.append({"kind": "x", "number": number, "who": sys.argv[2], "pad": "p" * (number * 37 % 6000)})
"""


def test_eight_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path), str(who)]) for who in range(8)]
    journal, _ = _file(tmp_path)
    seen: list[tuple[str, int]] = []
    cursor: Cursor = {}
    while any(writer.poll() is None for writer in writers):
        records, cursor = journal.read(cursor)
        seen.extend((record["who"], record["number"]) for record in records)
    records, cursor = journal.read(cursor)
    seen.extend((record["who"], record["number"]) for record in records)
    assert [writer.returncode for writer in writers] == [0] * 8
    assert cursor["skipped"] == 0
    assert sorted(seen) == sorted((str(who), number) for who in range(8) for number in range(200))
    for who in range(8):
        assert [number for name, number in seen if name == str(who)] == list(range(200))


@pytest.mark.parametrize("kind", KINDS)
@given(
    records=st.lists(st.lists(st.sampled_from(["abcdefgh1", "abcdefgh2", "rstuvwxyz9"]), max_size=3), max_size=8),
    data=st.data(),
)
@settings(max_examples=40)
def test_all_records_that_mention_an_id_or_a_part_of_it_are_found_in_their_order(
    kind: str, records: list[list[str]], data: st.DataObject
) -> None:
    asked = data.draw(
        st.lists(st.sampled_from(["abcdefgh1", "abcdefgh", "stuvwxyz9", "nothing-such", '"', "ü"]), max_size=3)
    )
    with _writers(kind) as writer:
        writer().append_many([{"kind": "x", "number": n, "ids": ids} for n, ids in enumerate(records)])
        found = _numbers(mentioning(writer(), asked))
    wanted = [n for n, ids in enumerate(records) if any(part in each for each in ids for part in asked)]
    assert sorted(found) == found
    assert set(wanted) <= set(found)
    if kind == "file" and '"' not in asked:
        assert found == wanted, "others are not decoded"


def test_records_that_mention_an_id_are_found_across_the_pieces_that_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, _ = _file(tmp_path)
    journal.append_many([{"kind": "x", "number": n, "id": f"abcdefgh{n % 3}", "text": "t" * n} for n in range(60)])
    for size in (1, 7, 100, 333, 10**6):
        monkeypatch.setattr("datamon.store.journal._PIECE_BYTES", size)
        assert _numbers(mentioning(journal, ["abcdefgh1"])) == list(range(1, 60, 3))
        assert len(mentioning(journal, ["abcdefgh1", "abcdefgh2", "nothing-such"])) == 40


def test_a_damaged_record_that_mentions_an_id_is_passed_over(tmp_path: Path) -> None:
    journal, file = _file(tmp_path)
    journal.append_many([{"kind": "x", "number": n, "id": "abcd1"} for n in range(2)])
    file.write_bytes(file.read_bytes().replace(b'"number":0', b'"number":7'))
    assert _numbers(mentioning(journal, ["abcd1"])) == [1]
