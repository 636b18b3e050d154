"""What a recorded cell costs beside one that is not, in a kernel that has loaded datamon.

    python bench/cells.py

The median of so many rounds of each cell, from asking the kernel to its answer.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from datamon.cli.testing_notebook import Kernel, kernel

CELLS = {
    "a cell": "1 + 1",
    "recorded, without outputs": "%%datamon_run --step s\n1 + 1",
    "recorded, one output": "%%datamon_run --step s --output made=out\nopen('out/x', 'w').write('1')",
    "a question": "%datamon query SELECT step FROM runs LIMIT 10",
}


def main() -> None:
    """As the module says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="datamon-bench-") as room:
        variables = os.environ | {"HOME": room, "DATAMON_NAME": "bench", "DATAMON_EMAIL": "bench@example.org"}
        begin = "import datamon\ndatamon.create_repo('made')"
        with kernel(Path(room), "%load_ext datamon", begin, env=variables) as running:
            for name, cell in CELLS.items():
                first, *rest = (timed(running, cell) for _ in range(given.rounds + 1))
                print(
                    f"{name:28} first {first * 1000:6.1f} ms, then {statistics.median(rest) * 1000:6.1f} ms", flush=True
                )
    print(f"load {os.getloadavg()[0]:.1f}")


def timed(running: Kernel, cell: str) -> float:
    """Seconds."""
    began = time.perf_counter()
    error = running.run(cell)
    if error is not None:
        raise SystemExit(error)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
