"""What a run reads through mounts is recorded, file by file."""

import json
import os
import sys
from pathlib import Path

import psutil
import pytest

from datamon.cli.testing import Shell
from datamon.cli.testing_mount import need_fuse, until
from datamon.errors import EXIT_CODES, Conflict, Unavailable
from datamon.store.mount.mounts import mounted_at
from datamon.store.testing.contents import random_bytes

MANY = 600
"""What is said of so many is more than a pipe holds."""
READS = "SELECT role, path, kind FROM accesses ORDER BY ALL"


@pytest.fixture(autouse=True)
def _kernel() -> None:
    need_fuse()


def rows(person: Shell, statement: str) -> list[tuple[object, ...]]:
    """The answer's rows."""
    told = person.well("query", statement, "--format", "jsonl").lines
    return [tuple(json.loads(line).values()) for line in told]


def recorded(person: Shell, *words: str) -> int:
    """The exit code of a command that was recorded."""
    ran = person("run", "record", *words)
    assert "recorded run" in ran.err, ran
    return ran.code


def test_an_input_is_shown_by_a_mount_and_what_was_read_of_it_is_recorded(orders: Shell) -> None:
    script = "cat in/a.csv > out/a && ls in/nothing; touch in/new; test -f in/b.csv"
    words = ("--mount", "--input", "orders=in", "--output", "copies=out", "--", "sh", "-c", script)
    orders.well("repo", "create", "--repo", "copies", "--description", "d")
    (orders.cwd / "out").mkdir()
    assert recorded(orders, *words) == 0
    assert rows(orders, READS) == [
        ("orders", "a.csv", "read"),
        ("orders", "new", "absent"),
        ("orders", "nothing", "absent"),
    ]
    assert rows(orders, "SELECT how, changed FROM inputs") == [("declared", [])]
    assert os.listdir(orders.cwd / "in") == []
    assert mounted_at(orders.cwd / "in") is None
    assert rows(orders, "SELECT count(*) AS n FROM outputs WHERE repo = 'copies'") == [(1,)]


def test_a_part_of_a_bundle_is_shown_and_its_paths_are_the_parts(orders: Shell) -> None:
    (orders.cwd / "deep" / "sub").mkdir(parents=True)
    (orders.cwd / "deep" / "sub" / "x").write_text("x")
    (orders.cwd / "deep" / "y").write_text("y")
    upload = ("bundle", "upload", "--repo", "orders", "--path", "deep", "--message", "m", "--label", "deep")
    assert orders(*upload).code == 0
    words = ("--mount", "--input", "orders@deep:sub=in", "--", "sh", "-c", "ls in && cat in/x && ! test -e in/y")
    assert recorded(orders, *words) == 0
    assert rows(orders, READS) == [("orders", "/", "read"), ("orders", "x", "read"), ("orders", "y", "absent")]


def test_a_command_that_fails_leaves_no_mount(orders: Shell) -> None:
    assert recorded(orders, "--mount", "--input", "orders=in", "--", "sh", "-c", "cat in/b.csv; exit 3") == 3
    assert mounted_at(orders.cwd / "in") is None
    assert rows(orders, READS) == [("orders", "b.csv", "read")]


def test_a_command_whose_input_goes_away_under_it_has_failed(orders: Shell) -> None:
    orders.well("repo", "create", "--repo", "copies", "--description", "d")
    away = f"pkill -KILL -f -- '[-]-mount {orders.cwd}/in ' && while mountpoint -q in; do sleep 0.01; done; ls in > out/names"
    words = ("--mount", "--input", "orders=in", "--output", "copies=out", "--", "sh", "-c", f"cat in/a.csv; {away}")
    ran = orders("run", "record", *words)
    assert ran.code == EXIT_CODES[Unavailable][0]
    assert "the mount at" in ran.sentence
    assert "record it again" in ran.sentence
    assert rows(orders, "SELECT status FROM runs") == [("failed",)]
    assert rows(orders, "SELECT count(*) AS n FROM bundles WHERE repo = 'copies'") == [(0,)]
    assert (orders.cwd / "out" / "names").read_text() == ""


