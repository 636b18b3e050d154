"""How long recording a run takes while others record and ask: 16 processes record, 2 query, against one that is alone.

Prints p50 and p99 of one recording (opened, one small output committed, closed, its branch moved) and of one question, the
ratio of the p99 to that of a process alone, and whether the index has every run and output and equals one built anew.

    python bench/recording.py --runs 20 --pace 1.0

Without a pace the recorders do nothing but record, so that on few cores they mostly wait for one another's turn at a core; with
one, each begins a run every so many seconds, as commands that take that long would.
"""

import argparse
import importlib
import json
import multiprocessing
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from datamon.cli.session import open_session
from datamon.lineage.recording import Ending, Policy, Recording, RunIntent
from datamon.lineage.records import CodeVersion, PlannedOutput
from datamon.lineage.ref_moves import Target
from datamon.query.index import open_index
from datamon.query.testing.relations import content_of, rebuilt
from datamon.store.bundle import Author
from datamon.store.opening import Places, Store, open_store
from datamon.store.repos import create_repo, find_repo

FORK = multiprocessing.get_context("fork")
FIRST = ("datamon.store.upload", "datamon.store.chunk_store", "pyarrow.parquet")
"""Imported before the processes part, so that they need not each."""


@dataclass(frozen=True)
class Load:
    """What is put on the machine. `pace_s` is the time from one run's beginning to the next in each recorder, `ask_every_s`
    the same for each querier; 0 is as fast as it goes."""

    recorders: int
    queriers: int
    runs: int
    repos: int
    pace_s: float
    ask_every_s: float


@dataclass
class Measured:
    """Seconds of each recording and of each question, and what the recorders say they made: (run, bundle)."""

    recordings: list[float]
    questions: list[float]
    made: list[tuple[str, str]]


@dataclass(frozen=True)
class Where:
    """Where a load is put: a directory, and the context whose store it is (None: a store in the directory)."""

    root: Path
    context: str | None

    @property
    def index(self) -> Path:
        """The directory of the index."""
        return self.root / "index"


def opened(where: Where) -> Store:
    """The store of the benchmark."""
    if where.context is not None:
        return open_session(context=where.context).store
    place = str(where.root / "store")
    return open_store(Places(place, place), Author("bench", "bench@example.org"))


def record(store: Store, repo_name: str, directory: Path) -> tuple[str, str]:
    """Records one run with one output; its run and its bundle."""
    repo = find_repo(store, repo_name)
    target = Target(PlannedOutput(repo.name, repo.id, repo.name, "main"), repo)
    intent = RunIntent("bench", "record", "context", ("record",), ".", CodeVersion(), targets=(target,))
    with Recording.open(store, intent, Policy()) as recording:
        output = recording.commit_output(target, directory)
        recording.end(Ending("succeeded"))
    assert output is not None
    return recording.run, output.bundle


def recorder(where: Where, load: Load, number: int, ready: Barrier, results: "SimpleQueue[Any]") -> None:
    """One process that records."""
    store = opened(where)
    made, seconds = [], []
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "numbers.csv")
        file.write_text(f"{number}\n")
        made.append(record(store, f"repo-{number % load.repos}", Path(place)))  # not measured: it imports and opens
        ready.wait()
        begin = time.monotonic() + load.pace_s * number / max(1, load.recorders)
        for turn in range(load.runs):
            file.write_text(f"{number},{turn}\n" * 50)
            pause = begin + turn * load.pace_s - time.monotonic()
            if load.pace_s and pause > 0:
                time.sleep(pause)
            start = time.perf_counter()
            made.append(record(store, f"repo-{number % load.repos}", Path(place)))
            seconds.append(time.perf_counter() - start)
    results.put(("recorder", seconds, made))


def querier(where: Where, load: Load, ready: Barrier, done: Any, results: "SimpleQueue[Any]") -> None:
    """One process that asks until all is recorded. Each answer has at least what the one before had."""
    index = open_index(opened(where), index_dir=where.index)
    seconds, seen = [], 0
    ready.wait()
    while not done.is_set():
        start = time.perf_counter()
        with index.connect() as connection:
            [(count,)] = connection.execute("SELECT count(*) FROM runs").fetchall()
        seconds.append(time.perf_counter() - start)
        if count < seen:
            raise AssertionError(f"an answer lost runs: {seen} before, {count} now")
        seen = count
        done.wait(max(0.0, load.ask_every_s - seconds[-1]))
    results.put(("querier", seconds, []))


