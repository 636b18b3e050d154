"""Many processes record into one store on disk while others ask: nothing is lost, and no one sees less than before."""

import json
import subprocess
import sys
from pathlib import Path

from datamon.query.index import open_index
from datamon.query.testing.relations import content_of, rebuilt
from datamon.store.bundle import Author
from datamon.store.opening import Places, open_store

RECORDING = Path(__file__).parents[2] / "bench" / "recording.py"
RECORDERS, RUNS, WARM = 16, 3, 1


def test_sixteen_processes_record_while_two_ask_and_nothing_is_lost(tmp_path: Path) -> None:
    words = ["--recorders", RECORDERS, "--queriers", 2, "--runs", RUNS, "--solo-runs", 1, "--repos", 4]
    words += ["--pace", 0, "--ask-every", 0, "--root", tmp_path, "--json"]
    done = subprocess.run(
        [sys.executable, str(RECORDING), *map(str, words)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    recorded = RECORDERS * (RUNS + WARM)
    assert told["recorded"] == recorded
    assert told["runs_lost"] == told["outputs_lost"] == 0
    assert told["refresh_equals_rebuild"]
    assert told["question_p50_ms"] > 0
    root = str(tmp_path / "crowd" / "store")
    store = open_store(Places(root, root), Author("Ada", "ada@example.org"))
    with open_index(store, index_dir=tmp_path / "crowd" / "index").connect() as connection:
        steps = connection.execute("SELECT step, runs, succeeded FROM steps").fetchall()
        assert steps == [("record", recorded, recorded)]
        heads = connection.execute("SELECT count(*) FROM branches JOIN outputs USING (bundle)").fetchall()
        assert heads == [(4,)]
        assert content_of(connection) == rebuilt(store)
