"""Where answers go: files whose suffix says the form, columns with their types, graphs, a pager; and where statements come
from."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from datamon.cli.testing import PROGRAM, Ran, Shell
from datamon.cli.testing_terminal import terminal

Inside = Callable[..., Ran]
TYPED = """SELECT 7::BIGINT AS n, 1.5::DOUBLE AS x, 12.30::DECIMAL(9, 2) AS price, 'é' AS word, [1, NULL] AS numbers,
    {'a': 1, 'b': 'x'} AS pair, TIMESTAMP '2026-01-02 03:04:05.000006' AS at, DATE '2026-01-02' AS day, NULL::VARCHAR AS nothing,
    12345678901234567890123::HUGEINT AS huge, true AS yes, '\\x00ff'::BLOB AS bytes"""


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_columns_keep_their_types_in_a_file(orders_once: Shell, inside: Inside, tmp_path: Path, form: str) -> None:
    file = tmp_path / f"answer.{form}"
    assert inside(orders_once, "query", TYPED, "--to", str(file)) == Ran(0, "", "")
    table = parquet.read_table(file) if form == "parquet" else ipc.open_stream(file.read_bytes()).read_all()
    types = {field.name: field.type for field in table.schema}
    assert types["n"] == pa.int64()
    assert types["price"] == pa.decimal128(9, 2)
    assert pa.types.is_timestamp(types["at"])
    assert types["at"].tz == "UTC"
    assert types["numbers"].value_type == pa.int32()
    [row] = table.to_pylist()
    assert (row["n"], row["x"], str(row["price"]), row["word"], row["numbers"]) == (7, 1.5, "12.30", "é", [1, None])
    assert (row["pair"], row["nothing"], row["yes"]) == ({"a": 1, "b": "x"}, None, True)
    assert int(row["huge"]) == 12345678901234567890123
    assert (str(row["day"]), row["at"].isoformat()) == ("2026-01-02", "2026-01-02T03:04:05.000006+00:00")


def test_columns_go_to_a_pipe_too(orders_once: Shell) -> None:
    ran = subprocess.run(
        [*PROGRAM, "query", "SELECT name FROM repos", "--format", "parquet"],
        cwd=orders_once.cwd,
        env=orders_once.environment,
        capture_output=True,
        check=True,
    )
    assert parquet.read_table(pa.BufferReader(ran.stdout)).to_pylist() == [{"name": "orders"}]


def test_columns_of_one_name_are_told_apart_and_no_rows_are_a_file_too(
    orders_once: Shell, inside: Inside, tmp_path: Path
) -> None:
    text = "SELECT id, r.id FROM repos r WHERE name = 'none'"
    assert inside(orders_once, "query", text, "--to", str(tmp_path / "a.parquet")).code == 0
    assert parquet.read_table(tmp_path / "a.parquet").column_names == ["id", "id_2"]


@pytest.mark.parametrize(
    ("suffix", "wanted"),
    [("csv", "name\norders\n"), ("jsonl", '{"name": "orders"}\n'), ("txt", "name\n──────\norders\n")],
)
def test_the_suffix_says_the_form(orders_once: Shell, inside: Inside, tmp_path: Path, suffix: str, wanted: str) -> None:
    file = tmp_path / f"answer.{suffix}"
    assert inside(orders_once, "query", "SELECT name FROM repos", "--to", str(file)) == Ran(0, "", "")
    assert file.read_text("utf-8") == wanted


def test_a_graph_is_drawn_to_a_file_and_is_a_tree_without_one(
    orders_once: Shell, inside: Inside, tmp_path: Path
) -> None:
    assert inside(orders_once, "query", "GRAPH UPSTREAM OF 'orders'", "--to", str(tmp_path / "a.svg")).code == 0
    assert ElementTree.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")
    assert inside(orders_once, "query", "GRAPH UPSTREAM OF 'orders'").out.startswith("orders@")
    said = json.loads(inside(orders_once, "query", "GRAPH UPSTREAM OF 'orders'", "--format", "json").out)
    assert [node["kind"] for node in said["nodes"]] == ["bundle"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("FROM repos", "--format", "svg"), "put GRAPH before the question"),
        (("GRAPH UPSTREAM OF 'orders'", "--format", "csv"), "a GRAPH is written as json, dot, mermaid or svg"),
        (("FROM repos", "--to", "a.unknown"), "says no form"),
        (("FROM repos", "-f", "q.sql"), "two statements"),
        (("-f", "nowhere.sql"), "cannot be read"),
        ((), "there is no statement"),
    ],
)
def test_what_does_not_fit_says_what_would(
    orders_once: Shell, inside: Inside, words: tuple[str, ...], said: str
) -> None:
    ran = inside(orders_once, "query", *words)
    assert ran.code != 0
    assert said in ran.sentence


def test_an_answer_that_fails_leaves_the_file_as_it_was(orders_once: Shell, inside: Inside, tmp_path: Path) -> None:
    file = tmp_path / "kept.csv"
    file.write_text("before")
    assert inside(orders_once, "query", "SELECT nothing FROM repos", "--to", str(file)).code == 2
    assert file.read_text() == "before"
    assert os.listdir(tmp_path) == ["kept.csv"]
    assert inside(orders_once, "query", "FROM repos", "--to", str(tmp_path / "no" / "a.csv")).code != 0


def test_a_statement_may_come_from_a_file(orders_once: Shell, inside: Inside, tmp_path: Path) -> None:
    file = tmp_path / "q.sql"
    file.write_text("-- which\nSELECT name\nFROM repos;\n")
    assert inside(orders_once, "query", "-f", str(file), "--format", "csv").out == "name\norders\n"
    file.write_bytes(b"SELECT '\xff'")
    assert "no UTF-8" in inside(orders_once, "query", "-f", str(file)).sentence
    assert orders_once("query", "-f", "-", "--format", "csv", stdin="SELECT name FROM repos").out == "name\norders\n"


LONG = "SELECT range AS n FROM range(200)"


def test_a_long_answer_on_a_terminal_goes_through_the_pager(orders_once: Shell) -> None:
    with terminal(orders_once, "query", LONG, lines=20, PAGER="sed s/^/paged:/") as screen:
        assert screen.end() == 0
        assert "paged:199" in screen.drawn.replace(" ", "")


def test_a_short_answer_and_one_without_a_pager_are_written_plainly(orders_once: Shell) -> None:
    for words in (("query", "SELECT 1 AS n"), ("query", LONG, "--no-pager")):
        with terminal(orders_once, *words, lines=20, PAGER="sed s/^/paged:/") as screen:
            assert screen.end() == 0
            assert "paged:" not in screen.drawn
    with terminal(orders_once, "query", LONG, lines=20, PAGER="") as screen:
        assert screen.end() == 0
        assert "199" in screen.drawn


def test_columns_are_not_written_to_a_terminal(orders_once: Shell) -> None:
    with terminal(orders_once, "query", LONG, "--format", "parquet") as screen:
        assert screen.end() == 2
        assert "not for a terminal" in screen.drawn


def test_a_table_on_a_terminal_is_no_wider_than_it(orders_once: Shell) -> None:
    with terminal(orders_once, "query", "SELECT repeat('wide ', 60) AS a, 1 AS b", columns=60) as screen:
        assert screen.end() == 0
        assert all(len(line) <= 60 for line in screen.drawn.splitlines())
        assert screen.drawn.count("wide") == 60
