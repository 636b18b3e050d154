"""The prompt of `datamon query`, in a real terminal: typed at, completed, interrupted, remembered."""

from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.cli.query_history import MOST, add_to_history, is_kept, read_history
from datamon.cli.testing import Ran, Shell
from datamon.cli.testing_terminal import CTRL_C, CTRL_D, ENTER, TAB, UP, terminal
from datamon.lineage.secrets import DEFAULT_NAMES, Redactor

Inside = Callable[..., Ran]
LEAVE = f"\\q{ENTER}"


def history_file(shell: Shell) -> Path:
    """Where the prompt of this person keeps what was typed."""
    [found] = shell.home.rglob("query-history")
    return found


def test_statements_are_answered_one_after_the_other_until_the_person_leaves(orders: Shell) -> None:
    with terminal(orders, "query") as screen:
        screen.until("datamon>")
        screen.type(f"SELECT name FROM repos;{ENTER}")
        screen.until("orders")
        screen.until("datamon>")
        screen.type(f"SELECT 40 + 2 AS answer;{ENTER}")
        screen.until("42")
        screen.until("datamon>")
        screen.type(CTRL_D)
        assert screen.end() == 0


def test_a_statement_may_have_several_lines_and_ends_at_an_empty_one(orders: Shell) -> None:
    with terminal(orders, "query") as screen:
        screen.until("datamon>")
        screen.type(f"SELECT 'one' || 'two'{ENTER}")
        screen.until("...>")
        screen.type(f"AS word{ENTER}")
        screen.until("...>")
        screen.type(ENTER)
        screen.until("onetwo")
        screen.until("datamon>")
        screen.type(f"\\q{ENTER}")
        assert screen.end() == 0


def test_an_error_points_at_its_place_and_ends_nothing(orders: Shell) -> None:
    with terminal(orders, "query") as screen:
        screen.until("datamon>")
        screen.type(f"SELECT nam FROM repos;{ENTER}")
        screen.until("did you mean name?")
        screen.until("^^^")
        screen.until("datamon>")
        screen.type(f"SELECT 6 * 7 AS n;{ENTER}")
        screen.until("42")
        screen.until("datamon>")
        screen.type(f"quit{ENTER}")
        assert screen.end() == 0


def test_ctrl_c_clears_what_is_typed_and_stops_a_question_that_runs(orders: Shell) -> None:
    with terminal(orders, "query") as screen:
        screen.until("datamon>")
        screen.type("SELECT half of")
        screen.until("half of")
        screen.type(CTRL_C)
        screen.until("datamon>")
        screen.type(f"SELECT count(*) AS endless FROM range(100000000000) a, range(100000) b;{ENTER}")
        screen.until("range(100000) b;")
        screen.until_busy()
        screen.type(CTRL_C)
        screen.type(f"SELECT 6 * 7 AS n;{ENTER}")
        screen.until("42")
        screen.until("datamon>")
        screen.type(LEAVE)
        assert screen.end() == 0
        assert "after 60 seconds" not in screen.drawn, "it was not Ctrl-C that stopped it"


def test_tab_completes_words_and_names_of_the_store(orders: Shell) -> None:
    with terminal(orders, "query") as screen:
        screen.until("datamon>")
        screen.type(f"UPSTREAM OF 'ord{TAB}")
        screen.until("orders")
        screen.type(CTRL_C)
        screen.until("datamon>")
        screen.type(f"WHAT PROD{TAB}")
        screen.until("PRODUCED")
        screen.type(CTRL_C)
        screen.type(LEAVE)
        assert screen.end() == 0


def test_every_answer_has_what_is_newest(orders: Shell, inside: Inside) -> None:
    with terminal(orders, "query") as screen:
        screen.until("datamon>")
        screen.type(f"SELECT count(*) || ' repos' AS n FROM repos;{ENTER}")
        screen.until("1 repos")
        screen.until("datamon>")
        inside(orders, "repo", "create", "--repo", "more", "--description", "d").good()
        screen.type(f"SELECT count(*) || ' repos' AS n FROM repos;{ENTER}")
        screen.until("2 repos")
        screen.until("datamon>")
        screen.type(LEAVE)
        assert screen.end() == 0


def test_what_was_typed_is_there_the_next_time_and_no_secret_is_kept(orders: Shell) -> None:
    with terminal(orders, "query") as screen:
        screen.until("datamon>")
        for text in ("SELECT 1 AS first;", " SELECT 2 AS hidden;", "\\set password=hunter2", "\\set"):
            screen.type(text + ENTER)
        screen.until("$password has a value")
        screen.type(LEAVE)
        assert screen.end() == 0
    assert read_history(history_file(orders)) == ["SELECT 1 AS first;"]
    assert history_file(orders).stat().st_mode & 0o777 == 0o600
    with terminal(orders, "query") as screen:
        screen.until("datamon>")
        screen.type(UP)
        screen.until("SELECT 1 AS first;")
        screen.type(CTRL_C)
        screen.type(LEAVE)
        assert screen.end() == 0


def test_words_to_the_prompt_set_values_and_the_form_and_tell_what_there_is(orders: Shell) -> None:
    with terminal(orders, "query", "--param", "a=1") as screen:
        screen.until("datamon>")
        screen.type(f"\\?{ENTER}")
        screen.until("DESCRIBE runs;")
        screen.until("datamon>")
        screen.type(f"\\set b=two{ENTER}")
        screen.until("datamon>")
        screen.type(f"\\format csv{ENTER}")
        screen.until("datamon>")
        screen.type(f"SELECT $a || $b AS both;{ENTER}")
        screen.until("1two")
        screen.until("datamon>")
        screen.type(f"\\format parquet{ENTER}")
        screen.until("no form for a terminal")
        screen.until("datamon>")
        screen.type(f"\\what{ENTER}")
        screen.until("no word of the prompt")
        screen.until("datamon>")
        screen.type(LEAVE)
        assert screen.end() == 0


def test_without_a_terminal_there_is_no_prompt(orders: Shell) -> None:
    ran = orders("query", stdin="SELECT 1;\n")
    assert ran.code == 2
    assert "--file FILE" in ran.sentence


def test_a_history_forgets_the_oldest_and_survives_what_is_no_history(tmp_path: Path) -> None:
    file = tmp_path / "state" / "history"
    for number in range(2 * MOST + 5):
        add_to_history(file, f"SELECT {number}")
    kept = read_history(file)
    assert kept[-1] == f"SELECT {2 * MOST + 4}"
    assert len(kept) <= MOST
    assert len(file.read_bytes().splitlines()) <= 2 * MOST
    file.write_bytes(b'\xff\n"SELECT 1"\nnothing\n7\n')
    assert read_history(file) in ([], ["SELECT 1"])
    add_to_history(file / "below", "SELECT 1")


@pytest.mark.parametrize(
    ("statement", "kept"),
    [
        ("SELECT 1", True),
        (" SELECT 1", False),
        ("", False),
        ("\\set a=b", False),
        ("SELECT 'hunter2'", False),
        ("SELECT * FROM params WHERE name = 'api_key=abcdef'", False),
    ],
)
def test_a_statement_that_could_hold_a_secret_is_not_kept(statement: str, kept: bool) -> None:
    assert is_kept(statement, Redactor(DEFAULT_NAMES, ("hunter2",))) is kept
