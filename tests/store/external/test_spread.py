"""Spread ingests: whatever befalls their tasks, the bundle is that of an ingest on one machine, or there is none."""

import pickle
import threading
from pathlib import Path

import pytest

from datamon.errors import Conflict, DatamonError, Denied, Invalid, Unavailable
from datamon.store.bundle import Author, Bundle
from datamon.store.check.check import check
from datamon.store.download import download
from datamon.store.encryption_key import new_key, write_key
from datamon.store.external import bring
from datamon.store.external.access import Access
from datamon.store.external.gather import gather
from datamon.store.external.ingest import IngestRequest, ingest
from datamon.store.external.share_task import ShareTask, bring_share
from datamon.store.external.shares import cut
from datamon.store.external.sources import Sources
from datamon.store.external.spread import Spread, ingest_spread
from datamon.store.external.urls import parse_url
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.opening import Places, Store
from datamon.store.progress import Silent
from datamon.store.repos import create_repo
from datamon.store.sessions.add import AddRequest, add_split
from datamon.store.sessions.start import cancel_session, get_session, list_sessions, start_session
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.engines import Here, Processes
from datamon.store.testing.places import Place, WebPlace, contents, entries_of
from datamon.store.testing.web_server import WebServer

ADA = Author("Ada", "ada@example.org")


@pytest.fixture
def access(tmp_path: Path) -> Access:
    root = tmp_path / "store"
    return Access(Places(str(root / "metadata"), str(root / "blob"), state_dir=root / "state"), ADA)


@pytest.fixture
def team(access: Access) -> Store:
    store = access.open()
    create_repo(store, "raw", "for a test")
    create_repo(store, "alone", "what one machine makes")
    return store


@pytest.fixture
def web(web_server: WebServer) -> WebPlace:
    place = WebPlace(web_server)
    for number in range(40):
        place.put(f"{number % 3}/{number:02}.bin", random_bytes(str(number), 1_000))
    return place


def request(url: str, repo: str = "raw", pattern: str = "") -> IngestRequest:
    return IngestRequest(url, repo, "brought", label="now", pattern=pattern)


def spread(
    access: Access, engine: Here | Processes, session: str | None = None, tell: list[str] | None = None
) -> Spread:
    return Spread(engine.opened, access, session, (tell if tell is not None else []).append)


def check_same(team: Store, made: Bundle, url: str, pattern: str = "") -> None:
    """The bundle is, to the last column of its manifest, that of an ingest on one machine, and nothing is damaged."""
    assert ingest(team, request(url, "alone", pattern)).manifest == made.manifest
    assert not [finding for finding in check(team) if finding.is_damage]


def test_the_tree_is_that_of_an_ingest_on_one_machine(team: Store, access: Access, place: Place) -> None:
    for number in range(9):
        place.put(f"{'a/' * (number % 4)}{number}.bin", random_bytes(str(number), 5_000))
    told: list[str] = []
    made = ingest_spread(team, request(place.url), spread(access, Here(), tell=told))
    [session] = list_sessions(team, "raw")
    assert (session.state, session.bundle, len(session.splits)) == ("committed", made.id, 4)
    assert told[-1] == "part-0004-of-0004 is done, 4 of 4 splits"
    check_same(team, made, place.url)


def test_empty_directories_and_what_a_filter_leaves_are_there(team: Store, access: Access, tmp_path: Path) -> None:
    (tmp_path / "place" / "x" / "empty").mkdir(parents=True)
    for name in ("x/a.csv", "b.csv", "b.txt"):
        (tmp_path / "place" / name).write_text(name)
    url = (tmp_path / "place").as_uri()
    check_same(team, ingest_spread(team, request(url), spread(access, Here())), url)
    made = ingest_spread(team, request(url, pattern="csv$"), spread(access, Here()))
    assert set(entries_of(team, made)) == {"x", "x/a.csv", "b.csv"}
    check_same(team, made, url, "csv$")
    check_same(team, ingest_spread(team, request(url, pattern="none"), spread(access, Here())), url, "none")


def test_a_task_that_is_killed_in_the_middle_and_run_again_makes_the_same_bundle(
    team: Store, access: Access, web: WebPlace, web_server: WebServer, tmp_path: Path
) -> None:
    engine, seen = Processes(), 0
    chosen = cut(gather(Sources(), parse_url(web.url)), 4, parse_url(web.url))[2]
    lock, is_dead = threading.Lock(), threading.Event()

    def kill_at_the_fifth(path: str) -> None:
        nonlocal seen
        if not is_dead.is_set() and any(each.path == path.removeprefix("data/") for each in chosen.listed):
            with lock:
                seen += 1
                if seen == 5:
                    engine.running[chosen.name].kill()
                    engine.running[chosen.name].wait()
                    is_dead.set()

    web_server.held = kill_at_the_fifth
    made = ingest_spread(team, request(web.url), spread(access, engine))
    assert engine.deaths == [chosen.name]
    asked = [path for method, path, _ in web_server.requests if method == "GET"]
    assert len(asked) > len(set(asked))
    check_same(team, made, web.url)
    download(team, made, tmp_path / "out")
    assert contents(tmp_path / "out") == {name.removeprefix("data/"): each for name, each in web_server.files.items()}


