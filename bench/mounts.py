"""Reading through a mount, beside a plain passthrough of the same library and the directory itself.

    python bench/mounts.py --gib 2 --files 50000 --rounds 5 [--huge 100]

Each round mounts anew, so that neither the kernel nor the process has anything; what lies in the store, and the directory, were
read once before. `--huge` uploads a file of so many GB (of zeros, which are one chunk many times) and reads its first byte, and
one in its middle.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSTHROUGH = Path(__file__).parent / "passthrough.py"
DATAMON = (sys.executable, "-P", "-m", "datamon.cli.main")
PIECE_BYTES = 2**20
A_DIRECTORY = 1_000
LONGEST_S = 120


def main() -> None:
    """As the module says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=2.0)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--huge", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-mounts-") as folder:
        place = Path(folder)
        environment = {**os.environ, "HOME": folder, "DATAMON_NAME": "bench", "DATAMON_EMAIL": "bench@example.org"}
        os.environ |= environment
        paths = plant(place / "tree", given.gib, given.files)
        run("repo", "create", "--repo", "data", "--description", "of a benchmark")
        run("bundle", "upload", "--repo", "data", "--path", str(place / "tree"), "--message", "m")
        if given.huge:
            (place / "huge").mkdir()
            (place / "huge" / "zeros").touch()
            os.truncate(place / "huge" / "zeros", given.huge * 10**9)
            run("repo", "create", "--repo", "huge", "--description", "of a benchmark")
            run("bundle", "upload", "--repo", "huge", "--path", str(place / "huge"), "--message", "m")
        found = [one_round(place, paths, given.huge) for _ in range(given.rounds)]
        told = {name: round(statistics.median(each[name] for each in found), 3) for name in found[0]}
        print(json.dumps({"load": os.getloadavg()[0], "rounds": given.rounds, **told}, indent=2))


def plant(root: Path, gib: float, files: int) -> list[str]:
    """A file that compresses by half, and many small ones; the paths of these."""
    root.mkdir()
    draw = random.Random(1)
    with (root / "large").open("wb") as large:
        for _ in range(int(gib * 1024)):
            large.write(draw.randbytes(2**19) + bytes(draw.choices(b"abcdefgh", k=2**12)) * 128)
    paths = [f"small/{n // A_DIRECTORY}/{n}" for n in range(files)]
    for n, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(str(n))
    return paths


def one_round(place: Path, paths: list[str], huge: int) -> dict[str, float]:
    """GB/s, stats a second and milliseconds."""
    found: dict[str, float] = {}
    tree, top = place / "tree", place / "shown"
    top.mkdir(exist_ok=True)
    reading = [*DATAMON, "bundle", "mount", "--repo", "data", "--branch", "main", "--mount", str(top)]
    passing = [sys.executable, str(PASSTHROUGH), str(tree), str(top)]
    sequential(tree / "large")
    for name, words in (("datamon", reading), ("passthrough", passing)):
        with serving(words, top):
            found[f"{name} cold GB/s"] = sequential(top / "large")
            found[f"{name} warm GB/s"] = sequential(top / "large")
            found[f"{name} stats/s"] = stats(top, paths)
    found["directory GB/s"] = sequential(tree / "large")
    found["directory stats/s"] = stats(tree, paths)
    if huge:
        with serving([*DATAMON, "bundle", "mount", "--repo", "huge", "--branch", "main", "--mount", str(top)], top):
            begin = time.perf_counter()
            with (top / "zeros").open("rb", buffering=0) as file:
                file.read(1)
                found["first byte of the huge file ms"] = 1000 * (time.perf_counter() - begin)
                begin = time.perf_counter()
                os.pread(file.fileno(), 1, huge * 10**9 // 2)
                found["its middle ms"] = 1000 * (time.perf_counter() - begin)
    return found


def sequential(path: Path) -> float:
    """GB/s of reading it from its beginning to its end."""
    begin, size = time.perf_counter(), 0
    room = bytearray(PIECE_BYTES)
    with path.open("rb", buffering=0) as file:
        while got := file.readinto(room):
            size += got
    return size / 1e9 / (time.perf_counter() - begin)


def stats(top: Path, paths: list[str]) -> float:
    """How many of these paths are looked at in a second."""
    lead = f"{top}/"
    begin = time.perf_counter()
    for path in paths:
        os.lstat(lead + path)
    return len(paths) / (time.perf_counter() - begin)


@contextmanager
def serving(words: list[str], top: Path) -> Iterator[None]:
    """A mount that is there."""
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + LONGEST_S
            while not os.path.ismount(top):
                assert process.poll() is None, "it ended"
                assert time.monotonic() < deadline, "nothing is mounted"
                time.sleep(0.01)
            yield
        finally:
            process.terminate()


def run(*words: str) -> None:
    """A command that succeeds."""
    subprocess.run([*DATAMON, *words], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
