"""`datamon ingest --engine spark`: what it says without Spark, and what becomes of a tree on Spark's cluster of processes."""

import importlib.util
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from datamon.cli.testing import Ran, Shell
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.places import contents
from datamon.store.testing.web_server import WebServer, running_web_server

Inside = Callable[..., Ran]
LONGEST_S = 240
FILES = {f"{number % 7}/{number:03}.bin": random_bytes(str(number), 3_000 + 20 * number) for number in range(200)}
OPTIONS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.log.level": "ERROR",
}
"""For Spark: two workers of one core and 1 GiB each, in processes of their own."""


@pytest.fixture
def server() -> Iterator[WebServer]:
    with running_web_server() as served:
        served.files.update({f"data/{name}": content for name, content in FILES.items()})
        yield served


@pytest.fixture
def on_spark(orders: Shell, tmp_path: Path) -> Shell:
    """A person whose Spark is a cluster of processes."""
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        pytest.fail("slow tests need pyspark (`make test-slow` installs it) and Java 17 or newer on the PATH")
    options = " ".join(f"--conf {name}={value}" for name, value in OPTIONS.items())
    return orders.having(
        PYSPARK_PYTHON=sys.executable,
        PYSPARK_SUBMIT_ARGS=f"--master local-cluster[2,1,1024] {options} pyspark-shell",
        SPARK_WORKER_DIR=str(tmp_path / "workers"),
        SPARK_LOCAL_DIRS=str(tmp_path / "scratch"),
        SPARK_LOCAL_IP="127.0.0.1",
    )


def manifest(shell: Shell, inside: Inside, bundle: str) -> str:
    [row] = inside(shell, "query", f"SELECT manifest FROM bundles WHERE id = '{bundle}'", "--format", "csv").lines[1:]
    return row


def bundle_of(lines: list[str]) -> str:
    return lines[-1].removeprefix("Ingested bundle id:")


def check_same(shell: Shell, inside: Inside, bundle: str, server: WebServer) -> None:
    """The bundle has, to the last column, what an ingest on this machine makes, and what the server has, byte for byte."""
    inside(shell, "repo", "create", "--repo", "alone", "--description", "d").good()
    alone = inside(shell, "ingest", f"{server.url}/data/", "--repo", "alone").good()
    assert manifest(shell, inside, bundle) == manifest(shell, inside, bundle_of(alone))
    inside(shell, "bundle", "download", "--repo", "orders", "--bundle", bundle, "--destination", "out").good()
    assert contents(shell.cwd / "out") == FILES
    assert inside(shell, "check", "--read-data").code == 0


@pytest.mark.slow
def test_an_executor_that_is_killed_in_the_middle_of_a_task_changes_nothing(
    on_spark: Shell, inside: Inside, server: WebServer
) -> None:
    asked = [0]
    in_the_middle, go_on, lock = threading.Event(), threading.Event(), threading.Lock()

    def held(_: str) -> None:
        with lock:
            asked[0] += 1
            if asked[0] == 60:
                in_the_middle.set()
        if in_the_middle.is_set():
            go_on.wait(LONGEST_S)

    server.held = held
    words = ("ingest", f"{server.url}/data/", "--repo", "orders", "--engine", "spark", "--label", "all")
    with started(on_spark, *words) as driver:
        try:
            assert in_the_middle.wait(LONGEST_S), driver.poll()
            kill_one_executor(driver.pid, server)
        finally:
            go_on.set()
        out, err = driver.communicate(timeout=LONGEST_S)
    assert driver.returncode == 0, err
    assert "4 of 4 splits" in err
    gets = [path for method, path, _ in server.requests if method == "GET"]
    assert len(gets) > len(set(gets))  # the task was run again
    server.held = None
    check_same(on_spark, inside, bundle_of(out.splitlines()), server)


@pytest.mark.slow
def test_a_task_that_fails_for_good_leaves_a_session_that_is_gone_on_with(
    on_spark: Shell, inside: Inside, server: WebServer
) -> None:
    lost = "data/6/195.bin"

    def lose(_: str) -> None:
        content = server.files.pop(lost, None)
        if content is not None:
            kept[lost] = content

    kept: dict[str, bytes] = {}
    server.held = lose
    words = ("ingest", f"{server.url}/data/", "--repo", "orders", "--engine", "spark")
    failed = on_spark(*words)
    assert (failed.code, failed.out) == (4, ""), failed
    assert f"{server.url}/{lost}" in failed.err.splitlines()[-1]
    [session] = [line.split(" ")[0] for line in inside(on_spark, "session", "list", "--repo", "orders").good()]
    assert f"--session {session}" in failed.err
    server.held = None
    server.files.update(kept)
    server.requests.clear()
    ran = on_spark(*words, "--session", session)
    assert (ran.code, "3 of 4 splits are done" in ran.err) == (0, True), ran
    check_same(on_spark, inside, bundle_of(ran.lines), server)


@contextmanager
def started(shell: Shell, *words: str) -> "Iterator[subprocess.Popen[str]]":
    """`datamon` with these words, running; nothing of its processes is left after the block."""
    with shell.start(*words) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                for each in psutil.Process(process.pid).children(recursive=True):
                    each.kill()
                process.kill()


def kill_one_executor(driver: int, server: WebServer) -> None:
    """An executor of which a task is reading from the server is gone, with all that it started."""
    port = int(server.url.rpartition(":")[2])
    for executor in filter(is_executor, psutil.Process(driver).children(recursive=True)):
        below = executor.children(recursive=True)
        if any(is_reading(process, port) for process in below):
            for process in (executor, *below):
                process.kill()
            return
    raise AssertionError("no executor has a task that is reading")


def is_executor(process: psutil.Process) -> bool:
    try:
        return any("CoarseGrainedExecutorBackend" in word for word in process.cmdline())
    except psutil.NoSuchProcess:  # a zombie, or gone
        return False


def is_reading(process: psutil.Process, port: int) -> bool:
    try:
        connections = process.net_connections("tcp")
    except psutil.NoSuchProcess:
        return False
    return any(bool(each.raddr) and each.raddr[1] == port for each in connections)


def test_without_spark_the_extra_is_named(orders: Shell, inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("py4j", "py4j.protocol", "pyspark", "pyspark.sql"):
        monkeypatch.setitem(sys.modules, name, None)
    ran = inside(orders, "ingest", "tree", "--repo", "orders", "--engine", "spark")
    assert (ran.code, "datamon[spark]" in ran.sentence) == (2, True)


def test_a_session_goes_with_spark_alone(orders: Shell, inside: Inside) -> None:
    ran = inside(orders, "ingest", "tree", "--repo", "orders", "--session", "3MUGd8MvWxfKDwfTPG31kdig1HW")
    assert (ran.code, "--engine spark" in ran.sentence) == (2, True)
    assert inside(orders, "ingest", "tree", "--repo", "orders", "--engine", "ray").code == 2
