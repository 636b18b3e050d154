"""What the program does around its commands: help, wrong words, unforeseen errors, pipes, start-up."""

import subprocess
import sys

import pytest

from datamon import __version__
from datamon.cli import edge as program
from datamon.cli.commands import WORDS, words
from datamon.cli.testing import PROGRAM, Shell
from datamon.errors import EXIT_CODES

BUILDERS = ("typer", "pydantic")
"""What builds and checks a command line and a configuration, which a plain recording does without."""
HEAVY = ("duckdb", "pyarrow", "sqlglot", "networkx", "google", "rich", "numpy", "zstandard", "cryptography")


def test_the_version_help_and_recording_load_nothing_heavy(shell: Shell) -> None:
    report = (
        "import sys; from datamon.cli.main import main; code = main(sys.argv[1:]);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], code)"
    )
    for line in (["version"], ["--version"], ["--help"], ["config", "--help"], ["completion", "bash"]):
        done = subprocess.run(
            [sys.executable, "-P", "-c", report, *line],
            env=shell.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == "[] 0", line
    recorded = ["run", "record", "--param", "k=v", "--", "true"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", report.replace(repr(HEAVY), repr(HEAVY + BUILDERS)), *recorded],
        env=shell.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[] 0"
    assert shell.well("version").out == f"datamon {__version__}\n"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("verion", "there is no command `datamon verion`; did you mean `datamon version`? see `datamon --help`"),
        (
            "bundle lost",
            "there is no command `datamon bundle lost`; did you mean `datamon bundle list`? see `datamon bundle --help`",
        ),
        (
            "config create --emial x",
            "there is no option --emial; did you mean --email? see `datamon config create --help`",
        ),
        ("label set --repo r", "missing option '--label'; see `datamon label set --help`"),
        (
            "repo list --format xml",
            "invalid value for '--format': 'xml' is not one of 'table', 'json', 'jsonl', 'csv'; see `datamon repo list --help`",
        ),
        ("repo list extra", "got unexpected extra argument(s) (extra); see `datamon repo list --help`"),
        ("repo list --context", "option '--context' requires an argument; see `datamon --help`"),
    ],
)
def test_a_wrong_line_gets_one_sentence_with_the_nearest_word(
    line: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(line.split()) == 2
    assert capsys.readouterr() == ("", f"error: {sentence}\n")


@pytest.mark.parametrize("word", [word.name for word in words()])
def test_every_word_has_help_with_an_example(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main([word, "--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:")[2].splitlines()
    names = [text[2:].split("  ")[0] for text in listed if text.startswith("  ") and text[2] != " "]
    for name in names:
        assert program.main([word, *name.split(), "--help"]) == 0
        shown = capsys.readouterr().out
        spoken = "session" if word == "diamond" else word  # the older name shows the examples of the newer
        assert f"\n    datamon {spoken} {name}" in shown, (word, name)
        assert "Example" in shown


def test_a_word_alone_shows_its_help_and_the_program_alone_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main([]) == 0
    assert capsys.readouterr().out.startswith("Usage: datamon [OPTIONS] COMMAND")
    assert program.main(["repo"]) == 2
    assert capsys.readouterr().err.startswith("Usage: datamon repo [OPTIONS] COMMAND")


def test_an_unforeseen_error_is_one_line_and_a_traceback_on_request(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_: list[str]) -> int:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(program, "_run", breaks)
    monkeypatch.delenv("DATAMON_DEBUG", raising=False)
    assert program.main(["version"]) == EXIT_CODES[None][0]
    line = capsys.readouterr().err
    assert line.startswith("error: datamon failed without foreseeing it (ZeroDivisionError: by zero at test_main.py:")
    assert line.count("\n") == 1
    monkeypatch.setenv("DATAMON_DEBUG", "1")
    assert program.main(["version"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_reader_that_stops_listening_is_no_error(shell: Shell) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"{' '.join(PROGRAM)} completion bash; echo code $? >&2"],
        stdout=_closed_pipe(),
        env=shell.environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.stderr == f"code {program.BROKEN_PIPE_EXIT}\n"


def test_a_full_output_is_one_sentence(shell: Shell) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*PROGRAM, "version"], stdout=full, stderr=subprocess.PIPE, env=shell.environment, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (7, "error: no room is left for the output; make room and try again\n")


def test_a_working_directory_that_is_gone_is_told(shell: Shell) -> None:
    gone = shell.cwd / "gone"
    gone.mkdir()
    asked = Shell(shell.home, gone, shell.variables)
    line = ("sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh")
    ran = asked("query", "SELECT 1", prefix=line)
    assert (ran.code, ran.sentence) == (4, "the working directory is not there any more; go to another one")
    gone.mkdir()
    assert asked("repo", "list", prefix=line).code == 0


def test_completion_scripts_come_for_each_shell_and_a_shell_is_answered(shell: Shell) -> None:
    for name in ("bash", "zsh", "fish"):
        assert "_DATAMON_COMPLETE" in shell.well("completion", name).out
    asking = shell.having(_DATAMON_COMPLETE="complete_bash", COMP_WORDS="datamon ver", COMP_CWORD="1")
    assert asking.well().out.split() == ["version"]
    asking = shell.having(_DATAMON_COMPLETE="complete_bash", COMP_WORDS="datamon config create --e", COMP_CWORD="3")
    assert asking.well().out.split() == ["--email"]


def test_a_shell_is_told_the_names_that_the_store_has(orders: Shell) -> None:
    for line, wanted in (("bundle list --repo or", "orders"), ("bundle get --repo orders --label i", "init")):
        words = f"datamon {line}"
        asking = orders.having(
            _DATAMON_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1)
        )
        assert asking.well().out.split() == [wanted]


def test_asking_for_completions_makes_no_store(shell: Shell) -> None:
    words = "datamon bundle list --repo x"
    asking = shell.having(_DATAMON_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD="4")
    assert asking.well().out.split() == []
    assert list(shell.home.iterdir()) == []


def _closed_pipe() -> int:
    import os

    reading, writing = os.pipe()
    os.close(reading)
    return writing


def test_every_word_is_there_once() -> None:
    names = [word.name for word in WORDS]
    assert sorted(set(names)) == sorted(names)
