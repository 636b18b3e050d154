"""Many processes record into one store while others ask: nothing is lost, and no one sees less than before."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from datamon.query.index import open_index
from datamon.query.testing.relations import content_of, rebuilt
from datamon.store.bundle import Author
from datamon.store.opening import Places, open_store
from datamon.store.testing.emulator import make_buckets, running_emulator

RECORDING = Path(__file__).parents[2] / "bench" / "recording.py"
RECORDERS, RUNS, WARM = 16, 3, 1


@pytest.fixture(params=["local", "bucket"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, list[str]]]:
    """Where the store of the crowd lies, and what the recording program is told of it."""
    if request.param == "local":
        yield str(tmp_path / "crowd" / "store"), []
        return
    with running_emulator() as url:
        make_buckets(url, "team")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        yield "gs://team/recorded/crowd", ["--bucket", "gs://team/recorded"]


def test_sixteen_processes_record_while_two_ask_and_nothing_is_lost(
    tmp_path: Path, place: tuple[str, list[str]]
) -> None:
    where, told = place
    words = ["--recorders", RECORDERS, "--queriers", 2, "--runs", RUNS, "--solo-runs", 1, "--repos", 4]
    words += ["--pace", 0, "--ask-every", 0, "--root", tmp_path, "--json", *told]
    done = subprocess.run(
        [sys.executable, str(RECORDING), *map(str, words)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    recorded = RECORDERS * (RUNS + WARM)
    assert answer["recorded"] == recorded
    assert answer["runs_lost"] == answer["outputs_lost"] == 0
    assert answer["refresh_equals_rebuild"]
    assert answer["question_p50_ms"] > 0
    store = open_store(Places(where, where), Author("Ada", "ada@example.org"))
    with open_index(store, index_dir=tmp_path / "crowd" / "index").connect() as connection:
        steps = connection.execute("SELECT step, runs, succeeded FROM steps").fetchall()
        assert steps == [("record", recorded, recorded)]
        heads = connection.execute("SELECT count(*) FROM branches JOIN outputs USING (bundle)").fetchall()
        assert heads == [(4,)]
        assert content_of(connection) == rebuilt(store)