def run(where: Where, load: Load) -> Measured:
    """Puts the load on a store and gives what was measured, once all processes have ended."""
    for module in FIRST:
        importlib.import_module(module)
    store = opened(where)
    names = {repo.name for repo in store.logs.store().repos.values()}
    for number in range(load.repos):
        if f"repo-{number}" not in names:
            create_repo(store, f"repo-{number}", "")
    results: Any = FORK.SimpleQueue()
    ready, done = FORK.Barrier(load.recorders + load.queriers), FORK.Event()
    recorders = [FORK.Process(target=recorder, args=(where, load, n, ready, results)) for n in range(load.recorders)]
    queriers = [FORK.Process(target=querier, args=(where, load, ready, done, results)) for _ in range(load.queriers)]
    for process in recorders + queriers:
        process.start()
    told = [results.get() for _ in recorders]
    done.set()
    told += [results.get() for _ in queriers]
    for process in recorders + queriers:
        process.join()
    return Measured(
        recordings=[each for kind, seconds, _ in told if kind == "recorder" for each in seconds],
        questions=[each for kind, seconds, _ in told if kind == "querier" for each in seconds],
        made=[each for _, _, made in told for each in made],
    )


def percentile(seconds: list[float], percent: float) -> float:
    """The smallest of the values that so many percent do not exceed."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def found(where: Where, made: list[tuple[str, str]]) -> dict[str, object]:
    """Whether the index has every run and output, and equals one that is built anew."""
    store = opened(where)
    with open_index(store, index_dir=where.index).connect() as connection:
        outputs = set(connection.execute("SELECT run, bundle FROM outputs").fetchall())
        succeeded = set(connection.execute("SELECT id FROM runs WHERE status = 'succeeded'").fetchall())
        content = content_of(connection)
    return {
        "recorded": len(made),
        "runs_lost": sum((run,) not in succeeded for run, _ in made),
        "outputs_lost": sum(each not in outputs for each in made),
        "refresh_equals_rebuild": content == rebuilt(store),
    }


def report(solo: Measured, crowd: Measured) -> dict[str, object]:
    """The figures, in milliseconds, and their ratios."""
    figures: dict[str, object] = {}
    for name, seconds in (("solo", solo.recordings), ("crowd", crowd.recordings), ("question", crowd.questions)):
        if seconds:
            figures |= {f"{name}_p{p}_ms": round(1000 * percentile(seconds, p), 1) for p in (50, 99)}
    figures["p99_ratio"] = round(percentile(crowd.recordings, 99) / percentile(solo.recordings, 99), 2)
    return figures


def main() -> None:
    """Runs the benchmark and prints what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--recorders", type=int, default=16, help="processes that record (default: 16)")
    parser.add_argument("--queriers", type=int, default=2, help="processes that ask (default: 2)")
    parser.add_argument("--runs", type=int, default=20, help="runs of each recorder (default: 20)")
    parser.add_argument("--solo-runs", type=int, default=100, help="runs of the recorder that is alone (default: 100)")
    parser.add_argument("--repos", type=int, default=16, help="repos they write to; 1 is the hardest (default: 16)")
    parser.add_argument("--pace", type=float, default=2.0, help="seconds between the runs of a recorder (default: 2)")
    parser.add_argument(
        "--ask-every", type=float, default=1.0, help="seconds between a querier's questions (default: 1)"
    )
    parser.add_argument(
        "--contexts",
        action="store_true",
        help="use the stores of the contexts solo and crowd, of which nothing is there yet",
    )
    parser.add_argument("--root", type=Path, help="an empty directory for the stores (default: a temporary one)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = given.root or Path(temporary)
        alone = Load(1, 0, given.solo_runs, given.repos, 0.0, 0.0)
        crowd = Load(given.recorders, given.queriers, given.runs, given.repos, given.pace, given.ask_every)
        solo, crowded = (Where(root / name, name if given.contexts else None) for name in ("solo", "crowd"))
        measured_solo = run(solo, alone)
        measured = run(crowded, crowd)
        answer = report(measured_solo, measured) | found(crowded, measured.made)
    if given.json:
        print(json.dumps(answer))
    else:
        print("\n".join(f"{name:<24}{value}" for name, value in answer.items()))


if __name__ == "__main__":
    main()
