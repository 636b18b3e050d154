"""The benchmark of the store runs to its end and says what must hold; its figures are judged by people, not here."""

import json
import os
import subprocess
import sys
from pathlib import Path

from datamon.cli.testing_mount import need_fuse

BENCH = Path(__file__).parents[1] / "bench" / "storage.py"


def test_the_benchmark_of_the_store_measures_and_reports(tmp_path: Path) -> None:
    words = ["--rounds", "1", "--share", "0.002", "--only", "datamon", "cp -r", "--root", str(tmp_path)]
    ran = subprocess.run([sys.executable, str(BENCH), *words], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "| what must hold | limit | measured |" in ran.stdout
    assert "| peak memory in | ≤ 300 MB |" in ran.stdout
    assert [line.split()[0] for line in ran.stderr.splitlines() if "large" not in line].count("datamon") == 6


def test_the_benchmark_of_paths_measures_and_reports(tmp_path: Path) -> None:
    words = ["--rounds", "1", "--share", "0.002", "--root", str(tmp_path)]
    ran = subprocess.run(
        [sys.executable, str(BENCH.parent / "paths.py"), *words], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("(limit 1.5)") == 2
    assert "limit for the first byte after open: 100 ms" in ran.stdout


def test_the_benchmark_of_mounts_measures_and_reports() -> None:
    need_fuse()
    words = ["--gib", "0.01", "--files", "50", "--rounds", "1"]
    ran = subprocess.run(
        [sys.executable, str(BENCH.parent / "mounts.py"), *words], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["rounds"] == 1


def test_others_walk_to_the_same_nodes(tmp_path: Path) -> None:
    def run(program: str, *words: str) -> str:
        command = [sys.executable, str(BENCH.parent / program), str(tmp_path / "store"), *words]
        ran = subprocess.run(
            command, env={**os.environ, "HOME": str(tmp_path)}, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    run("graph_history.py", "--runs", "300")
    told = [line for line in run("walks.py", "step-3-0-a").splitlines() if line.endswith("nodes")]
    assert len(told) >= 4
    assert len({line.rsplit(",", 1)[1] for line in told}) == 1
