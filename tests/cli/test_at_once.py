"""An everyday question is answered at once, as the whole program answers it, and only while everything is as it was."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.cli.testing import PROGRAM, Ran, Shell

QUESTIONS = (
    "WHAT PRODUCED 'report'",
    "WHAT USED 'orders'",
    "UPSTREAM OF 'report'",
    "UPSTREAM OF 'report@main' AT run",
    "DOWNSTREAM OF 'orders' WITHIN 2",
    "SELECT count(*) FROM UPSTREAM OF 'report'",
    "UPSTREAM OF step 'sum'",
    "WHAT IS STALE",
    "SELECT count(*) FROM STALE",
    "WHY IS 'report' STALE",
)
AT_ONCE = """
import sys
from datamon.cli.at_once import at_once
code = at_once(sys.argv[1:])
print(sorted({'re', 'json', 'typing', 'dataclasses', 'pathlib', 'inspect', 'duckdb', 'pydantic', 'typer'} & sys.modules.keys()))
sys.exit(3 if code is None else code)
"""


@pytest.fixture
def told(orders: Shell) -> Shell:
    """A store in which a step made one bundle of another, after a first question."""
    return _told(orders)


@pytest.fixture(scope="module")
def told_once(tmp_path_factory: pytest.TempPathFactory, orders_once: Shell) -> Shell:
    """The same for every test: for questions, which change nothing."""
    place = tmp_path_factory.mktemp("told")
    shutil.copytree(orders_once.home.parent, place, dirs_exist_ok=True)
    return _told(Shell(place / "home", place / "work", orders_once.variables))


def _told(orders: Shell) -> Shell:
    record = ("run", "record", "--step", "sum", "--input", "orders=in", "--output", "report=out", "--")
    orders.well("repo", "create", "--repo", "report", "--description", "counts")
    assert orders(*record, "sh", "-c", "mkdir -p out && cat in/* | wc -l > out/lines").code == 0
    orders("query", QUESTIONS[0])
    orders("query", QUESTIONS[-1])
    return orders


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


@pytest.mark.parametrize("form", [(), ("--format", "csv"), ("--format", "table")])
@pytest.mark.parametrize("text", QUESTIONS)
def test_the_answer_is_that_of_the_whole_program(told_once: Shell, text: str, form: tuple[str, ...]) -> None:
    quick = at_once(told_once, text, *form)
    whole = told_once("query", *form, "--pager", text)  # an option that only the whole program has
    assert (quick.code, quick.out.splitlines()[-1]) == (0, "[]"), "it loads nothing that is slow to load"
    assert (quick.out.removesuffix("[]\n"), quick.err) == (whole.out, whole.err)


def test_a_table_is_fitted_to_the_terminal(told: Shell) -> None:
    narrow = Shell(told.home, told.cwd, {**told.variables, "COLUMNS": "60"})
    quick, whole = at_once(narrow, QUESTIONS[0]), narrow("query", "--pager", QUESTIONS[0])
    assert quick.code == 0
    assert quick.out.splitlines()[:-1] == whole.out.splitlines()


def _record(shell: Shell) -> None:
    assert shell("run", "record", "--step", "other", "--", "true").code == 0


def _configure(shell: Shell) -> None:
    (shell.home / ".datamon" / "datamon.yaml").write_text("name: Bob\n")


def _leave_open(shell: Shell) -> None:
    marks = shell.home / ".datamon" / "store" / "open"
    marks.mkdir(exist_ok=True)
    (marks / ("0" * 27)).write_text("{}")


def _replace(shell: Shell) -> None:
    record = shell.home / ".datamon" / "store" / "store.json"
    content = record.read_bytes()
    record.unlink()
    record.write_bytes(content)


def _forget(shell: Shell) -> None:
    (shell.home / ".datamon" / "state" / "at-once").write_text("at-once\t1\nnonsense")


def _delete_graph(shell: Shell) -> None:
    (current,) = (shell.home / ".datamon" / "state").rglob("CURRENT")
    current.unlink()


def _damage_graph(shell: Shell) -> None:
    (file,) = (shell.home / ".datamon" / "state").rglob("graph-*.sqlite")
    file.write_bytes(b"something else" * 1_000)


@pytest.mark.parametrize(
    "change",
    [_record, _configure, _leave_open, _replace, _forget, _delete_graph, _damage_graph],
    ids=lambda f: f.__name__,
)
def test_after_any_change_the_whole_program_answers(told: Shell, change: Callable[[Shell], None]) -> None:
    assert at_once(told, QUESTIONS[1]).code == 0
    change(told)
    assert at_once(told, QUESTIONS[1]).code == 3


def test_what_was_recorded_since_is_in_the_next_answer(told: Shell) -> None:
    before = told("query", QUESTIONS[1], "--format", "csv")
    assert told("run", "record", "--step", "again", "--input", "orders=in2", "--", "true").code == 0
    after = told("query", QUESTIONS[1], "--format", "csv")
    assert len(after.lines) == len(before.lines) + 1
    assert at_once(told, QUESTIONS[1]).code == 0, "the answer remembered what it found"


def test_other_variables_mean_another_store(told: Shell, tmp_path: Path) -> None:
    other = Shell(told.home, told.cwd, {**told.variables, "DATAMON_METADATA": str(tmp_path / "other")})
    assert at_once(other, QUESTIONS[1]).code == 3
    relative = Shell(
        told.home, told.cwd, {**told.variables, "DATAMON_METADATA": os.path.relpath(_store(told), told.cwd)}
    )
    relative("query", QUESTIONS[1])
    assert at_once(relative, QUESTIONS[1]).code == 0
    elsewhere = Shell(told.home, tmp_path, relative.variables)
    assert at_once(elsewhere, QUESTIONS[1]).code == 3, "a relative place is another one there"


def _store(shell: Shell) -> Path:
    return shell.home / ".datamon" / "store"


@pytest.mark.parametrize(
    "words",
    [
        ("UPSTREM OF 'report'",),
        ("UPSTREAM OF 'nothing'",),
        ("FROM runs",),
        (QUESTIONS[0], "--format", "json"),
        ("--help",),
    ],
)
def test_what_is_no_everyday_question_is_left_to_the_whole_program(told_once: Shell, words: tuple[str, ...]) -> None:
    assert at_once(told_once, *words).code == 3


def test_a_reader_that_goes_away_is_no_error(told: Shell) -> None:
    done = subprocess.run(
        [
            "bash",
            "-c",
            'set -o pipefail; "$@" | true; exit "${PIPESTATUS[0]}"',
            "bash",
            *PROGRAM,
            "query",
            QUESTIONS[2],
        ],
        cwd=told.cwd,
        env=told.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 141)
    assert "Traceback" not in done.stderr
