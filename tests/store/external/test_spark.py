"""What of the Spark engine needs no Spark: what a task gives back, what the driver hears, how a failure is told."""

import pickle
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from datamon.errors import Invalid, NotFound, Unavailable
from datamon.store.bundle import Author
from datamon.store.external.access import Access
from datamon.store.external.share_task import ShareTask
from datamon.store.external.shares import Share, cut
from datamon.store.external.source import Listed, Status
from datamon.store.external.spark import SparkEngine, _bring, _Finished, shown_failure
from datamon.store.external.urls import parse_url, path_url
from datamon.store.opening import Places
from datamon.store.repos import create_repo
from datamon.store.sessions.start import get_session, start_session
from datamon.store.testing.web_server import WebServer

TRACE = """An error occurred while calling z:org.apache.spark.api.python.PythonRDD.collectAndServe.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 1 in stage 0.0 failed 4 times: worker.py
Traceback (most recent call last):
  File "share_task.py", line 33, in bring_share
    store = task.access.open()
datamon.errors.Unavailable: the bucket does not answer; try again later

\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator.handlePythonException(PythonRunner.scala:1)
Caused by: org.apache.spark.api.python.PythonException: Traceback (most recent call last):
datamon.errors.Unavailable: the bucket does not answer; try again later
"""


@pytest.fixture
def task(tmp_path: Path) -> ShareTask:
    access = Access(Places(str(tmp_path / "store"), str(tmp_path / "store")), Author("a", "a@b"))
    store = access.open()
    create_repo(store, "raw", "")
    (tmp_path / "a").write_bytes(b"12")
    url = path_url(tmp_path / "a")
    [share] = cut([Listed("a", url, Status(2))], 1, url)
    return ShareTask(access, "raw", start_session(store, "raw").id, url, share)


def test_without_pyspark_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("py4j", "py4j.protocol", "pyspark", "pyspark.sql"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Invalid) as caught:
        SparkEngine()
    assert (caught.value.code, caught.value.extra) == ("missing-extra", "spark")
    assert "pip install 'datamon[spark]'" in caught.value.message


def test_a_task_that_is_done_tells_the_driver_which_and_a_worker_tells_nobody(task: ShareTask) -> None:
    told: list[int] = []
    driver = _Finished(told.append)
    worker = pickle.loads(pickle.dumps(driver))

    class Added:
        places = worker.zero((9,))

        def add(self, places: tuple[int, ...]) -> None:
            self.places = worker.addInPlace(self.places, places)

    finished = Added()
    assert _bring(finished, (3, task)) is None
    assert told == []
    assert driver.addInPlace((1,), finished.places) == (1, 3)
    assert told == [3]
    store = task.access.open()
    assert [split.tag for split in get_session(store, "raw", task.session).splits] == [task.share.tag]


def test_what_cannot_succeed_is_given_back_and_what_passes_is_raised(
    task: ShareTask, web_server: WebServer, tmp_path: Path
) -> None:
    (tmp_path / "a").unlink()
    failure = pickle.loads(pickle.dumps(_bring(None, (0, task))))
    assert (type(failure), failure.code) == (NotFound, "source-not-found")
    assert failure.message.startswith("part-0001-of-0001 on ")
    web_server.status = 503
    url = parse_url(f"{web_server.url}/a")
    with pytest.raises(Unavailable):
        _bring(None, (0, replace(task, share=Share(1, 1, (Listed("a", url, Status(2)),)))))


def test_of_a_trace_the_cause_is_shown() -> None:
    assert (
        shown_failure(RuntimeError(TRACE)) == "datamon.errors.Unavailable: the bucket does not answer; try again later"
    )
    assert shown_failure(RuntimeError(TRACE.splitlines()[0] + "\n: java.lang.IllegalStateException: no\n\tat x")) == (
        "java.lang.IllegalStateException: no"
    )
    assert shown_failure(RuntimeError("Java gateway exited\nmore")) == "Java gateway exited"
    assert shown_failure(RuntimeError()) == "RuntimeError"
