"""How many events 8 processes record durably in a second (a run without outputs is two), against SQLite and PostgreSQL.

    python bench/events.py --seconds 3 --rounds 3

Each round gives every tool the same time, one after the other, in a new place on the same disk: a run is opened and closed, each
durable before the next begins. SQLite is in WAL mode with synchronous=FULL, PostgreSQL as it comes (fsync, one transaction an
event, over its socket, by psycopg). ml-metadata takes part where it is installed. A tool that the machine lacks is named and left
out. Then what one call of a decorated function costs, waited for and not, and one `datamon run record -- true`.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from datamon.lineage.capture.host import capture_host
from datamon.lineage.decorators import make_step
from datamon.lineage.recording import Ending, Policy, Recording, RunIntent
from datamon.lineage.records import CodeVersion
from datamon.store.bundle import Author
from datamon.store.codec import encode
from datamon.store.opening import Places, Store, open_store

FORK = multiprocessing.get_context("fork")
EVENTS_OF_A_RUN = 2
Once = Callable[[], None]


def opened(root: Path) -> Store:
    """The store of the benchmark."""
    return open_store(
        Places(str(root), str(root), state_dir=root.parent / "state"), Author("bench", "bench@example.org")
    )


def datamon(root: Path) -> Once:
    """Records one run."""
    store, policy = opened(root), Policy(host=capture_host())
    intent = RunIntent("bench", "events", "context", ("record",), ".", CodeVersion())

    def once() -> None:
        with Recording.open(store, intent, policy) as recording:
            recording.end(Ending("succeeded"))

    return once


def journal(root: Path) -> Once:
    """Appends the two events of a run to the journal: what the others do, without finding out what a run is."""
    store = opened(root)
    events = [json.loads(text) for text in event_texts(root / str(os.getpid()))]

    def once() -> None:
        for event in events:
            store.journal.append(event)

    return once


def event_texts(root: Path) -> list[str]:
    """The two events of a run, as datamon stores them."""
    datamon(root)()
    return [encode(record).decode() for record in opened(root).journal.read({})[0]][:EVENTS_OF_A_RUN]


def sqlite_wal(root: Path) -> Once:
    """Writes the two events of a run into a table, each durable before the next begins."""
    texts = event_texts(root / str(os.getpid()))
    connection = sqlite3.connect(root / "events.sqlite", timeout=60, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, record TEXT)")

    def once() -> None:
        for text in texts:
            connection.execute("INSERT INTO events (record) VALUES (?)", [text])

    return once


def postgres(root: Path) -> Once:
    """The same in PostgreSQL, whose socket lies in `root`."""
    import psycopg  # an optional peer

    texts = event_texts(root / str(os.getpid()))
    connection = psycopg.connect(host=str(root), dbname="postgres", user="postgres", autocommit=True)

    def once() -> None:
        for text in texts:
            connection.execute("INSERT INTO events (record) VALUES (%s)", [text])

    return once


@contextmanager
def postgres_server(root: Path) -> Iterator[None]:
    """A new PostgreSQL below `root`, with one table."""
    import psycopg

    owner = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if owner:
        shutil.chown(root, "postgres")
    root.parent.chmod(0o755)
    control = [*owner, str(_postgres_program("pg_ctl")), "-D", str(root / "data"), "-w", "-s"]
    make = [*owner, str(_postgres_program("initdb")), "-D", str(root / "data"), "-A", "trust", "-U", "postgres"]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*control, "-l", str(root / "log"), "-o", f"-k {root} -c listen_addresses=''", "start"], check=True)
    try:
        with psycopg.connect(host=str(root), dbname="postgres", user="postgres", autocommit=True) as connection:
            connection.execute("CREATE TABLE events (id BIGSERIAL PRIMARY KEY, record TEXT)")
        yield
    finally:
        subprocess.run([*control, "-m", "fast", "stop"], check=False)


def _postgres_program(name: str) -> Path | None:
    found = shutil.which(name)
    places = [Path(found)] if found else []
    return next(iter([*places, *sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))]), None)


def worker(
    make: Callable[[Path], Once], root: Path, seconds: float, ready: Barrier, results: "SimpleQueue[Any]"
) -> None:
    """Records for so many seconds; tells how many runs."""
    once = make(root)
    once()
    ready.wait()
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        once()
        count += 1
    results.put(count)


def events_per_s(make: Callable[[Path], Once], root: Path, processes: int, seconds: float) -> float:
    """Of all processes together."""
    results: Any = FORK.SimpleQueue()
    ready = FORK.Barrier(processes)
    several = [FORK.Process(target=worker, args=(make, root, seconds, ready, results)) for _ in range(processes)]
    for process in several:
        process.start()
    runs = sum(results.get() for _ in several)
    for process in several:
        process.join()
    return float(EVENTS_OF_A_RUN * runs / seconds)


def call_ms(root: Path, *, wait: bool) -> float:
    """The median time of one call of a decorated function that does nothing."""
    store, policy = opened(root), Policy()

    @make_step(lambda: store, policy=lambda: policy)(wait=wait)
    def nothing(number: int) -> int:
        return number

    times = []
    for number in range(500):
        start = time.perf_counter()
        nothing(number)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def command_ms(root: Path, command: list[str]) -> float:
    """The median time of one command, in a new home."""
    variables = {**os.environ, "HOME": str(root), "DATAMON_NAME": "b", "DATAMON_EMAIL": "b@example.org"}
    times = []
    for _ in range(15):
        start = time.perf_counter()
        subprocess.run(
            command, check=True, env=variables, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def peers() -> dict[str, Callable[[Path], Once]]:
    """The tools that this machine has."""
    found: dict[str, Callable[[Path], Once]] = {"datamon": datamon, "journal": journal, "sqlite": sqlite_wal}
    if importlib.util.find_spec("psycopg") and _postgres_program("initdb"):
        found["postgres"] = postgres
    for name in {"postgres", "ml_metadata"} - found.keys():
        print(f"{name} is not here and is left out", file=sys.stderr)
    return found


def main() -> None:
    """Runs the benchmark and prints what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--processes", type=int, default=8, help="that record at once (default: 8)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each tool in each round (default: 3)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds through all tools (default: 3)")
    parser.add_argument(
        "--root", type=Path, help="an empty directory on the disk to measure (default: a temporary one)"
    )
    given = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=given.root) as temporary:
        present = peers()
        for round_number in range(given.rounds):
            for name, make in present.items():
                root = Path(temporary, f"{name}-{round_number}")
                root.mkdir()
                with postgres_server(root) if name == "postgres" else _nothing():
                    rate = events_per_s(make, root, given.processes, given.seconds)
                figures.setdefault(f"{name}_events_per_s", []).append(round(rate))
        place = Path(temporary, "calls")
        figures["call_durable_ms"] = round(call_ms(place / "store", wait=True), 2)
        figures["call_not_waiting_ms"] = round(call_ms(place / "store", wait=False), 2)
        program = [sys.executable, "-m", "datamon.cli.main"]
        figures["true_ms"] = round(command_ms(place, ["true"]), 1)
        figures["run_record_true_ms"] = round(command_ms(place, [*program, "run", "record", "--", "true"]), 1)
    print(json.dumps(figures, indent=1))


@contextmanager
def _nothing() -> Iterator[None]:
    yield


if __name__ == "__main__":
    main()
