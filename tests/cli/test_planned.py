"""A SELECT that was answered before is answered again without being read, as long as that is right."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from datamon.cli.testing import Ran, Shell

SELECTS = (
    "SELECT name FROM repos ORDER BY name",
    "FROM runs",
    "SELECT repo, count(*) AS bundles, max(time) AS newest FROM bundles GROUP BY repo ORDER BY repo",
    "SELECT [1, 2] AS some, {'a': 1} AS one, 1.50::DECIMAL(9, 2) AS price, NULL AS nothing, true AS yes",
    "SELECT now() > TIMESTAMPTZ '2020-01-01' AS later",
    "WITH a AS (SELECT 1 AS x) SELECT x, 'ü' AS y FROM a",
)
AT_ONCE = """
import sys
from datamon.cli.at_once import at_once
code = at_once(sys.argv[1:])
slow = {'typing', 'dataclasses', 'duckdb', 'sqlglot', 'pydantic', 'typer', 'rich', 'pyarrow', 'networkx'}
print(sorted(slow & sys.modules.keys()))
sys.exit(3 if code is None else code)
"""


def at_once(shell: Shell, *words: str) -> Ran:
    """Only what answers at once; code 3 when it does not."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", AT_ONCE, *words],
        cwd=shell.cwd,
        env=shell.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def plans(shell: Shell) -> list[Path]:
    """The files in which plans are kept."""
    return sorted((shell.home / ".datamon" / "state").rglob("plans/*"))


@pytest.mark.parametrize("form", ["table", "csv"])
@pytest.mark.parametrize("text", SELECTS)
def test_the_answer_is_that_of_the_whole_program(orders: Shell, text: str, form: str) -> None:
    whole = orders("query", text, "--format", form)
    assert whole.code == 0
    quick = at_once(orders, text, "--format", form)
    assert (quick.code, quick.out.splitlines()[-1].replace("'typing'", "").strip("[] ,")) == (0, "")
    assert (quick.out.rpartition("[")[0], quick.err) == (whole.out, whole.err)


def test_after_a_new_record_the_answer_is_new(orders: Shell) -> None:
    text = "SELECT count(*) AS runs FROM runs"
    assert orders("query", text, "--format", "csv").lines == ["runs", "0"]
    assert orders("run", "record", "--step", "s", "--", "true").code == 0
    assert at_once(orders, text).code == 3
    assert orders("query", text, "--format", "csv").lines == ["runs", "1"]
    orders.well("index", "refresh")
    assert at_once(orders, text, "--format", "csv").out.splitlines()[:2] == ["runs", "1"]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT name FROM UPSTREAM OF 'orders'",
        "SELECT count(*) FROM STALE WHERE cause = 'code'",
        "SELECT count(*) FROM files WHERE repo = 'orders'",
        "SELECT path FROM diff('orders', 'orders')",
        "EXPLAIN SELECT 1",
        "DESCRIBE runs",
    ],
)
def test_what_does_not_depend_on_its_text_alone_is_not_kept(orders: Shell, text: str) -> None:
    orders("query", text)
    assert plans(orders) == []
    assert at_once(orders, text).code == 3


def test_a_statement_with_values_and_one_that_fails_are_not_kept(orders: Shell) -> None:
    assert orders("query", "SELECT $n AS n", "--param", "n=1").code == 0
    assert orders("query", "SELECT nothing FROM runs").code != 0
    assert orders("query", "SELECT 1 // 0 AS x, error('no')").code != 0
    assert plans(orders) == []


@pytest.mark.parametrize("harm", ["cut", "other", "gone"])
def test_a_damaged_plan_is_made_again(orders: Shell, harm: str) -> None:
    text = SELECTS[0]
    orders("query", text)
    (plan,) = plans(orders)
    content = plan.read_bytes()
    plan.unlink()
    if harm != "gone":
        plan.write_bytes(content[: len(content) // 2] if harm == "cut" else content.replace(b"plan 1", b"plan 0"))
    assert at_once(orders, text).code == 3
    assert orders("query", text, "--format", "csv").lines == ["name", "orders"]
    assert at_once(orders, text).code == 0


def test_a_plan_of_one_name_for_another_statement_is_none(orders: Shell) -> None:
    orders("query", SELECTS[0])
    (plan,) = plans(orders)
    plan.write_bytes(plan.read_bytes().replace(SELECTS[0].encode(), b"SELECT something else"))
    assert at_once(orders, SELECTS[0]).code == 3


def test_no_more_than_so_many_plans_stay(orders: Shell) -> None:
    orders("query", SELECTS[0])
    (plan,) = plans(orders)
    for number in range(250):
        (plan.parent / f"{number:08x}-1").write_bytes(b"")
    orders("query", SELECTS[1])
    assert len(plans(orders)) <= 200


def test_ctrl_c_ends_a_planned_statement_and_does_not_begin_it_anew(orders: Shell) -> None:
    text = "SELECT sum((a.range * 7919 + b.range) % 1013) AS s FROM range(40000) a, range(10000) b"
    assert orders("query", text).code == 0
    assert len(plans(orders)) == 1
    running = orders.start("query", text)
    with running:
        deadline = time.monotonic() + 60
        while psutil.Process(running.pid).num_threads() < 3 and time.monotonic() < deadline:
            time.sleep(0.005)  # the engine computes in threads of its own
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=120)
    assert (running.returncode, out) == (130, "")
    assert "stopped by Ctrl-C" in err
