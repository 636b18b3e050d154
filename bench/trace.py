"""What watching a command costs: pandas reading 200 parquet files, and 41 compilations by gcc, unwatched and by each method.

Prints for each the least of `--times` wall and core seconds, and the ratio to the unwatched command of the same run. The methods
take turns, so that what else the machine does falls on all alike.

    python bench/trace.py --times 5
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas

from datamon.lineage.capture.trace.choosing import Method, choose

METHODS: tuple[Method, ...] = ("off", "seccomp", "strace", "preload", "audit")
LIMIT = 1.15
"""What the best method may cost, against the unwatched command."""
READ = "import pandas\nfor n in range(200): pandas.read_parquet(f'{n}.parquet')\n"


def main() -> None:
    """Runs the bench and fails when the best method costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        worst = max(_compared("parquet", _parquet(top), top, times), _compared("compile", _sources(top), top, times))
    print(f"seccomp costs at most {worst:.3f} of the unwatched time (allowed {LIMIT})")
    sys.exit(worst > LIMIT)


def _parquet(top: Path) -> tuple[Path, list[str]]:
    work = top / "parquet"
    work.mkdir()
    frame = pandas.DataFrame({"a": range(1000), "b": [f"text {n}" for n in range(1000)]})
    for number in range(200):
        frame.to_parquet(work / f"{number}.parquet")
    return work, [sys.executable, "-c", READ]


def _sources(top: Path) -> tuple[Path, list[str]]:
    work = top / "compile"
    work.mkdir()
    for number in range(41):
        text = f'#include <stdio.h>\n#include <stdlib.h>\nint f{number}(void) {{ return printf("%d", {number}); }}\n'
        (work / f"{number}.c").write_text(text)
    rules = [f"all: {' '.join(f'{n}.o' for n in range(41))}", "%.o: %.c", "\tgcc -O1 -c $<"]
    (work / "Makefile").write_text("\n".join(rules) + "\n")
    return work, ["make", "-B", "all"]


def _compared(title: str, job: tuple[Path, list[str]], top: Path, times: int) -> float:
    """The ratio of wall seconds, seccomp to unwatched; prints the table."""
    wall: dict[str, list[float]] = {method: [] for method in METHODS}
    cores: dict[str, list[float]] = {method: [] for method in METHODS}
    for _ in range(times):
        for method in METHODS:
            took = _once(job, method, top)
            wall[method].append(took[0])
            cores[method].append(took[1])
    print(f"{title:8} {'wall s':>8} {'ratio':>7} {'core s':>8} {'ratio':>7}")
    for method in METHODS:
        ratios = (min(wall[method]) / min(wall["off"]), min(cores[method]) / min(cores["off"]))
        print(f"{method:8} {min(wall[method]):8.3f} {ratios[0]:7.3f} {min(cores[method]):8.3f} {ratios[1]:7.3f}")
    return min(wall["seccomp"]) / min(wall["off"])


def _once(job: tuple[Path, list[str]], method: Method, top: Path) -> tuple[float, float]:
    """Wall seconds, and core seconds of the command and its children."""
    work, argv = job
    folder = top / "logs"
    folder.mkdir()
    tracer, _ = choose(method, top / "tools", folder, os.environ["PATH"])
    words, variables = ([shutil.which(argv[0]) or argv[0], *argv[1:]], dict(os.environ))
    began = time.perf_counter()
    if tracer is not None:
        words, variables = tracer.start(words, work, variables)  # type: ignore[assignment]
    process = subprocess.Popen(words, cwd=work, env=variables, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"{argv} failed under {method}")
    if tracer is not None:
        tracer.finish()
    shutil.rmtree(folder)
    return wall_s, used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
