"""Many processes record into one store while others ask: nothing is lost, and no one sees less than before."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from datamon.cli.session import open_session
from datamon.query.index import open_index
from datamon.query.testing.relations import content_of, rebuilt
from datamon.store.backend.local import LocalBackend
from datamon.store.bundle import Author
from datamon.store.contexts import SharedContexts
from datamon.store.encryption_key import new_key
from datamon.store.testing.emulator import make_buckets, running_emulator
from datamon.store.testing.proxy import Rule, running_proxy

RECORDING = Path(__file__).parents[2] / "bench" / "recording.py"
RECORDERS, RUNS, WARM = 16, 3, 1


KINDS_TOLD = (
    "local",
    "cached bucket",
    "cached spoilt bucket",
    "spoilt bucket without a cache",
    "encrypted",
    "encrypted cached bucket",
    "mirrored",
    "mirrored encrypted",
    "mirrored cached spoilt bucket",
    "mirrored, one of three sides disappearing for good",
)


# Half a minute each, and what they add to the others is only that both ills come together.
LONG = KINDS_TOLD[3], *KINDS_TOLD[-2:]


@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.slow if kind in LONG else ()) for kind in KINDS_TOLD])
def stores(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two contexts, solo and crowd, whose stores lie in places of each kind."""
    with ExitStack() as stack:
        variables, places = KINDS[request.param](tmp_path, stack)
        shared = SharedContexts(LocalBackend(tmp_path / "contexts"), ADA)
        for name, place in places.items():
            shared.create(name, place)
        told = {
            **variables,
            "DATAMON_GLOBAL_CONFIG": str(tmp_path / "contexts"),
            "DATAMON_HOME": str(tmp_path / "home"),
        }
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        yield


Kind = tuple[dict[str, str], dict[str, dict[str, object]]]


def on_disk(root: Path, _: ExitStack) -> Kind:
    return {}, {name: {"metadata": str(root / name / "store")} for name in NAMES}


def encrypted(root: Path, stack: ExitStack) -> Kind:
    return {"DATAMON_ENCRYPTION_KEY": new_key().text}, on_disk(root, stack)[1]


def mirrored(root: Path, _: ExitStack) -> Kind:
    sides = {name: [{"name": side, "metadata": str(root / name / side)} for side in ("eu", "us")] for name in NAMES}
    return {}, {name: {"mirror": {"sides": sides[name]}} for name in NAMES}


def mirrored_and_encrypted(root: Path, stack: ExitStack) -> Kind:
    return encrypted(root, stack)[0], mirrored(root, stack)[1]


def in_an_encrypted_bucket(root: Path, stack: ExitStack) -> Kind:
    variables, places = in_a_bucket(root, stack)
    return {**variables, **encrypted(root, stack)[0]}, places


def in_an_uncached_spoilt_bucket(root: Path, stack: ExitStack) -> Kind:
    variables, places = in_a_spoilt_bucket(root, stack)
    return {**variables, "DATAMON_CACHE_SIZE": "0"}, places


def in_a_spoilt_bucket_and_on_disk(root: Path, stack: ExitStack) -> Kind:
    """The bucket decides."""
    variables, places = in_a_spoilt_bucket(root, stack)
    sides = {
        name: [{"name": "far", **places[name]}, {"name": "near", "metadata": str(root / name / "near")}]
        for name in NAMES
    }
    return variables, {name: {"mirror": {"sides": sides[name]}} for name in NAMES}


def losing_a_side(root: Path, stack: ExitStack) -> Kind:
    """The bucket is gone, for both contexts, when it took so many puts that the crowd is at work."""
    variables, places = in_a_bucket(root, stack)
    proxy = stack.enter_context(running_proxy(variables["STORAGE_EMULATOR_HOST"]))
    sides = {
        name: [
            {"name": "one", "metadata": str(root / name / "one")},
            {"name": "far", **places[name]},
            {"name": "two", "metadata": str(root / name / "two")},
        ]
        for name in NAMES
    }
    proxy.vanish_after("put", 250)
    stack.callback(lambda: proxy.assert_gone())
    return {"STORAGE_EMULATOR_HOST": proxy.url}, {name: {"mirror": {"sides": sides[name]}} for name in NAMES}


def in_a_bucket(_: Path, stack: ExitStack) -> Kind:
    url = stack.enter_context(running_emulator())
    make_buckets(url, "team")
    return {"STORAGE_EMULATOR_HOST": url}, {name: {"metadata": f"gs://team/{name}"} for name in NAMES}


def in_a_spoilt_bucket(root: Path, stack: ExitStack) -> Kind:
    variables, places = in_a_bucket(root, stack)
    rules = [Rule("refused", share=0.03, burst=2), Rule("lost", share=0.02), Rule("truncated", share=0.02)]
    proxy = stack.enter_context(running_proxy(variables["STORAGE_EMULATOR_HOST"], *rules, seed=7))
    return {"STORAGE_EMULATOR_HOST": proxy.url}, places


NAMES = ("solo", "crowd")
ADA = Author("Ada", "ada@example.org")
KINDS: dict[str, Callable[[Path, ExitStack], Kind]] = {
    "local": on_disk,
    "cached bucket": in_a_bucket,
    "cached spoilt bucket": in_a_spoilt_bucket,
    "spoilt bucket without a cache": in_an_uncached_spoilt_bucket,
    "encrypted": encrypted,
    "encrypted cached bucket": in_an_encrypted_bucket,
    "mirrored": mirrored,
    "mirrored encrypted": mirrored_and_encrypted,
    "mirrored cached spoilt bucket": in_a_spoilt_bucket_and_on_disk,
    "mirrored, one of three sides disappearing for good": losing_a_side,
}


@pytest.mark.usefixtures("stores")
def test_sixteen_processes_record_while_two_ask_and_nothing_is_lost(tmp_path: Path) -> None:
    words = ["--recorders", RECORDERS, "--queriers", 2, "--runs", RUNS, "--solo-runs", 1, "--repos", 4]
    words += ["--pace", 0, "--ask-every", 0, "--root", tmp_path, "--json", "--contexts"]
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
    store = open_session(context="crowd").store
    with open_index(store, index_dir=tmp_path / "crowd" / "index").connect() as connection:
        steps = connection.execute("SELECT step, runs, succeeded FROM steps").fetchall()
        assert steps == [("record", recorded, recorded)]
        heads = connection.execute("SELECT count(*) FROM branches JOIN outputs USING (bundle)").fetchall()
        assert heads == [(4,)]
        assert content_of(connection) == rebuilt(store)
