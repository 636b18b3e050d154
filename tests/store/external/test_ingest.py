"""Ingest: data sets brought in from every scheme, again, and after a kill."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from blake3 import blake3

from datamon.errors import Conflict, Unavailable
from datamon.store.check.check import check
from datamon.store.download import download
from datamon.store.external import bring, fetch
from datamon.store.external.ingest import IngestRequest, ingest
from datamon.store.external.link import LinkRequest, link
from datamon.store.external.source import Listed, Status
from datamon.store.external.sources import Sources
from datamon.store.external.urls import parse_url
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.opening import Store
from datamon.store.progress import Silent
from datamon.store.repos import create_repo
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.places import Place, WebPlace, contents, entries_of
from datamon.store.testing.web_server import WebServer

LONG = random_bytes("long", 3_000_000)
FILES = {"a.csv": b"one", "sub/long.bin": LONG, "sub/empty": b"", "sub/b c": b"two"}


@pytest.fixture
def filled(place: Place) -> Place:
    for name, content in FILES.items():
        place.put(name, content)
    return place


@pytest.fixture
def kept_repo(local_store: Store) -> Store:
    create_repo(local_store, "raw", "for a test")
    return local_store


def request(url: str, **more: str) -> IngestRequest:
    return IngestRequest(url, "raw", "brought", **more)


def test_what_was_ingested_is_in_the_store(kept_repo: Store, filled: Place, tmp_path: Path) -> None:
    made = ingest(kept_repo, request(filled.url, label="now"))
    for name in FILES:
        filled.delete(name)
    download(kept_repo, made, tmp_path / "out")
    assert contents(tmp_path / "out") == FILES
    assert not [finding for finding in check(kept_repo) if finding.is_damage]


def test_a_bundle_holds_only_what_is_there_and_what_the_filter_finds(kept_repo: Store, filled: Place) -> None:
    ingest(kept_repo, request(filled.url))
    filled.delete("a.csv")
    assert set(entries_of(kept_repo, ingest(kept_repo, request(filled.url)))) == {"sub", *FILES} - {"a.csv"}
    filtered = ingest(kept_repo, request(filled.url, pattern=r"^sub/b"))
    assert {path for path, entry in entries_of(kept_repo, filtered).items() if entry.kind == "file"} == {"sub/b c"}


def test_parts_of_long_files_come_together(kept_repo: Store, filled: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PART_BYTES", 100_000)
    monkeypatch.setattr(fetch, "AHEAD_BYTES", 300_000)
    whole = ingest(kept_repo, request(filled.url))
    monkeypatch.undo()
    assert (
        entries_of(kept_repo, whole)["sub/long.bin"].content
        == entries_of(kept_repo, ingest(kept_repo, request(filled.url)))["sub/long.bin"].content
    )


@pytest.fixture
def web(web_server: WebServer) -> WebPlace:
    place = WebPlace(web_server)
    for number in range(30):
        place.put(f"{number:02}.bin", random_bytes(str(number), 1_000))
    return place


def test_only_what_changed_is_read_again(kept_repo: Store, web: WebPlace, web_server: WebServer) -> None:
    ingest(kept_repo, request(web.url))
    assert web_server.count("GET") == 31
    web_server.requests.clear()
    web.put("07.bin", b"changed")
    web.put("new.bin", b"new")
    made = ingest(kept_repo, request(web.url))
    assert sorted(path for method, path, _ in web_server.requests if method == "GET") == [
        "data/",
        "data/07.bin",
        "data/new.bin",
    ]
    assert entries_of(kept_repo, made)["07.bin"].size_bytes == 7


def test_without_etags_or_times_all_is_read_again(kept_repo: Store, web: WebPlace, web_server: WebServer) -> None:
    web_server.etags = False
    ingest(kept_repo, request(web.url))
    web.put("07.bin", random_bytes("other", 1_000))
    made = ingest(kept_repo, request(web.url))
    assert web_server.count("GET") == 62
    assert entries_of(kept_repo, made)["07.bin"].content != entries_of(kept_repo, made)["08.bin"].content


def test_what_is_noted_and_lost_from_the_store_is_read_again(
    kept_repo: Store, web: WebPlace, web_server: WebServer, tmp_path: Path
) -> None:
    ingest(kept_repo, request(web.url))
    for stored in list(kept_repo.blob.list("packs/")):
        kept_repo.blob.delete(stored.key)
    made = ingest(kept_repo, request(web.url))
    assert web_server.count("GET") == 62
    download(kept_repo, made, tmp_path / "out")


def test_a_damaged_note_costs_time_only(kept_repo: Store, web: WebPlace, web_server: WebServer) -> None:
    ingest(kept_repo, request(web.url))
    assert kept_repo.state_dir is not None
    [note] = (kept_repo.state_dir / "sources").iterdir()
    content = bytearray(note.read_bytes())
    content[200] ^= 1
    note.write_bytes(content)
    before = web_server.count("GET")
    ingest(kept_repo, request(web.url))
    assert web_server.count("GET") - before == 2


def test_what_was_read_before_a_failure_is_not_read_again(
    kept_repo: Store, web: WebPlace, web_server: WebServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bring, "STINT_FILES", 10)

    class Stopping(Silent):
        count = 0

        def advance(self, files: int, size_bytes: int) -> None:
            self.count += files
            if self.count == 25:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(kept_repo, request(web.url), progress=Stopping())
    web_server.requests.clear()
    made = ingest(kept_repo, request(web.url))
    assert web_server.count("GET") == 1 + 10
    download(kept_repo, made, tmp_path / "out")
    assert len(contents(tmp_path / "out")) == 30


def test_a_collection_between_a_failure_and_the_next_ingest_loses_nothing(
    kept_repo: Store, web: WebPlace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bring, "STINT_FILES", 10)

    class Stopping(Silent):
        count = 0

        def advance(self, files: int, size_bytes: int) -> None:
            self.count += files
            if self.count == 25:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(kept_repo, request(web.url), progress=Stopping())
    collect(kept_repo, GcRequest(grace_ns=0))
    made = ingest(kept_repo, request(web.url))
    download(kept_repo, made, tmp_path / "out")
    assert len(contents(tmp_path / "out")) == 30
    assert not [finding for finding in check(kept_repo) if finding.is_damage]


def test_a_collection_during_an_ingest_loses_nothing(
    kept_repo: Store, web: WebPlace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bring, "STINT_FILES", 10)

    class Collecting(Silent):
        count = 0

        def advance(self, files: int, size_bytes: int) -> None:
            self.count += files
            if self.count in (25, 26):
                collect(kept_repo, GcRequest(grace_ns=0))

    made = ingest(kept_repo, request(web.url), progress=Collecting())
    download(kept_repo, made, tmp_path / "out")
    assert len(contents(tmp_path / "out")) == 30
    assert not [finding for finding in check(kept_repo) if finding.is_damage]


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from datamon.store.bundle import Author
    from datamon.store.external import bring
    from datamon.store.external.ingest import IngestRequest, ingest
    from datamon.store.opening import Places, open_store
    from datamon.store.progress import Silent

    class Killing(Silent):
        count = 0

        def advance(self, files, size_bytes):
            self.count += files
            if self.count == 25:
                os.kill(os.getpid(), signal.SIGKILL)

    bring.STINT_FILES = 10
    root = Path(sys.argv[1])
    places = Places(str(root / "metadata"), str(root / "blob"), state_dir=root / "state")
    ingest(open_store(places, Author("a", "b")), IngestRequest(sys.argv[2], "raw", "m"), progress=Killing())
"""


