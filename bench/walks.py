"""One closure over the edges of a store, by others that have them loaded already: networkx, the recursion of DuckDB, SQLite and
PostgreSQL, and ml-metadata. `bench/questions.py` calls it; by itself it takes a store that is there:

    python bench/walks.py /tmp/history REF

PostgreSQL is left out where it or psycopg is not installed, ml-metadata where no Python beside this one
has it (`make bench` makes one).
"""

import csv
import importlib.util
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple

import duckdb
import networkx as nx

from datamon.query.index import open_index
from datamon.query.testing.postgres import postgres_server, programs
from datamon.store.bundle import Author
from datamon.store.opening import Places, Store, open_store


class Walk(NamedTuple):
    """Edges, each from what went in to what it went into; for each whether it is a bundle that a run read, else it is a run's
    write; and the bundle whose closure is asked for."""

    edges: list[tuple[str, str]]
    reads: list[bool]
    start: str


RECURSION = """WITH RECURSIVE above(id) AS (SELECT {start} UNION SELECT e.source FROM above a JOIN edges e ON e.target = a.id)
    SELECT count(*) - 1 FROM above"""
ROUNDS = 3


def others(store: Store, index_dir: Path, ref: str) -> None:
    """One line for each, milliseconds. The index below `index_dir` knows the edges."""
    with open_index(store, index_dir=index_dir).connect() as connection:
        rows = connection.execute("SELECT id_from, id_to, kind_from FROM edges").fetchall()
        known = "SELECT bundle FROM branches WHERE repo = ? AND name = 'main'"
        [(start,)] = connection.execute(known, [ref]).fetchall()
    say(f"the closure of {ref} over {len(rows):,} edges, which each has loaded; load {os.getloadavg()[0]:.1f}")
    walk = Walk([(source, target) for source, target, _ in rows], [kind == "bundle" for *_, kind in rows], start)
    for name, peer in PEERS.items():
        ask = peer(walk)
        try:
            count = next(ask)
        except StopIteration:
            say(f"{name:24} not installed")
            continue
        took = statistics.median(timed(lambda ask=ask: next(ask)) for _ in range(ROUNDS))  # type: ignore[misc]
        say(f"{name:24} {took * 1000:9.1f} ms, {count:,} nodes")
        ask.close()


def by_networkx(walk: Walk) -> Generator[int, None, None]:
    """How many nodes there are, each time that it is asked."""
    graph: nx.DiGraph[str] = nx.DiGraph(walk.edges)
    while True:
        yield len(nx.ancestors(graph, walk.start))


def by_duckdb(walk: Walk) -> Generator[int, None, None]:
    """As `by_networkx`."""
    engine = duckdb.connect()
    engine.execute("CREATE TABLE edges (source VARCHAR, target VARCHAR)")
    engine.execute(
        "INSERT INTO edges SELECT unnest(?), unnest(?)", [list(side) for side in zip(*walk.edges, strict=True)]
    )
    while True:
        yield engine.execute(RECURSION.format(start="?"), [walk.start]).fetchall()[0][0]


def by_sqlite(walk: Walk) -> Generator[int, None, None]:
    """As `by_networkx`."""
    engine = sqlite3.connect(":memory:")
    engine.execute("CREATE TABLE edges (source TEXT, target TEXT)")
    engine.executemany("INSERT INTO edges VALUES (?, ?)", walk.edges)
    engine.execute("CREATE INDEX by_target ON edges (target, source)")
    while True:
        yield engine.execute(RECURSION.format(start="?"), (walk.start,)).fetchall()[0][0]


def by_postgresql(walk: Walk) -> Generator[int, None, None]:
    """As `by_networkx`."""
    if programs() is None or importlib.util.find_spec("psycopg") is None:
        return
    import psycopg  # an extra

    with postgres_server() as url, psycopg.connect(url, autocommit=True) as engine:
        engine.execute("CREATE TABLE edges (source text, target text)")
        with engine.cursor() as cursor, cursor.copy("COPY edges FROM STDIN") as copy:
            for edge in walk.edges:
                copy.write_row(edge)
        engine.execute("CREATE INDEX ON edges (target, source)")
        engine.execute("VACUUM ANALYZE edges")
        while True:
            yield engine.execute(RECURSION.format(start="%s::text"), [walk.start]).fetchall()[0][0]


def by_ml_metadata(walk: Walk) -> Generator[int, None, None]:
    """As `by_networkx`, by another Python, which answers a line for a line. Runs are its executions, bundles its artifacts."""
    python = Path(os.environ.get("DATAMON_BENCH_PEERS", ".work/peers")) / "bin" / "python"
    if (
        not python.exists()
        or subprocess.run([python, "-c", "import ml_metadata"], check=False, capture_output=True).returncode
    ):
        return
    with tempfile.TemporaryDirectory(prefix="datamon-bench-") as room:
        told = Path(room) / "edges.csv"
        with told.open("w", newline="") as file:
            csv.writer(file).writerows((*edge, int(read)) for edge, read in zip(walk.edges, walk.reads, strict=True))
        words: list[str | Path] = [
            python,
            Path(__file__).with_name("walk_ml_metadata.py"),
            told,
            Path(room) / "mlmd.sqlite",
            walk.start,
        ]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            while True:
                process.stdin.write("again\n")
                process.stdin.flush()
                yield int(process.stdout.readline())


PEERS: dict[str, Callable[[Walk], Generator[int, None, None]]] = {
    "networkx": by_networkx,
    "DuckDB's recursion": by_duckdb,
    "SQLite's recursion": by_sqlite,
    "PostgreSQL's recursion": by_postgresql,
    "ml-metadata": by_ml_metadata,
}


def timed(once: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    once()
    return time.perf_counter() - began


def say(line: str) -> None:
    """One line of the result."""
    print(line, flush=True)


if __name__ == "__main__":
    place = sys.argv[1]
    opened = open_store(Places(place, place), Author("bench", "bench@example.org"))
    others(opened, Path.home() / ".datamon" / "state" / opened.id / "index", sys.argv[2])
