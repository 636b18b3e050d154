"""The forms of an answer, and what stands in them."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from datamon.cli.globals import Format
from datamon.cli.output import Listing, Row, complain, note, show

COLUMNS = ("id", "count", "when", "tags", "raw", "gone", "flag")
ROWS: list[Row] = [
    ('a,"b"\nc', 3, datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC), ["x", "y"], b"\x00\xff", None, True),
    ("é\x1b[31m", -2, datetime(2026, 5, 1), [], b"", None, False),  # noqa: DTZ001 (the index's times carry no zone)
]


def line(row: Row) -> str:
    return f"{row[0]} , {row[1]}"


def test_plain_lines_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    show(Listing(COLUMNS, ROWS, line), None)
    assert capsys.readouterr().out == 'a,"b"\\nc , 3\né\\x1b[31m , -2\n'


def test_json_lines_keep_every_value(capsys: pytest.CaptureFixture[str]) -> None:
    show(Listing(COLUMNS, ROWS, line), Format.JSONL)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {
        "id": 'a,"b"\nc',
        "count": 3,
        "when": "2026-05-01T12:00:00.250000Z",
        "tags": ["x", "y"],
        "raw": "00ff",
        "gone": None,
        "flag": True,
    }
    assert second["when"] == "2026-05-01T00:00:00Z"


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], []])
def test_json_is_one_document(rows: list[Row], capsys: pytest.CaptureFixture[str]) -> None:
    show(Listing(COLUMNS, iter(rows), line), Format.JSON)
    document = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in document] == [row[0] for row in rows]


def test_csv_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    show(Listing(COLUMNS, ROWS, line), Format.CSV)
    header, first, second = csv.reader(io.StringIO(capsys.readouterr().out))
    assert tuple(header) == COLUMNS
    assert first == ['a,"b"\nc', "3", "2026-05-01T12:00:00.250000Z", '["x", "y"]', "00ff", "", "true"]
    assert second[0] == "é\x1b[31m"


def test_csv_of_nothing_is_its_header(capsys: pytest.CaptureFixture[str]) -> None:
    show(Listing(("a", "b"), []), Format.CSV)
    assert capsys.readouterr().out == "a,b\n"


def test_a_table_away_from_a_terminal_is_never_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    show(Listing(("name", "size"), [("x" * 300, 5), ("y", 12345)]), Format.TABLE)
    assert capsys.readouterr().out.splitlines() == [
        f"name{' ' * 296}   size",
        f"{'─' * 300}  ─────",
        f"{'x' * 300}      5",
        f"y{' ' * 299}  12345",
    ]


def test_a_table_folds_to_the_width_and_stands_upright_where_it_cannot(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    show(Listing(("name", "note"), [("a" * 27, "one two three four five six seven")]), None)
    assert capsys.readouterr().out.splitlines() == [
        "name                         note",
        f"{'─' * 27}  {'─' * 11}",
        f"{'a' * 27}  one two",
        f"{' ' * 27}  three four",
        f"{' ' * 27}  five six",
        f"{' ' * 27}  seven",
    ]
    show(Listing(tuple(f"column{n}" for n in range(9)), [(*range(8), None)]), None)
    upright = capsys.readouterr().out
    assert upright.splitlines() == [*(f"column{n}  {n}" for n in range(8)), ""]


def test_a_fitted_table_shortens_hashes_and_times_before_it_breaks_an_id(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    row = ("2Q0z8hJ3bW6kR1xY5cN7vM9aT4d", "a" * 64, datetime(2026, 5, 1, 12, 0, 0, 250_000), "表")  # noqa: DTZ001
    show(Listing(("id", "content", "time", "name"), [row]), None)
    assert capsys.readouterr().out.splitlines() == [
        "id                           content        time                 name",
        f"{'─' * 27}  {'─' * 13}  {'─' * 19}  ────",
        "2Q0z8hJ3bW6kR1xY5cN7vM9aT4d  aaaaaaaaaaaa…  2026-05-01 12:00:00  表",
    ]


def test_words_go_to_stderr_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    note("a\nb")
    complain("bad \x07 name")
    assert capsys.readouterr() == ("", "a\\nb\nerror: bad \\x07 name\n")
