"""The benchmark of the store runs to its end and says what must hold; its figures are judged by people, not here."""

import subprocess
import sys
from pathlib import Path

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
