"""`datamon run record --trace`: what is told at the end, what can be asked, and what makes a watched run stale."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]
needs_seccomp = pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and cc")
RECORD = ("run", "record", "--trace", "auto", "--input", "raw=in", "--output", "made=out", "--", "sh", "-c")


@pytest.fixture
def desk(shell: Shell, inside: Inside) -> Shell:
    """A person with the repos `raw` (files a and b), `side` (k, also in the directory `filled`) and `made`."""
    for repo, files in (("raw", "ab"), ("side", "k"), ("made", "")):
        assert inside(shell, "repo", "create", "--repo", repo).code == 0
        if files:
            upload(shell, inside, repo, **{name: name for name in files})
    assert inside(shell, "run", "record", "--input", "side=filled", "--", "true").code == 0
    return shell


def upload(shell: Shell, inside: Inside, repo: str, **files: str) -> None:
    folder = shell.cwd.parent / f"of-{repo}"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    assert inside(shell, "bundle", "upload", "--repo", repo, "--path", str(folder), "--message", "m").code == 0


def rows(shell: Shell, inside: Inside, question: str) -> list[dict[str, object]]:
    ran = inside(shell, "query", question, "--format", "json")
    assert ran.code == 0, ran
    found: list[dict[str, object]] = json.loads(ran.out)
    return found


@needs_seccomp
def test_what_nobody_declared_is_told_at_the_end_and_can_be_asked(desk: Shell, inside: Inside) -> None:
    (desk.cwd / "extra").write_text("e")
    ran = inside(desk, *RECORD, "cat in/a in/none extra filled/k > out/z 2>/dev/null; true")
    assert ran.code == 0
    extra = str((desk.cwd / "extra").resolve())
    told = ran.err.splitlines()
    assert f"read 1 file that no input declares: {extra}" in told
    assert any(
        "in filled, which no input declares" in line or "filled, which no input declares" in line for line in told
    )
    asked = rows(desk, inside, "SELECT kind, role, path FROM accesses ORDER BY kind, path")
    assert [tuple(row.values()) for row in asked] == [
        ("absent", "raw", "none"),
        ("read", "raw", "a"),
        ("read", "side", "k"),
        ("undeclared", None, extra),
    ]
    found = rows(desk, inside, "SELECT role, repo, how FROM inputs WHERE how = 'observed'")
    assert found == [{"role": "side", "repo": "side", "how": "observed"}]
    [capture] = rows(desk, inside, "FROM captures")
    assert (capture["method"], capture["whole"], capture["undeclared"]) == ("seccomp", True, 1)


@needs_seccomp
def test_lineage_by_file_is_what_a_watched_run_opened(desk: Shell, inside: Inside) -> None:
    assert inside(desk, *RECORD, "ls in > /dev/null; cat in/a filled/k > out/z").code == 0
    above = rows(desk, inside, "SELECT name, how FROM UPSTREAM OF 'made' AT file ORDER BY name")
    assert [tuple(row.values()) for row in above] == [("raw@main:a", "observed"), ("side@main:k", "observed")]
    assert rows(desk, inside, "DOWNSTREAM OF file 'raw:b' AT file") == []
    below = rows(desk, inside, "DOWNSTREAM OF file 'side:k' AT file")
    assert [(row["name"], row["depth"]) for row in below] == [("made@main:z", 1)]
    declared = rows(desk, inside, "SELECT name FROM UPSTREAM OF 'made' AT file USING declared ORDER BY name")
    assert [row["name"] for row in declared] == ["raw@main:a", "raw@main:b"]
    part = ("run", "record", "--trace", "auto", "--input", "raw:a=only", "--output", "made=out", "--", "sh", "-c")
    assert inside(desk, *part, "cat only/a > out/z").code == 0
    assert [row["name"] for row in rows(desk, inside, "WHAT USED file 'raw:b'")] == []
    assert [row["how"] for row in rows(desk, inside, "WHAT USED file 'raw:a'")] == ["observed", "observed"]


@needs_seccomp
def test_a_change_of_a_file_that_was_not_read_makes_nothing_stale(desk: Shell, inside: Inside) -> None:
    assert inside(desk, *RECORD, "cat in/a in/none > out/z 2>/dev/null; true").code == 0
    upload(desk, inside, "raw", b="other")
    assert rows(desk, inside, "STALE") == []
    upload(desk, inside, "raw", none="here now")
    assert [(row["cause"], row["subject"]) for row in rows(desk, inside, "STALE")] == [("appeared", "raw@main:none")]
    upload(desk, inside, "raw", a="other")
    causes = [(row["cause"], row["subject"]) for row in rows(desk, inside, "STALE")]
    assert causes == [("input", "raw@main:a"), ("appeared", "raw@main:none")]


@needs_seccomp
def test_a_directory_that_was_listed_counts_with_all_that_is_in_it(desk: Shell, inside: Inside) -> None:
    assert inside(desk, *RECORD, "ls in > out/z").code == 0
    upload(desk, inside, "raw", c="new")
    assert [row["cause"] for row in rows(desk, inside, "STALE")] == ["input"]


def test_a_run_that_only_audit_events_watched_is_stale_as_one_that_was_not_watched(desk: Shell, inside: Inside) -> None:
    words = [*RECORD[:3], "audit", *RECORD[4:-2], sys.executable, "-c"]
    assert inside(desk, *words, "open('out/z', 'w').write(open('in/a').read())").code == 0
    upload(desk, inside, "raw", b="other")
    assert [row["cause"] for row in rows(desk, inside, "STALE")] == ["input"]
    [capture] = rows(desk, inside, "FROM captures")
    assert (capture["method"], capture["whole"], capture["reads"]) == ("audit", False, capture["reads"])


def test_without_a_compiler_and_strace_auto_still_watches_python_and_says_so(desk: Shell, inside: Inside) -> None:
    empty = desk.cwd.parent / "empty"
    empty.mkdir()
    bare = Shell(desk.home, desk.cwd, {**desk.variables, "PATH": str(empty)})
    words = [*RECORD[:-2], sys.executable, "-c", "open('out/z', 'w').write(open('in/a').read())"]
    ran = bare(*words)
    assert ran.code == 0
    assert "the files of this run are watched by audit: seccomp does not work here" in ran.err
    refused = bare(*[word if word != "auto" else "seccomp" for word in words])
    assert refused.code != 0
    assert "--trace auto" in refused.sentence


def test_a_command_that_cannot_be_started_fails_as_it_does_unwatched(desk: Shell, inside: Inside) -> None:
    ran = inside(desk, "run", "record", "--trace", "auto", "--", "no-such-program")
    assert ran.code == 127
    assert "'no-such-program' could not be started" in ran.err


@needs_seccomp
def test_a_secret_in_a_path_is_not_recorded(desk: Shell, inside: Inside) -> None:
    secret = "hunter2hunter2"
    (desk.cwd / f"f-{secret}").write_text("x")
    known = Shell(desk.home, desk.cwd, {**desk.variables, "DB_PASSWORD": secret})
    ran = known(*RECORD, f"cat f-$DB_PASSWORD in/a > out/z; echo {Path('x')}")
    assert ran.code == 0
    assert secret not in "".join(str(row) for row in rows(desk, inside, "FROM accesses"))
    for path in (desk.home / ".datamon" / "store" / "journal").rglob("*"):
        assert secret not in path.read_text(errors="replace")
