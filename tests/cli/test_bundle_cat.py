"""`datamon bundle cat` and `datamon bundle ls`: paths and globs, verified, in pipes, at Ctrl-C."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.cli.testing import PROGRAM, Ran, Shell
from datamon.store.testing.contents import random_bytes

Inside = Callable[..., Ran]
CAT = ("bundle", "cat", "--repo", "orders")
LS = ("bundle", "ls", "--repo", "orders")
LARGE = random_bytes("large", 20_000_000)


@pytest.fixture
def desk(orders: Shell, inside: Inside) -> Shell:
    """A person whose newest bundle of `orders` has files in several directories, one of them large."""
    for path in ("raw/2024/jan.csv", "raw/2024/feb.csv", "raw/2025/jan.csv", "raw/[x].csv"):
        (orders.cwd / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
        (orders.cwd / "tree" / path).write_text(f"{path}\n")
    (orders.cwd / "tree" / "large.bin").write_bytes(LARGE)
    (orders.cwd / "tree" / "link").symlink_to("raw/2024/jan.csv")
    ran = inside(orders, "bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "parts")
    assert ran.code == 0, ran
    return orders


def names(ran: Ran) -> list[str]:
    """The paths of a listing."""
    assert (ran.code, ran.err) == (0, ""), ran
    return [line.split(", ")[0].removeprefix("name:") for line in ran.lines]


def test_files_are_written_in_the_order_in_which_they_are_named(desk: Shell, inside: Inside) -> None:
    ran = inside(desk, *CAT, "raw/2025/jan.csv", "raw/2024/*.csv", "link")
    assert ran.good() == ["raw/2025/jan.csv", "raw/2024/feb.csv", "raw/2024/jan.csv", "raw/2024/jan.csv"]
    assert inside(desk, *CAT, "raw/**/jan.csv").good() == ["raw/2024/jan.csv", "raw/2025/jan.csv"]
    assert inside(desk, *CAT, "raw/[x].csv").good() == ["raw/[x].csv"]
    assert inside(desk, *CAT, "--label", "init", "*.csv").good() == ["id,price", "1,3", "id,price", "2,4"]


def test_nothing_is_written_when_one_of_them_is_not_there(desk: Shell, inside: Inside) -> None:
    for words, told in ((("a.csv", "raw/jan.csv"), "did you mean"), (("a.csv", "*.txt"), "fits '*.txt'")):
        ran = inside(desk, *CAT, *words)
        assert (ran.code, ran.out) == (4, "")
        assert told in ran.sentence
    ran = inside(desk, *CAT, "raw")
    assert (ran.code, ran.out) == (2, "")
    assert "is a directory" in ran.sentence


def test_all_bytes_come_through_and_a_closed_pipe_is_no_error(desk: Shell) -> None:
    done = subprocess.run(
        [*PROGRAM, *CAT, "large.bin"], cwd=desk.cwd, env=desk.environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout == LARGE, done.stderr) == (0, True, b"")
    first = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read(3))"
    with subprocess.Popen(
        [*PROGRAM, *CAT, "large.bin"],
        cwd=desk.cwd,
        env=desk.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as cat:
        head = subprocess.run([sys.executable, "-c", first], stdin=cat.stdout, capture_output=True, check=True)
        assert cat.stdout is not None
        cat.stdout.close()
        assert cat.stderr is not None
        assert cat.stderr.read() == b""
    assert head.stdout == LARGE[:3]


def test_ctrl_c_ends_it_while_nobody_reads(desk: Shell) -> None:
    with subprocess.Popen(
        [*PROGRAM, *CAT, "large.bin"], cwd=desk.cwd, env=desk.environment, stdout=subprocess.PIPE
    ) as cat:
        assert cat.stdout is not None
        assert cat.stdout.read(1)
        cat.send_signal(signal.SIGINT)
        assert cat.wait(60) == 130


def test_corruption_ends_it_with_an_error_that_names_the_file(desk: Shell, inside: Inside) -> None:
    for pack in (desk.home / ".datamon").rglob("packs/*/*"):
        content = bytearray(pack.read_bytes())
        for place in range(100_000, len(content) - 100_000, 100_000):
            content[place] ^= 1
        pack.chmod(0o600)
        pack.write_bytes(content)
    ran = desk(*CAT, "large.bin", prefix=("env", "PYTHONIOENCODING=latin-1"))
    assert ran.code == 8
    assert "'large.bin'" in ran.err


def test_a_directory_is_listed_and_what_fits_a_glob_is_shown(desk: Shell, inside: Inside) -> None:
    assert names(inside(desk, *LS)) == ["a.csv", "b.csv", "large.bin", "link", "raw"]
    assert names(inside(desk, *LS, "raw/")) == ["raw/2024", "raw/2025", "raw/[x].csv"]
    assert names(inside(desk, *LS, "raw/202?", "a.csv")) == ["raw/2024", "raw/2025", "a.csv"]
    assert names(inside(desk, *LS, "**/jan.csv")) == ["raw/2024/jan.csv", "raw/2025/jan.csv"]
    assert names(inside(desk, *LS, "--label", "init")) == ["a.csv", "b.csv"]
    rows = json.loads(inside(desk, *LS, "raw/2024", "--format", "json").out)
    assert [(row["path"], row["kind"], row["size"]) for row in rows] == [
        ("raw/2024/feb.csv", "file", 17),
        ("raw/2024/jan.csv", "file", 17),
    ]
    ran = inside(desk, *LS, "raw/2023")
    assert (ran.code, ran.out) == (4, "")


def test_inside_a_run_what_it_reads_is_an_input(desk: Shell, inside: Inside) -> None:
    line = " ".join([*PROGRAM, *CAT, "raw/2024/*.csv"])
    ran = desk("run", "record", "--step", "cat", "--", "sh", "-c", f"{line} > {Path('out.txt')}")
    assert ran.code == 0, ran
    rows = json.loads(inside(desk, "query", "--format", "json", "SELECT path, kind FROM accesses ORDER BY path").out)
    assert [row["path"] for row in rows] == ["raw/2024/", "raw/2024/feb.csv", "raw/2024/jan.csv"]