def tasks_of(access: Access, team: Store, url: str, count: int = 4) -> list[ShareTask]:
    at = parse_url(url)
    session = start_session(team, "raw").id
    return [ShareTask(access, "raw", session, at, share) for share in cut(gather(Sources(), at), count, at)]


def test_a_task_that_runs_twice_at_once_leaves_one_split(team: Store, access: Access, web: WebPlace) -> None:
    tasks = tasks_of(access, team, web.url)
    threads = [threading.Thread(target=bring_share, args=(task,)) for task in (*tasks, *tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine = Here()
    made = ingest_spread(team, request(web.url), spread(access, engine, tasks[0].session))
    assert engine.ran == []
    check_same(team, made, web.url)


def test_a_task_goes_on_where_its_machine_made_a_note_whatever_others_did_there_meanwhile(
    team: Store, access: Access, web: WebPlace, web_server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bring, "STINT_FILES", 10)
    task, other = tasks_of(access, team, web.url, 2)

    class Stopping(Silent):
        count = 0

        def advance(self, files: int, size_bytes: int) -> None:
            self.count += files
            if self.count == 15:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring_share(task, progress=Stopping())
    bring_share(other)
    web_server.requests.clear()
    bring_share(pickle.loads(pickle.dumps(task)))
    assert web_server.count("GET") == 10


def test_a_collection_during_a_task_loses_nothing(
    team: Store, access: Access, web: WebPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bring, "STINT_FILES", 10)
    [task] = tasks_of(access, team, web.url, 1)

    class Collecting(Silent):
        count = 0

        def advance(self, files: int, size_bytes: int) -> None:
            self.count += files
            if self.count in (25, 26):
                collect(team, GcRequest(grace_ns=0))

    bring_share(task, progress=Collecting())
    collect(team, GcRequest(grace_ns=0))
    made = ingest_spread(team, request(web.url), spread(access, Here(), task.session))
    check_same(team, made, web.url)


def left_open(team: Store, access: Access, url: str, engine: Here) -> tuple[str, DatamonError]:
    """The session of an ingest that did not end, and why not. Nothing is to be seen of it in the repo."""
    with pytest.raises(DatamonError) as caught:
        ingest_spread(team, request(url), spread(access, engine))
    [session] = [each for each in list_sessions(team, "raw") if each.is_open]
    assert not team.logs.repo(session.repo).bundles
    return session.id, caught.value


def test_without_all_splits_there_is_no_bundle_and_it_can_be_gone_on_with(
    team: Store, access: Access, web: WebPlace, web_server: WebServer
) -> None:
    session, error = left_open(team, access, web.url, Here(leaving_out=frozenset({2, 3})))
    assert (error.code, type(error)) == ("splits-missing", Unavailable)
    assert error.facts["splits"] == ["part-0002-of-0004", "part-0003-of-0004"]
    web_server.requests.clear()
    engine = Here(width=16)
    made = ingest_spread(team, request(web.url), spread(access, engine, session))
    assert engine.ran == ["part-0002-of-0004", "part-0003-of-0004"]
    assert web_server.count("GET") == 4 + 20  # pages, and half of the files
    check_same(team, made, web.url)


def test_what_stopped_the_engine_and_how_to_go_on_is_said(team: Store, access: Access, web: WebPlace) -> None:
    session, error = left_open(team, access, web.url, Here(leaving_out=frozenset({4}), word="no executors"))
    assert error.code == "splits-missing"
    assert "1 of 4 splits were not completed (no executors)" in error.message
    assert f"--session {session}" in error.message


def test_a_task_that_cannot_succeed_ends_it_with_its_own_error(
    team: Store, access: Access, web: WebPlace, web_server: WebServer
) -> None:
    def forbid(path: str) -> None:
        web_server.status = 403

    web_server.held = forbid
    session, error = left_open(team, access, web.url, Here())
    assert (error.code, type(error)) == ("source-denied", Denied)
    web_server.held = web_server.status = None
    check_same(team, ingest_spread(team, request(web.url), spread(access, Here(), session)), web.url)


def test_going_on_takes_the_sources_as_they_are_now(team: Store, access: Access, web: WebPlace) -> None:
    session, _ = left_open(team, access, web.url, Here(leaving_out=frozenset({4})))
    web.put("0/00.bin", b"changed")
    engine = Here()
    made = ingest_spread(team, request(web.url), spread(access, engine, session))
    assert "part-0001-of-0004" in engine.ran
    assert entries_of(team, made)["0/00.bin"].size_bytes == 7
    check_same(team, made, web.url)


def test_going_on_after_most_files_are_gone_leaves_none_of_them(team: Store, access: Access, web: WebPlace) -> None:
    session, _ = left_open(team, access, web.url, Here(leaving_out=frozenset({1})))
    for number in range(1, 40):
        web.delete(f"{number % 3}/{number:02}.bin")
    made = ingest_spread(team, request(web.url), spread(access, Here(), session))
    assert set(entries_of(team, made)) == {"0", "0/00.bin"}
    check_same(team, made, web.url)


def test_going_on_reads_again_what_no_place_proves(
    team: Store, access: Access, web: WebPlace, web_server: WebServer
) -> None:
    web_server.etags = False
    session, _ = left_open(team, access, web.url, Here(leaving_out=frozenset({4})))
    web.put("0/00.bin", random_bytes("other", 1_000))
    made = ingest_spread(team, request(web.url), spread(access, Here(), session))
    check_same(team, made, web.url)


def test_a_late_task_of_an_earlier_listing_stops_the_commit(team: Store, access: Access, web: WebPlace) -> None:
    earlier, *_ = tasks_of(access, team, web.url)
    web.put("0/00.bin", b"changed")

    def tell(sentence: str) -> None:
        if sentence.endswith("4 of 4 splits"):
            bring_share(earlier)

    with pytest.raises(Unavailable) as caught:
        ingest_spread(team, request(web.url), Spread(Here().opened, access, earlier.session, tell))
    assert (caught.value.code, caught.value.splits) == ("splits-missing", ["part-0001-of-0004"])
    made = ingest_spread(team, request(web.url), spread(access, Here(), earlier.session))
    check_same(team, made, web.url)


def test_a_session_of_others_or_one_that_ended_is_refused(
    team: Store, access: Access, web: WebPlace, tmp_path: Path
) -> None:
    (tmp_path / "tree").mkdir()
    session = start_session(team, "raw").id
    add_split(team, AddRequest("raw", session, tmp_path / "tree", "mine"))
    engine = Here()
    with pytest.raises(Invalid) as caught:
        ingest_spread(team, request(web.url), spread(access, engine, session))
    assert caught.value.code == "bad-argument"
    cancel_session(team, "raw", session)
    with pytest.raises(Conflict) as ended:
        ingest_spread(team, request(web.url), spread(access, engine, session))
    assert (ended.value.code, engine.ran) == ("session-ended", [])
    assert [split.name for split in get_session(team, "raw", session).splits] == ["mine"]


def test_names_that_sessions_keep_for_themselves_are_refused(team: Store, access: Access, web: WebPlace) -> None:
    web.put(".conflicts/a", b"1")
    with pytest.raises(Invalid) as caught:
        ingest_spread(team, request(web.url), spread(access, Here()))
    assert (caught.value.code, list_sessions(team, "raw")) == ("unsafe-path", [])
    assert set(entries_of(team, ingest_spread(team, request(web.url, pattern=r"^0/"), spread(access, Here()))))


def test_tasks_that_could_not_open_the_store_are_not_begun(team: Store, access: Access, web: WebPlace) -> None:
    key = new_key()
    for places in (Places("memory://", "memory://"), Places("/x", "memory://"), Places("/x", "/x", key=key)):
        with pytest.raises(Invalid) as caught:
            ingest_spread(team, request(web.url), spread(Access(places, ADA), Here()))
        assert caught.value.code == "bad-config"
        assert key.text not in caught.value.message
    assert list_sessions(team, "raw") == []


def test_the_key_of_an_encrypted_store_is_read_by_the_tasks_and_not_sent(web: WebPlace, tmp_path: Path) -> None:
    key = new_key()
    write_key(tmp_path / "key", key)
    root = str(tmp_path / "secret")
    access = Access(Places(root, root, state_dir=tmp_path / "state"), ADA, tmp_path / "key")
    team = access.open()
    for repo in ("raw", "alone"):
        create_repo(team, repo, "")
    [task, *_] = tasks_of(access, team, web.url)
    assert key.content not in pickle.dumps(task)
    made = ingest_spread(team, request(web.url), spread(access, Processes()))
    check_same(team, made, web.url)
    assert team.encryption is not None