def test_an_ingest_that_was_killed_goes_on_where_it_was(
    kept_repo: Store, web: WebPlace, web_server: WebServer, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "store"), web.url]
    assert subprocess.run(command, env=dict(os.environ), check=False).returncode == -signal.SIGKILL
    web_server.requests.clear()
    made = ingest(kept_repo, request(web.url))
    assert web_server.count("GET") == 1 + 10
    download(kept_repo, made, tmp_path / "out")
    assert contents(tmp_path / "out") == {name.removeprefix("data/"): each for name, each in web_server.files.items()}


def test_passing_failures_and_truncated_answers_are_tried_again(
    kept_repo: Store, web: WebPlace, web_server: WebServer, tmp_path: Path
) -> None:
    web_server.failing = 3

    class Truncating(Silent):
        def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
            if what == "ingest":
                web_server.truncating = 3

    made = ingest(kept_repo, request(web.url), progress=Truncating())
    assert web_server.truncating == 0
    download(kept_repo, made, tmp_path / "out")
    assert contents(tmp_path / "out") == {name.removeprefix("data/"): each for name, each in web_server.files.items()}


def test_a_server_that_always_fails_is_unavailable(kept_repo: Store, web: WebPlace, web_server: WebServer) -> None:
    web_server.status = 503
    with pytest.raises(Unavailable) as caught:
        ingest(kept_repo, request(web.url))
    assert caught.value.code == "source-unavailable"
    assert len(web_server.requests) < 10


