"""What is exported as OpenLineage is what its own client reads, and says what was recorded."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from datamon.errors import Unavailable
from datamon.lineage.interchange.openlineage import lines, send, write
from datamon.lineage.interchange.openlineage_names import uuid_of
from datamon.lineage.interchange.story import tell
from datamon.lineage.interchange.survey import selected
from datamon.lineage.testing.chain import Chain
from datamon.lineage.testing.openlineage_schema import faults

Event = dict[str, Any]


def told(chain: Chain) -> list[Event]:
    runs = [chain.features, chain.model, chain.failed, chain.running]
    return [json.loads(line) for line in lines(tell(chain.store, runs))]


def test_every_event_is_what_the_definitions_of_openlineage_allow(chain: Chain) -> None:
    assert [faults(event) for event in told(chain)] == [[]] * 7


def test_the_definitions_are_asked(chain: Chain) -> None:
    event = told(chain)[1]
    broken = [
        {**event, "eventTime": "yesterday"},
        {**event, "eventType": "DONE"},
        {key: value for key, value in event.items() if key != "producer"},
        {**event, "run": {**event["run"], "runId": "7"}},
        {**event, "job": {"namespace": "n"}},
        {**event, "outputs": [{**event["outputs"][0], "facets": {"version": {"datasetVersion": 7}}}]},
    ]

    assert all(faults(each) for each in broken)


def test_a_run_has_a_start_and_the_end_that_it_came_to(chain: Chain) -> None:
    kinds = [(event["job"]["name"], event["eventType"]) for event in told(chain)]

    assert kinds == [
        *(("p.features", "START"), ("p.features", "COMPLETE"), ("p.model", "START"), ("p.model", "COMPLETE")),
        *(("p.fails", "START"), ("p.fails", "FAIL"), ("p.goes-on", "START")),
    ]


def test_what_one_run_wrote_is_what_the_next_one_read(chain: Chain) -> None:
    _, features, _, model, *_ = told(chain)

    [wrote], [read] = features["outputs"], model["inputs"]
    assert (wrote["namespace"], wrote["name"]) == (read["namespace"], read["name"])
    assert wrote["facets"]["version"]["datasetVersion"] == read["facets"]["version"]["datasetVersion"]
    assert [(each["name"], each["type"]) for each in wrote["facets"]["schema"]["fields"]] == [
        ("id", "int64"),
        ("name", "string"),
    ]


def test_params_parent_and_error_are_in_their_facets(chain: Chain) -> None:
    features, *_, failed, running = (event["run"]["facets"] for event in told(chain))

    assert {each["key"]: each["value"] for each in features["executionParameters"]["parameters"]} == {
        "scale": "2.0",
        "words": "été",
    }
    assert (failed["errorMessage"]["message"], failed["datamon_run"]["exit_code"]) == ("exit code 3", 3)
    assert running["parent"]["run"]["runId"] == str(uuid_of(chain.store.id, chain.model))


def test_a_closure_is_told_upstream_first(chain: Chain) -> None:
    assert selected(chain.store, ["other"], closure=True) == [chain.features, chain.model]
    assert selected(chain.store, [chain.model[-8:]], closure=False) == [chain.model]


def test_a_file_is_there_whole_or_not_at_all(chain: Chain, tmp_path: Path) -> None:
    telling = tell(chain.store, [chain.features])
    write(telling, tmp_path / "events.ndjson")

    assert (tmp_path / "events.ndjson").read_bytes().count(b"\n") == 2
    assert [each.name for each in tmp_path.glob(".*")] == []


@contextmanager
def server(refused: int | None = None) -> Iterator[tuple[str, list[tuple[str | None, Event]]]]:
    """A server that takes events that the definitions allow, and refuses the one of a number."""
    taken: list[tuple[str | None, Event]] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            good = self.path == "/api/v1/lineage" and not faults(event) and len(taken) + 1 != refused
            if good:
                taken.append((self.headers.get("Authorization"), event))
            self.send_response(201 if good else 400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the library's)
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_address[1]}", taken
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def test_a_server_takes_every_event_under_the_key(chain: Chain) -> None:
    with server() as (url, taken):
        sent = send(tell(chain.store, [chain.features, chain.model]), url, "k1")

    assert (sent, len(taken)) == (4, 4)
    assert {authorization for authorization, _ in taken} == {"Bearer k1"}


def test_an_event_that_is_not_taken_is_an_error_that_counts_those_that_were(chain: Chain) -> None:
    with server(refused=3) as (url, _), pytest.raises(Unavailable) as caught:
        send(tell(chain.store, [chain.features, chain.model]), url, None)

    assert (caught.value.code, caught.value.sent) == ("source-unavailable", 2)
