"""How long questions take over a store of many runs, whole processes, as ratios to `python -I -c pass` in the same run.

    python bench/questions.py --runs 100000

The store is that of graph_history.py. Each question is asked once, which is told, for it makes or compiles what later ones find,
and then so many times; the median counts. Then one closure is walked by others over the same edges (walks.py).
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from graph_history import LAYERS, make
from news import news
from walks import others, say, timed

PASS = [sys.executable, "-I", "-c", "pass"]
DATAMON = [sys.executable, "-P", "-c", "from datamon.cli.main import leave; leave()"]
LAST, MIDDLE, FIRST = f"step-{LAYERS - 1}-3-a", f"step-{LAYERS // 3}-3-a", "step-2-3-a"
QUESTIONS = {
    "what produced": f"WHAT PRODUCED '{LAST}'",
    "what used": f"WHAT USED '{MIDDLE}'",
    "upstream, near": f"UPSTREAM OF '{FIRST}' WITHIN 3",
    "upstream, all, counted": f"SELECT count(*) FROM UPSTREAM OF '{LAST}'",
    "why stale": f"WHY IS '{MIDDLE}' STALE",
    "stale": "SELECT count(*) FROM STALE",
    "a way, first row": f"FROM PATHS FROM '{{far}}' TO '{LAST}' LIMIT 1",
    "no way, and why": f"FROM PATHS FROM 'source-0' TO '{LAST}' LIMIT 1",
    "a SELECT": "SELECT count(*) FROM runs WHERE step = 'step-1-1'",
}


def main() -> None:
    """As the module says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--bundles-an-entry", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="datamon-bench-") as room:
        place = Path(room) / "store"
        began = time.perf_counter()
        store = make(place, given.runs, bundles_an_entry=given.bundles_an_entry)
        say(f"{given.runs:,} runs recorded in {time.perf_counter() - began:.0f} s; load {os.getloadavg()[0]:.1f}")
        variables = os.environ | {
            "HOME": room,
            "DATAMON_METADATA": str(place),
            "DATAMON_BLOB": str(place),
            "DATAMON_NAME": "bench",
            "DATAMON_EMAIL": "bench@example.org",
        }
        ask(variables, given.rounds)
        index_dir = Path(room) / ".datamon" / "state" / store.id / "index"
        news(store, index_dir)
        others(store, index_dir, LAST)


def ask(variables: dict[str, str], rounds: int) -> None:
    """Every question, and what it costs to start with nothing."""
    nothing = median(rounds, lambda: run(PASS, variables))
    say(f"python -I -c pass: {nothing * 1000:.1f} ms")
    took = timed(lambda: run([*DATAMON, "index", "rebuild"], variables))
    say(f"datamon index rebuild: {took:.1f} s, {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MB")
    far = furthest(variables)
    for name, text in QUESTIONS.items():
        command = [*DATAMON, "query", text.format(far=far), "--format", "csv"]
        first = timed(lambda command=command: run(command, variables))  # type: ignore[misc]
        took = median(rounds, lambda command=command: run(command, variables))  # type: ignore[misc]
        say(f"{name:24} first {first * 1000:7.0f} ms, then {took * 1000:7.1f} ms  {took / nothing:6.1f} x")


def furthest(variables: dict[str, str]) -> str:
    """A bundle of a source that went into the last one by a long way."""
    command = [*DATAMON, "query", f"UPSTREAM OF '{LAST}' AT bundle", "--format", "csv"]
    rows = subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout.splitlines()
    return next(row.split(",")[2] for row in reversed(rows) if ",source-" in row)


def run(command: Sequence[str], variables: dict[str, str]) -> None:
    """To its end, which must be a good one."""
    subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def median(rounds: int, once: Callable[[], object]) -> float:
    """Seconds."""
    return statistics.median(timed(once) for _ in range(rounds))


if __name__ == "__main__":
    main()
