"""`datamon query`: rows on stdout, words on stderr, an error that points."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]


def test_rows_go_to_stdout_and_what_a_name_meant_to_stderr(orders: Shell, inside: Inside) -> None:
    ran = inside(orders, "query", "UPSTREAM OF 'orders'", "--format", "jsonl")
    (bundle,) = json.loads(inside(orders, "bundle", "get", "--repo", "orders", "--format", "json").out)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == f"'orders' is bundle {bundle['id']}\n"


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        ((), "name    entries\n──────  ───────\norders        2\n"),
        (("--format", "json"), '[\n  {"name": "orders", "entries": 2}\n]\n'),
        (("--format", "jsonl"), '{"name": "orders", "entries": 2}\n'),
        (("--format", "csv"), "name,entries\norders,2\n"),
    ],
)
def test_an_answer_has_every_form(orders: Shell, inside: Inside, form: tuple[str, ...], wanted: str) -> None:
    text = "SELECT r.name, b.entries FROM repos r JOIN bundles b ON b.repo = r.name WHERE r.name = $name"
    ran = inside(orders, "query", text, "--param", "name=orders", *form)
    assert ran == Ran(0, wanted, "")


def test_a_statement_may_come_from_standard_input(orders: Shell) -> None:
    assert orders("query", "-", "--format", "csv", stdin="SELECT name\nFROM repos\n") == Ran(0, "name\norders\n", "")


def test_an_error_points_at_line_and_column(orders_once: Shell, inside: Inside) -> None:
    ran = inside(orders_once, "query", "SELECT name\nFROM repo")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: line 2, column 6: there is no relation 'repo'; did you mean repos?\n  FROM repo\n       ^^^^\n"
    )


def test_a_statement_that_would_write_or_read_files_is_refused(orders_once: Shell, inside: Inside) -> None:
    for text in ("DROP TABLE runs", "SELECT * FROM read_csv('/etc/passwd')", "COPY runs TO 'x'"):
        assert inside(orders_once, "query", text).code == 6, text


def test_a_wrong_param_is_refused(orders_once: Shell, inside: Inside) -> None:
    for words in (("--param", "x"), ("--param", "=1"), ("--param", "a=1", "--param", "a=2")):
        ran = inside(orders_once, "query", "SELECT $a", *words)
        assert ran.code == 2
        assert ran.sentence.startswith("--param ")


def test_an_answer_that_no_one_reads_to_the_end_is_no_error(orders: Shell) -> None:
    ran = orders(
        "query", "SELECT * FROM range(200000)", "--format", "jsonl", prefix=("sh", "-c", '"$@" | head -n 1', "sh")
    )
    assert ran == Ran(0, '{"range": 0}\n', "")


QUICK = (
    "WHAT PRODUCED 'orders@init'",
    "WHAT USED 'orders'",
    "UPSTREAM OF 'orders'",
    "DOWNSTREAM OF 'orders' WITHIN 2",
    "UPSTREAM OF 'nothing'",
    "UPSTREM OF 'orders'",
    "FROM repos",
    "WHAT IS STALE",
    "GRAPH UPSTREAM OF 'orders'",
)


@pytest.mark.parametrize("form", [(), ("--format", "json"), ("--format", "csv")])
@pytest.mark.parametrize("text", QUICK)
def test_a_question_gets_the_same_bytes_by_its_table_and_by_typer(
    orders_once: Shell, inside: Inside, text: str, form: tuple[str, ...]
) -> None:
    by_table = inside(orders_once, "query", text, *form)
    by_typer = inside(orders_once, "query", *form, "--pager", text)  # an option that the table has not
    assert by_table == by_typer


def test_a_quick_answer_loads_neither_the_engine_nor_what_builds_command_lines(orders_once: Shell) -> None:
    program = (
        "import sys; from datamon.cli.main import main; main(sys.argv[1:]); "
        "print([name for name in "
        "('duckdb', '_duckdb', 'sqlglot', 'pydantic', 'typer', 'rich', 'networkx', 'pyarrow', 'numpy', 'yaml')"
        " if name in sys.modules])"
    )
    orders_once("query", "UPSTREAM OF 'orders'")
    for text in QUICK[1:4]:
        done = subprocess.run(
            [sys.executable, "-c", program, "query", text],
            cwd=orders_once.cwd,
            env=orders_once.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == "[]", done.stdout


def test_ctrl_c_ends_a_statement_that_computes(orders_once: Shell) -> None:
    endless = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t"
    running = orders_once.start("query", endless)
    with running:
        deadline = time.monotonic() + 120
        while psutil.Process(running.pid).num_threads() < 3 and time.monotonic() < deadline:
            time.sleep(0.02)  # the engine computes in threads of its own
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "stopped by Ctrl-C" in err
