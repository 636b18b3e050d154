"""How long it takes until new records are seen, over a store of many runs that its index knows: part of questions.py, or alone

    HOME=… python bench/news.py STORE INDEX-DIRECTORY

Each new run, of two records, reads four bundles that are there and names two that no log has yet.
"""

import argparse
import os
import random
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from graph_history import AUTHOR
from walks import say, timed

from datamon.lineage.records import InputRecord, OutputRecord, Param
from datamon.query.graph.file import GraphFile
from datamon.query.index import FileIndex
from datamon.query.testing.events import Told
from datamon.store.codec import Record
from datamon.store.ids import BundleId, new_ksuid
from datamon.store.opening import Places, Store, open_store

NEWS = (1, 50, 5_000)
_SINCE_S = 1_790_000_000
"""So that the ids of later runs are later ones."""
ASKED = "SELECT r.step, p.value, count(*) FROM runs r JOIN params p ON p.run = r.id GROUP BY ALL"


def news(store: Store, directory: Path) -> None:
    """Until so many new runs are seen by the graph's file, by a connection to the tables that two relations are asked of, and
    by one to all of them."""
    index, graph = FileIndex(store, directory / store.id), GraphFile(store, directory / store.id / "graph")
    heads = _heads(index)
    draw = random.Random(os.getpid())
    numbers = count(100 * int(time.time() - _SINCE_S))
    see: dict[str, Callable[[], object]] = {
        "graph": lambda: graph.opened().__enter__(),
        "two relations": lambda: index.connect(about=ASKED).close(),
        "all relations": lambda: index.connect().close(),
    }
    for seen in see.values():
        seen()  # what is loaded once, and what the store has had meanwhile
    say(f"nothing new: {_told({name: timed(seen) for name, seen in see.items()})}")
    for runs in NEWS:
        store.journal.append_many([event for _ in range(runs) for event in _run(next(numbers), draw, heads)])
        took = {name: timed(seen) for name, seen in see.items()}
        say(f"{2 * runs:,} new records, of {runs:,} runs: {_told(took)}; load {os.getloadavg()[0]:.1f}")
        index.refresh()


def _told(took: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in took.items())


def _heads(index: FileIndex) -> list[InputRecord]:
    with index.connect() as connection:
        rows = connection.execute(
            """SELECT t.repo, r.name, b.id, b.content FROM kept.refs t JOIN kept.repos r ON r.id = t.repo
            JOIN kept.bundles b ON b.id = t.new WHERE t.kind = 'branch' ORDER BY r.name LIMIT 2000"""
        ).fetchall()
    return [InputRecord("in", repo, name, "main", "branch", bundle, content) for repo, name, bundle, content in rows]


def _run(number: int, draw: random.Random, heads: list[InputRecord]) -> list[Record]:
    outputs = [
        OutputRecord(letter, head.repo, head.repo_name, "main", BundleId(new_ksuid(time.time_ns())), head.content)
        for letter, head in zip("ab", draw.sample(heads, 2), strict=True)
    ]
    return Told(
        number,
        "added",
        "bench",
        inputs=tuple(draw.sample(heads, 4)),
        outputs=tuple(outputs),
        params=(Param("rate", 1), Param("depth", 3, "default")),
    ).events()


def main() -> None:
    """As the module says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("index", type=Path)
    given = parser.parse_args()
    news(open_store(Places(str(given.store), str(given.store)), AUTHOR), given.index)


if __name__ == "__main__":
    main()
