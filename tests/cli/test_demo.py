"""`datamon demo` tells its story to the end, checks its own answers, and leaves the person's store alone."""

from datamon.cli.testing import Shell


def test_the_demo_ends_with_nothing_stale_and_touches_nothing_of_the_persons(shell: Shell) -> None:
    ran = shell("demo")
    assert ran.code == 0, ran.err
    assert ran.err == ""
    *_, question, heading, rule, said = ran.lines
    assert question == '$ datamon query "WHAT IS STALE"'
    assert heading.split()[:3] == ["output", "ref", "cause"]
    assert set(rule) == {"─", " "}
    assert said == "nothing is stale"
    assert ran.out.count("recorded run") == 6
    assert "input " in ran.out
    assert "upstream " in ran.out
    assert list(shell.home.iterdir()) == []
    assert list(shell.cwd.iterdir()) == []


def test_a_directory_that_is_asked_for_keeps_what_the_demo_made(shell: Shell) -> None:
    (shell.cwd / "full").mkdir()
    (shell.cwd / "full" / "mine").write_text("x")
    refused = shell("demo", "--directory", "full")
    assert refused.code == 5
    assert "full" in refused.sentence
    assert [path.name for path in (shell.cwd / "full").iterdir()] == ["mine"]
