"""`bundle upload` on the command line: what did not change costs nothing, and `--verify` has it read all the same."""

import subprocess
import sys
from pathlib import Path

import pytest

from datamon.cli.testing import Shell
from datamon.store.file_times import trusted_time_ns
from datamon.store.testing.file_clock import settle
from datamon.store.walk import open_tree

HEAVY = (
    "duckdb",
    "cryptography",
    "pyarrow",
    "sqlglot",
    "networkx",
    "google",
    "rich",
    "numpy",
    "zstandard",
    "concurrent.futures",
    "pandas",
)
REPORT = (
    "import sys; from datamon.cli.main import main; code = main(sys.argv[1:]);"
    f"print([name for name in {HEAVY!r} if name in sys.modules], code)"
)
SETTLED = Path(__file__).parents[1] / "store" / "vectors"
"""A directory whose files were written long ago."""


@pytest.fixture
def settled() -> Path:
    """That directory, as soon as its times prove something."""
    with open_tree(SETTLED) as tree:
        if trusted_time_ns(tree) == 0:
            pytest.skip("NOT TESTED: times prove nothing on the file system of this checkout")
    settle(SETTLED)
    return SETTLED


def loaded(shell: Shell, *words: str) -> str:
    """The heavy modules that a line loads, and its exit code."""
    line = [sys.executable, "-P", "-c", REPORT, *words]
    done = subprocess.run(line, env=shell.environment, cwd=shell.cwd, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_an_upload_of_an_unchanged_tree_loads_nothing_heavy_and_verify_reads_it(orders: Shell, settled: Path) -> None:
    line = ("bundle", "upload", "--repo", "orders", "--path", str(settled), "--message", "m")
    assert loaded(orders, *line).endswith("] 0")
    assert loaded(orders, *line) == "[] 0"
    assert "pyarrow" in loaded(orders, *line, "--verify")
    assert loaded(orders, *line) == "[] 0"


def test_daily_commands_do_not_bring_pandas(orders: Shell) -> None:
    lines = (
        "bundle upload --repo orders --path {path} --message m",
        "bundle download --repo orders --destination {path}/../out",
        "bundle list files --repo orders",
        "bundle diff --repo orders --destination {path}",
        "check",
    )
    path = orders.cwd / "changed"
    path.mkdir()
    (path / "a").write_bytes(b"a" * 300_000)
    for line in lines:
        told = loaded(orders, *line.format(path=path).split())
        assert told.endswith("] 0"), line
        assert "pandas" not in told, line
