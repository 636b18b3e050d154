"""`datamon index push` and `datamon query --engine`, on a real PostgreSQL."""

import pytest

from datamon.cli.testing import Shell
from datamon.query.testing.postgres import postgres_server, programs


@pytest.mark.skipif(programs() is None, reason="needs PostgreSQL (Debian: apt-get install postgresql)")
def test_what_was_pushed_is_asked_in_the_database(shell: Shell) -> None:
    with postgres_server() as url:
        assert shell("repo", "create", "--repo", "raw", "--description", "d").code == 0
        first = shell("index", "push", url)
        assert first.code == 0, first
        assert first.out.startswith("Pushed ")
        assert shell("index", "push", url).out == "Nothing is new since the last push\n"
        asked = shell("query", "--engine", url, "SELECT name FROM repos", "--format", "jsonl")
        assert asked.out == '{"name": "raw"}\n', asked
        away = shell("query", "--engine", url, "--schema", "other", "FROM repos")
        assert away.code != 0
        assert "datamon index push" in away.err


def test_explain_prints_another_dialects_sql_and_says_that_it_was_not_run(shell: Shell) -> None:
    ran = shell("query", "EXPLAIN SELECT count(*) FROM STALE", "--dialect", "snowflake", "--format", "csv")
    assert ran.code == 0, ran
    assert "-- not run: of the SQL for snowflake" in ran.out


@pytest.mark.parametrize("words", [("--engine", "mysql://h/d"), ("--dialect", "oracle")])
def test_an_engine_or_a_dialect_that_there_is_not_is_told(shell: Shell, words: tuple[str, str]) -> None:
    ran = shell("query", "FROM runs", *words)
    assert ran.code != 0
    assert "postgres" in ran.err