def test_what_never_stands_still_is_a_conflict(
    kept_repo: Store, web: WebPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "PART_BYTES", 100_000)
    monkeypatch.setattr(fetch, "AHEAD_BYTES", 1)

    class Changing(Silent):
        number = 0

        def advance(self, files: int, size_bytes: int) -> None:
            self.number += 1
            web.put("00.bin", random_bytes(str(self.number), 500_000 + self.number))

    web.put("00.bin", random_bytes("first", 500_000))
    with pytest.raises(Conflict) as caught:
        ingest(kept_repo, request(web.url_of("00.bin")), progress=Changing())
    assert caught.value.code == "source-changed"


def test_a_server_without_ranges_or_lengths_is_read_to_its_end(
    kept_repo: Store, web: WebPlace, web_server: WebServer, tmp_path: Path
) -> None:
    web_server.ranges = web_server.lengths = False
    web.put("long.bin", random_bytes("long", 9_000_000))
    made = ingest(kept_repo, request(web.url))
    download(kept_repo, made, tmp_path / "out")
    assert contents(tmp_path / "out") == {name.removeprefix("data/"): each for name, each in web_server.files.items()}


def test_many_sources_are_read_at_once(kept_repo: Store, web: WebPlace, web_server: WebServer, tmp_path: Path) -> None:
    for number in range(2):
        web.put(f"3{number}.bin", b"so that there are four times eight")
    web_server.together = threading.Barrier(8)
    ingest(kept_repo, request(web.url))
    linked = link(kept_repo, LinkRequest(web.url, "raw", "m", branch="linked"))
    download(kept_repo, linked, tmp_path / "out")
    assert len(contents(tmp_path / "out")) == 32


def test_parts_of_one_long_source_are_read_at_once(
    kept_repo: Store, web_server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "PART_BYTES", 100_000)
    web_server.files["long"] = random_bytes("long", 800_000)
    web_server.together = threading.Barrier(8)
    made = ingest(kept_repo, request(f"{web_server.url}/long"))
    assert entries_of(kept_repo, made)["long"].content == blake3(web_server.files["long"]).hexdigest()


def test_no_more_is_asked_for_ahead_than_the_bound(
    kept_repo: Store, web: WebPlace, web_server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "AHEAD_BYTES", 5_000)
    ahead: list[int] = []

    class Counting(Silent):
        taken = 0

        def advance(self, files: int, size_bytes: int) -> None:
            self.taken += size_bytes
            ahead.append((web_server.count("GET") - 1) * 1_000 - self.taken)

    ingest(kept_repo, request(web.url), progress=Counting())
    assert 0 <= max(ahead) <= 6_000


def test_a_note_that_says_another_content_is_not_believed(kept_repo: Store, web: WebPlace) -> None:
    first = link(kept_repo, LinkRequest(web.url, "raw", "m"))
    assert kept_repo.state_dir is not None
    [note] = (kept_repo.state_dir / "sources").iterdir()
    content = entries_of(kept_repo, first)["07.bin"].content
    other = entries_of(kept_repo, first)["08.bin"].content
    note.write_bytes(note.read_bytes().replace(content.encode(), other.encode()))
    again = link(kept_repo, LinkRequest(web.url, "raw", "m"))
    assert entries_of(kept_repo, again)["07.bin"].content == content


def test_fewer_bytes_than_were_stated_are_not_taken_for_all(web_server: WebServer) -> None:
    web_server.files["a"] = b"123"
    web_server.lengths = web_server.ranges = False
    stated = Listed("a", parse_url(f"{web_server.url}/a"), Status(fetch.PART_BYTES + 1, ranges=False))
    [(listed, content)] = fetch.use_each(Sources(), [stated], lambda _, parts: b"".join(parts))
    assert (listed.at.size_bytes, content) == (None, b"123")