def test_many_files_that_cannot_be_read_are_told_of_and_stop_nothing(orders: Shell) -> None:
    (orders.cwd / "many").mkdir()
    for number in range(MANY):
        (orders.cwd / "many" / f"{number:0200}").write_bytes(random_bytes(f"{number}", 3_000))
    upload = ("bundle", "upload", "--repo", "orders", "--path", "many", "--message", "m", "--label", "many")
    assert orders(*upload).code == 0
    pack = max((orders.home / ".datamon" / "store" / "packs").rglob("*-*"), key=lambda path: path.stat().st_size)
    spoilt = bytearray(pack.read_bytes())
    for place in range(100, len(spoilt) - 200, 1_000):
        spoilt[place] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(spoilt)
    script = "n=0; for f in in/*; do cat $f >/dev/null 2>&1 || n=$((n+1)); done; echo $n"
    ran = orders("run", "record", "--mount", "--input", "orders@many=in", "--", "sh", "-c", script)
    assert (ran.code, ran.out) == (0, f"{MANY}\n")
    assert f"{0:0200}' of the bundle" in ran.err
    assert f"and {MANY - 20} more like these\n" in ran.err


def test_a_part_that_is_no_directory_is_refused(orders: Shell) -> None:
    ran = orders("run", "record", "--mount", "--input", "orders:a.csv=in", "--", "touch", "ran")
    assert ran.code == EXIT_CODES[Unavailable][0]
    assert "'a.csv' is no directory" in ran.sentence
    assert not (orders.cwd / "ran").exists()


def test_a_recorder_that_is_killed_leaves_no_mount(orders: Shell) -> None:
    words = ("--mount", "--input", "orders=in", "--", "sh", "-c", "cat in/a.csv; exec sleep 60")
    with orders.start("run", "record", *words) as recorder:
        until(lambda: (orders.cwd / "in" / "b.csv").exists())
        started = psutil.Process(recorder.pid).children(recursive=True)
        recorder.kill()
        until(lambda: mounted_at(orders.cwd / "in") is None)
        _, living = psutil.wait_procs(started, timeout=30)
        assert living == []


def test_a_directory_that_holds_something_is_refused_before_the_command_runs(orders: Shell) -> None:
    ran = orders("run", "record", "--mount", "--input", "orders=tree", "--", "touch", "ran")
    assert ran.code == EXIT_CODES[Conflict][0]
    assert "is not empty" in ran.sentence
    assert not (orders.cwd / "ran").exists()
    assert rows(orders, "SELECT count(*) AS n FROM runs") == [(0,)]


def test_a_mount_made_inside_a_run_is_an_input_of_the_run(orders: Shell) -> None:
    (orders.cwd / "m").mkdir()
    script = (
        'datamon() { PYTHON -P -m datamon.cli.main "$@"; };'
        "datamon bundle mount --repo orders --label init --mount m --daemonize && cat m/b.csv && datamon mount unmount m"
    ).replace("PYTHON", sys.executable)
    assert recorded(orders, "--", "sh", "-c", script) == 0
    assert mounted_at(orders.cwd / "m") is None
    assert rows(orders, "SELECT repo, ref, ref_kind, how FROM inputs") == [("orders", "init", "label", "observed")]
    assert rows(orders, READS) == [("orders", "b.csv", "read")]
    assert Path(orders.cwd / "m").is_dir()


def test_what_is_read_of_a_mount_that_is_changed_inside_a_run_is_an_input_of_the_run(orders: Shell) -> None:
    (orders.cwd / "m").mkdir()
    mount = "datamon bundle mount new --repo orders --from init --mount m --message m --daemonize"
    script = (
        'datamon() { PYTHON -P -m datamon.cli.main "$@"; };'
        f"{mount} && cat m/b.csv && echo new > m/new && datamon mount unmount m"
    ).replace("PYTHON", sys.executable)
    assert recorded(orders, "--", "sh", "-c", script) == 0
    assert rows(orders, "SELECT repo, ref, how FROM inputs") == [("orders", "init", "observed")]
    assert rows(orders, READS) == [("orders", "b.csv", "read"), ("orders", "new", "absent")]
    until(lambda: rows(orders, "SELECT count(*) AS n FROM bundles WHERE repo = 'orders'") == [(2,)])
