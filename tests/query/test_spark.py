"""Statements answered by a real Spark: the same rows and types as this machine gives, over a store in a bucket and on a disk."""

import importlib.util
import math
import shutil
import sys
from collections.abc import Iterator

import pytest

from datamon.errors import DatamonError, Invalid
from datamon.lineage.records import Param
from datamon.lineage.run_parts import Metric
from datamon.query.elsewhere.spark import ask_spark
from datamon.query.engine import ask
from datamon.query.index import Index, open_index
from datamon.query.testing.worlds import Doing, World
from datamon.store.bundle import Author
from datamon.store.clock import system_clock
from datamon.store.external.access import Access
from datamon.store.journal_merges import last_merges
from datamon.store.journal_merging import merge_records
from datamon.store.opening import Places
from datamon.store.testing.emulator import make_buckets, running_emulator

pytestmark = pytest.mark.slow
OPTIONS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.log.level": "ERROR",
    "spark.sql.shuffle.partitions": "3",
}
ADA = Author("Ada", "ada@example.org")
STATEMENTS = [
    "SELECT repo, count(*) AS n, sum(size) AS bytes FROM files GROUP BY repo ORDER BY repo",
    "SELECT * FROM files ORDER BY repo, bundle, path LIMIT 40",
    "SELECT path, content FROM files WHERE repo = 'features' AND kind = 'file' ORDER BY content, path",
    "SELECT path FROM files JOIN (FROM UPSTREAM OF 'model' AT bundle) u ON u.id = files.bundle ORDER BY path, bundle",
    "SELECT u.depth, count(*) FROM UPSTREAM OF 'model' u JOIN files f ON f.bundle = u.id GROUP BY 1 ORDER BY 1",
    "FROM params ORDER BY run, name",
    "FROM metrics ORDER BY run, name",
    "SELECT name, max(value), arg_max(run, value) FROM metrics WHERE name = 'loss' GROUP BY name ORDER BY name",
    "SELECT p.value, avg(m.value) FROM params p JOIN metrics m USING (run) WHERE p.name = 'k' GROUP BY 1 ORDER BY 1",
    "SELECT r.step, p.name, p.value FROM runs r LEFT JOIN params p ON p.run = r.id ORDER BY ALL",
    "SELECT step, started, inputs.role FROM runs JOIN inputs ON inputs.run = runs.id ORDER BY runs.id, role",
    "SELECT s.output, s.cause, f.path FROM STALE s JOIN files f ON f.bundle = s.output ORDER BY ALL",
    "SELECT count(*) FROM bundles b WHERE EXISTS (FROM files f WHERE f.bundle = b.id AND f.path LIKE 'd/%')",
    "SELECT DISTINCT executable, mode FROM files ORDER BY 1 NULLS FIRST, 2",
    "WITH big AS (SELECT bundle, sum(size) AS s FROM files GROUP BY bundle) SELECT max(s) / 2, min(s) FROM big",
    "SELECT row_number() OVER (PARTITION BY bundle ORDER BY path) AS n, path FROM files ORDER BY bundle, n",
]


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    """Google Cloud Storage with buckets for a store; known to Spark's tasks, for it is there before Spark is."""
    with running_emulator() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", url)
        make_buckets(url, "metadata", "blob")
        yield url


@pytest.fixture(scope="module")
def spark(emulator: str) -> Iterator[None]:
    """Spark on two cores of this machine, for all tests of the module."""
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        pytest.fail("slow tests need pyspark (`make test-slow` installs it) and Java 17 or newer on the PATH")
    from pyspark.sql import SparkSession

    options = " ".join(f"--conf {name}={value}" for name, value in OPTIONS.items())
    variables = {
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": f"--master local[2] {options} pyspark-shell",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "STORAGE_EMULATOR_HOST": emulator,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        session = SparkSession.builder.getOrCreate()
        yield
        session.stop()


@pytest.fixture(scope="module", params=["bucket", "disk"])
def access(request: pytest.FixtureRequest, emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Access:
    """A place for a store that tasks can open, too."""
    place = str(tmp_path_factory.mktemp("store"))
    assert emulator
    return Access(Places("gs://metadata", "gs://blob") if request.param == "bucket" else Places(place, place), ADA)


@pytest.fixture(scope="module")
def world(access: Access) -> World:
    """Runs with params and metrics, part of them merged into segments where records are merged; trees of several directories."""
    made = World(access.open())
    tree = {f"d/{n}/{m}": f"{n * m}" for n in range(4) for m in range(5)}
    made.upload("raw", tree | {"top": "1"})
    for k in range(6):
        if k == 4:
            merge_records(made.store.metadata, system_clock, 1)
        made.run(
            Doing(
                "prepare", ("raw",), {"features": tree | {"k": str(k)}}, params=(Param("k", k), Param("name", f"né{k}"))
            )
        )
        metrics = (Metric("loss", 1 / (k + 1)), Metric("odd", math.inf if k == 2 else -0.5 * k))
        trained = Doing(
            "train", ("features",), {"model": {"m": str(k)}}, params=(Param("k", float(k)),), metrics=metrics
        )
        made.run(trained)
    made.upload("raw", {"top": "2"})
    return made


@pytest.fixture(scope="module")
def index(world: World) -> Index:
    return open_index(world.store)


@pytest.mark.parametrize("text", STATEMENTS)
@pytest.mark.usefixtures("spark")
def test_spark_answers_what_this_machine_answers(world: World, access: Access, index: Index, text: str) -> None:
    here = ask(world.store, text, index=index)
    there = ask_spark(world.store, text, access, index=index)
    assert here.rows
    assert (there.columns, there.types, there.rows) == (here.columns, here.types, here.rows)


def test_there_are_segments_to_scan_and_records_that_are_in_none(world: World, access: Access) -> None:
    merged = sum(segment.rows for segment in last_merges(world.store.metadata).segments)
    everything = len(world.store.journal.read({})[0])
    assert 0 < merged < everything if access.places.metadata.startswith("gs:") else merged == 0


@pytest.mark.usefixtures("spark")
def test_what_cannot_be_answered_points_at_its_place(world: World, access: Access, index: Index) -> None:
    for text in (
        "SELECT nothing FROM files",
        "SELECT read_text('/etc/passwd') FROM files",
        "SELECT path::INT + 1 FROM files",
    ):
        with pytest.raises(DatamonError) as raised:
            ask_spark(world.store, text, access, index=index)
        assert raised.value.message.startswith("line 1, column ")


@pytest.mark.usefixtures("spark")
def test_values_are_bound(world: World, access: Access, index: Index) -> None:
    text = "SELECT count(*) FROM params WHERE value = $v"
    rows = ask_spark(world.store, text, access, index=index, params={"v": "n\u00e92"}).rows
    assert rows == [(1,)]


def test_a_store_that_no_task_can_open_is_refused(world: World, index: Index) -> None:
    access = Access(Places("memory:", "memory:"), ADA)
    with pytest.raises(Invalid) as raised:
        ask_spark(world.store, "SELECT count(*) FROM files", access, index=index)
    assert raised.value.code == "bad-config"
