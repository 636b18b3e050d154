"""A store of many runs for measuring questions: deep and wide lineage, labels and branches that move, all of it real records.

    python bench/graph_history.py /tmp/history --runs 100000

Steps stand in layers. Each run reads the heads of four repos of the layers below it, now and then its own last output, and
commits to its step's two repos. Records go into the journal's file as recorders write them, a thousand to a write. A bundle has
an entry of its own, as in nature; `--bundles-an-entry 20` spares a million runs two million files, and makes more of the history
matter to staleness than nature does, since what stands in one entry is equally new.
"""

import argparse
import math
import random
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

from datamon.lineage.records import CodeVersion, Param
from datamon.query.testing.events import Told
from datamon.store import layout
from datamon.store.bundle import Author, Repo
from datamon.store.codec import Record, encode_sealed, stamped
from datamon.store.ids import RunId, new_ksuid
from datamon.store.opening import Places, Store, open_store
from datamon.store.repos import create_repo

AUTHOR = Author("bench", "bench@example.org")
LAYERS = 12
INPUTS = 4
AT_ONCE = 1_000
FAILS, OWN_OUTPUT, LABELS = 0.03, 0.3, 0.1
START_NS = 1_750_000_000_000_000_000


@dataclass
class Line:
    """One repo while its history is made: its head, and what no entry has yet."""

    repo: Repo
    head: Record | None = None
    labelled: str | None = None
    number: int = 0
    made: list[Record] = field(default_factory=list)


@dataclass
class Step:
    """One step: what it reads and the two repos that it writes."""

    name: str
    reads: list[Line]
    writes: list[Line]


class History:
    """A store being filled."""

    def __init__(self, store: Store, place: Path, steps: int, seed: int, bundles_an_entry: int) -> None:
        self.store = store
        self.place = place
        self.bundles_an_entry = bundles_an_entry
        self.draw = random.Random(seed)
        self.steps: list[Step] = []
        self.sources = [self._line(f"source-{n}") for n in range(max(INPUTS, steps // LAYERS))]
        below = list(self.sources)
        for layer in range(LAYERS):
            made = [self._step(f"step-{layer}-{n}", below) for n in range(max(1, steps // LAYERS))]
            self.steps += made
            below = [line for step in made for line in step.writes] + self.draw.sample(below, min(len(below), INPUTS))
        self.number = 0

    def _line(self, name: str) -> Line:
        return Line(create_repo(self.store, name, "of a benchmark"))

    def _step(self, name: str, below: list[Line]) -> Step:
        reads = self.draw.sample(below, INPUTS)
        return Step(name, reads, [self._line(f"{name}-{letter}") for letter in "ab"])

    def fill(self, runs: int) -> None:
        """So many runs are recorded, and every bundle they wrote stands in its repo's log."""
        for line in self.sources:
            self._commit(line, None)
        waiting: list[Record] = []
        for n in range(runs):
            if n % 50 == 0:
                self._commit(self.draw.choice(self.sources), None)
            waiting += self._run(self.steps[int(self.draw.betavariate(1.2, 2) * len(self.steps))])
            if len(waiting) >= AT_ONCE:
                self.store.journal.append_many(waiting)
                waiting.clear()
        self.store.journal.append_many(waiting)
        for line in [*self.sources, *(line for step in self.steps for line in step.writes)]:
            self._flush(line)

    def _run(self, step: Step) -> list[Record]:
        self.number += 1
        reads = [line for line in step.reads if line.head]
        if self.draw.random() < OWN_OUTPUT and step.writes[0].head:
            reads = [*reads[1:], step.writes[0]]
        failed = self.draw.random() < FAILS
        inputs = [_read(line, f"in-{n}") for n, line in enumerate(reads)]
        told = Told(
            self.number,
            step.name,
            "bench",
            "failed" if failed else "succeeded",
            params=(Param("rate", self.number % 7), Param("depth", 3, "default")),
            code=CodeVersion(fingerprint=f"{self.number % 97:064x}", method="script"),
        )
        opened, closed = told.events()
        opened["run"]["inputs"] = closed["close"]["inputs"] = inputs
        if not failed:
            closed["close"]["outputs"] = [_write(line, self._commit(line, told.run)) for line in step.writes]
        return [opened, closed]

    def _commit(self, line: Line, run: RunId | None) -> Record:
        content = blake3(f"{line.repo.id} {self.number} {len(line.made)}".encode()).hexdigest()
        bundle: Record = {
            "id": new_ksuid(START_NS + self.number * 10**9),
            "manifest": content,
            "content": content,
            "parents": [line.head["id"]] if line.head else [],
            "author": AUTHOR.to_record(),
            "time": START_NS + self.number * 10**9,
            "message": "made",
            "entries": 1,
            "bytes": 1,
            "run": run,
            "role": line.repo.name if run else None,
        }
        line.head = bundle
        line.made.append(bundle)
        if len(line.made) >= self.bundles_an_entry:
            self._flush(line)
        return bundle

    def _flush(self, line: Line) -> None:
        if not line.made or line.head is None:
            return
        line.number += 1
        moves = [{"ref": "main", "ref_kind": "branch", "old": None, "new": line.head["id"], "frozen": False}]
        if self.draw.random() < LABELS:
            moves.append({"ref": "prod", "ref_kind": "label", "old": None, "new": line.made[0]["id"], "frozen": False})
        entry = {
            "number": line.number,
            "entry": new_ksuid(START_NS),
            "time": START_NS + line.number,
            "author": AUTHOR.to_record(),
            "bundles": [],
            "made": line.made,
            "moves": moves,
        }
        path = self.place / layout.log_entry(line.repo.id, line.number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            encode_sealed(stamped("delete", entry))
        )  # as the store writes it, but for waiting for the disk
        line.made = []


def _read(line: Line, role: str) -> Record:
    head = line.head
    assert head is not None, "only heads are read"
    named = {"role": role, "repo": line.repo.id, "repo_name": line.repo.name, "ref": "main", "ref_kind": "branch"}
    return {
        **named,
        "bundle": head["id"],
        "content": head["content"],
        "path": "",
        "how": "declared",
        "changed": [],
        "directory": None,
    }


def _write(line: Line, bundle: Record) -> Record:
    named = {"role": line.repo.name, "repo": line.repo.id, "repo_name": line.repo.name, "branch": "main"}
    return {**named, "bundle": bundle["id"], "content": bundle["content"]}


def make(place: Path, runs: int, seed: int = 1, bundles_an_entry: int = 1) -> Store:
    """A store at `place` with so many runs."""
    store = open_store(Places(str(place), str(place), place / "state"), AUTHOR)
    History(store, place, 2 * math.isqrt(runs), seed, bundles_an_entry).fill(runs)
    return store


def main() -> None:
    """As the module says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place", type=Path)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--bundles-an-entry", type=int, default=1)
    given = parser.parse_args()
    make(given.place, given.runs, bundles_an_entry=given.bundles_an_entry)


if __name__ == "__main__":
    main()
