"""How long drawings in the terminal take over a store of many runs, whole processes, as ratios to `python -I -c pass`.

    python bench/terminal.py --runs 100000

The store is that of graph_history.py. Each command is run once, which is told, for it makes what later ones find, and then so
many times; the median counts.
"""

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

from graph_history import make
from questions import DATAMON, FIRST, LAST, PASS, median, run

COMMANDS = {
    "lineage, two runs deep": ("lineage", FIRST, "--within", "2"),
    "lineage, four runs deep": ("lineage", LAST, "--within", "4"),
    "the same as SVG": ("lineage", LAST, "--within", "4", "--format", "svg"),
    "run show": ("run", "show", "{run}"),
    "bundle log": ("bundle", "log", "--repo", LAST),
}


def main() -> None:
    """As the module says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="datamon-bench-") as room:
        place = Path(room) / "store"
        make(place, given.runs)
        variables = os.environ | {
            "HOME": room,
            "DATAMON_METADATA": str(place),
            "DATAMON_BLOB": str(place),
            "DATAMON_NAME": "bench",
            "DATAMON_EMAIL": "bench@example.org",
        }
        run([*DATAMON, "index", "rebuild"], variables)
        print(f"{given.runs:,} runs; load {os.getloadavg()[0]:.1f}", flush=True)
        measure(variables, given.rounds)


def measure(variables: dict[str, str], rounds: int) -> None:
    """Every command, with how many lines it writes."""
    nothing = median(rounds, lambda: run(PASS, variables))
    print(f"python -I -c pass: {nothing * 1000:.1f} ms", flush=True)
    newest = printed(("query", "SELECT id FROM runs ORDER BY started DESC LIMIT 1", "--format", "csv"), variables)[1]
    for name, words in COMMANDS.items():
        line = [word.format(run=newest) for word in words]
        first = median(1, lambda line=line: run([*DATAMON, *line], variables))  # type: ignore[misc]
        took = median(rounds, lambda line=line: run([*DATAMON, *line], variables))  # type: ignore[misc]
        lines = len(printed(line, variables))
        times = f"first {first * 1000:7.0f} ms, then {took * 1000:7.1f} ms  {took / nothing:6.1f} x"
        print(f"{name:28} {lines:6,} lines  {times}", flush=True)


def printed(words: tuple[str, ...] | list[str], variables: dict[str, str]) -> list[str]:
    """The lines that a command writes."""
    done = subprocess.run([*DATAMON, *words], env=variables, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


if __name__ == "__main__":
    main()
