"""A chain of recorded runs to export: raw → features → model, a run within a run, one that failed, one that goes on."""

import sys
from dataclasses import dataclass
from pathlib import Path

from datamon.lineage.binding import parse_input, parse_output
from datamon.lineage.recording import Recording, RunIntent
from datamon.lineage.records import CodeVersion
from datamon.lineage.testing.bench import Bench
from datamon.store.ids import RunId
from datamon.store.opening import Store

_TABLE = """
import pyarrow as pa, pyarrow.parquet as pq
pq.write_table(pa.table({'id': [1, 2], 'name': ['a', 'b']}), 'f/t.parquet')
"""


@dataclass(frozen=True)
class Chain:
    """The bench it was recorded on, and the runs: `features` reads `raw` and writes a Parquet file, `model` reads that;
    `failed` and `running` have no outputs, and `running` lies within `model`."""

    bench: Bench
    features: RunId
    model: RunId
    failed: RunId
    running: RunId

    @property
    def store(self) -> Store:
        """Where they are recorded."""
        return self.bench.store

    @classmethod
    def make(cls, above: Path, store: Store | None = None) -> "Chain":
        """The runs are recorded when this returns."""
        bench = Bench.make(above, store)
        features = bench.record(
            *(sys.executable, "-c", _TABLE),
            pipeline="p",
            step="features",
            inputs=(parse_input("raw=in"),),
            outputs=(parse_output("features=f"),),
            params=("scale=2.0", "words=été"),
        )
        read, wrote = (parse_input("features=g"),), (parse_output("other=o"),)
        model = bench.record("sh", "-c", "echo m > o/m", pipeline="p", step="model", inputs=read, outputs=wrote)
        failed = bench.record("sh", "-c", "exit 3", pipeline="p", step="fails")
        intent = RunIntent("p", "goes-on", "context", ("x",), ".", CodeVersion(), parent=model.run)
        running = Recording.open(bench.store, intent, bench.policy)
        assert (features.status, model.status, failed.exit_code) == ("succeeded", "succeeded", 3), (
            bench.stdout.getvalue()
        )
        return cls(bench, features.run, model.run, failed.run, running.run)
