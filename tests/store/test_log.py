"""Logs: one order whatever the clocks say, one winner for each number, nothing half written."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from datamon.errors import Conflict, Corrupt, Invalid, Unavailable
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author, Bundle, Entry, Move
from datamon.store.codec import Record, decode_sealed, encode_sealed
from datamon.store.ids import RepoId
from datamon.store.log import ATTEMPTS, Pacing, RepoState
from datamon.store.opening import Store, memory_store, store_on
from datamon.store.refs import ref_history, set_label
from datamon.store.repos import create_repo, find_repo, list_repos
from datamon.store.resolve import resolve
from datamon.store.seal import seal
from datamon.store.testing.clocks import START_NS, SteppingClock
from datamon.store.testing.commits import commit_nothing
from datamon.store.testing.faults import WRITES, Fault, FaultKind, FaultyBackend, Killed

ADA, BOB = Author("Ada", "ada@example.org"), Author("Bob", "bob@example.org")
REPO = RepoId("2Q0z8hJ3bW6kR1xY5cN7vM9aT4d")


@dataclass
class Place:
    """Two backends and a clock that several processes share; each `process` reads them with a memory of its own."""

    metadata: MemoryBackend = field(default_factory=MemoryBackend)
    blob: MemoryBackend = field(default_factory=MemoryBackend)
    clock: SteppingClock = field(default_factory=SteppingClock)
    paused_s: list[float] = field(default_factory=list)

    def process(self, author: Author = ADA, metadata: Backend | None = None) -> Store:
        pacing = Pacing(self.paused_s.append, lambda: 0.5)
        return store_on(metadata or self.metadata, self.blob, author, clock=self.clock, pacing=pacing)


@pytest.fixture
def place() -> Place:
    return Place()


def _nothing(_: RepoState) -> Record:
    return {"kind": "delete", "bundles": [], "reason": "a test"}


# -- order


@pytest.mark.parametrize("step_ns", [0, 1, -1, -(10**9), 10**9], ids=["still", "1 ns", "-1 ns", "backwards", "1 s"])
def test_the_order_of_bundles_is_that_of_their_commits_whatever_the_clock_says(step_ns: int) -> None:
    store = memory_store(clock=SteppingClock(step_ns=step_ns))
    repo = create_repo(store, "orders", "")
    made = []
    for n in range(12):
        made.append(commit_nothing(store, repo, message=str(n)))
        assert resolve(store, "orders").bundle == made[-1]
    state = store.logs.repo(repo.id)
    assert list(state.bundles.values()) == made
    assert [bundle.parents for bundle in made[1:]] == [(bundle.id,) for bundle in made[:-1]]
    assert all(later.time_ns - earlier.time_ns >= 1 for earlier, later in pairwise(state.entries))
    assert [entry.number for entry in state.entries] == list(range(1, 13))


def test_two_processes_with_clocks_apart_write_one_order_of_rising_times(place: Place) -> None:
    late = place.process(ADA)
    early = store_on(place.metadata, place.blob, BOB, clock=SteppingClock(START_NS - 10**15, step_ns=0))
    repo = create_repo(late, "orders", "")
    made = [commit_nothing(store, repo) for store in (late, early, late, early, early)]
    assert list(early.logs.repo(repo.id).bundles.values()) == made
    entries = late.logs.repo(repo.id).entries
    assert all(later.time_ns > earlier.time_ns for earlier, later in pairwise(entries))
    assert [entry.author for entry in entries] == [ADA, BOB, ADA, BOB, BOB]


# -- what an entry is


def test_an_entry_is_stored_as_the_format_says(place: Place) -> None:
    store = place.process()
    repo = create_repo(store, "orders", "what came in")
    bundle = commit_nothing(store, repo, message="first", label="v1")
    common = {"format": 1, "number": 1, "author": {"name": "Ada", "email": "ada@example.org"}}
    created = decode_sealed(place.metadata.get(f"log/{1:020d}"), "")
    assert created == common | {
        "kind": "repo-created",
        "repo": repo.id,
        "name": "orders",
        "description": "what came in",
        "entry": created["entry"],
        "time": repo.created_ns,
    }
    content = place.metadata.get(f"repos/{repo.id}/log/{1:020d}")
    committed = decode_sealed(content, "")
    assert committed == common | {
        "kind": "commit",
        "bundle": bundle.to_record(),
        "session": None,
        "moves": [
            {"ref": "main", "ref_kind": "branch", "old": None, "new": bundle.id, "frozen": False},
            {"ref": "v1", "ref_kind": "label", "old": None, "new": bundle.id, "frozen": False},
        ],
        "entry": committed["entry"],
        "time": bundle.time_ns,
    }
    assert encode_sealed(committed) == content


def test_each_attempt_is_in_the_journal_before_it_is_made(place: Place) -> None:
    store = place.process()
    repo = create_repo(store, "orders", "")
    commit_nothing(store, repo)
    intents, _ = store.journal.read({})
    [created], [committed] = store.logs.store().entries, store.logs.repo(repo.id).entries
    assert [(intent["kind"], intent["repo"], intent["number"], intent["entry"]) for intent in intents] == [
        ("intent", None, 1, created.id),
        ("intent", repo.id, 1, committed.id),
    ]


# -- racers


def test_a_writer_that_lost_reads_the_winner_and_takes_the_next_number(place: Place) -> None:
    slow, fast = place.process(ADA), place.process(BOB)
    repo = create_repo(slow, "orders", "")
    first = commit_nothing(slow, repo)
    won: list[Bundle] = []

    def make(state: RepoState) -> Record:
        if not won:
            won.append(commit_nothing(fast, repo))
        return _nothing(state)

    entry = slow.logs.append(repo.id, make)
    assert entry.number == 3
    assert list(slow.logs.repo(repo.id).bundles) == [first.id, won[0].id]
    assert fast.logs.repo(repo.id).entries[-1] == entry
    assert place.paused_s == []


def test_a_commit_that_lost_has_the_winner_as_its_parent(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, fast = place.process(ADA), place.process(BOB)
    repo = create_repo(slow, "orders", "")
    commit_nothing(slow, repo)
    winners: list[Bundle] = []
    append_intent = slow.journal.append

    def append_and_lose(record: Record) -> None:
        append_intent(record)
        if not winners:
            winners.append(commit_nothing(fast, repo))

    monkeypatch.setattr(slow.journal, "append", append_and_lose)
    loser = commit_nothing(slow, repo, label="v1")
    assert loser.parents == (winners[0].id,)
    assert [(move.old, move.new) for _, move in ref_history(fast, repo, "main")][-1] == (winners[0].id, loser.id)
    assert [move.new for _, move in ref_history(fast, repo, "v1")] == [loser.id]


def test_a_writer_that_always_loses_gives_up_after_bounded_pauses(place: Place) -> None:
    slow, fast = place.process(ADA), place.process(BOB)
    calls = []

    def make(state: RepoState) -> Record:
        calls.append(fast.logs.append(REPO, _nothing))
        return _nothing(state)

    with pytest.raises(Conflict, match="try again when fewer write") as refusal:
        slow.logs.append(REPO, make)
    assert refusal.value.code == "log-contended"
    assert len(calls) == ATTEMPTS
    assert len(place.paused_s) == ATTEMPTS - 3
    assert max(place.paused_s) == 0.05
    assert sum(place.paused_s) < 10


def test_a_label_move_that_says_what_no_longer_holds_raises_conflict(place: Place) -> None:
    store = place.process()
    repo = create_repo(store, "orders", "")
    first, second = commit_nothing(store, repo), commit_nothing(store, repo)
    move = Move("main", "branch", first.id, second.id)
    with pytest.raises(Conflict) as refusal:
        store.logs.append(repo.id, lambda _: {"kind": "move", "moves": [move.to_record()], "run": None})
    assert refusal.value.code == "ref-moved"
    assert store.logs.repo(repo.id).number == 2


def test_threads_of_one_process_lose_nothing(place: Place) -> None:
    store, other = place.process(ADA), place.process(BOB)
    repo = create_repo(store, "orders", "")
    with ThreadPoolExecutor(8) as writers:
        made = list(writers.map(lambda n: commit_nothing((store, other)[n % 2], repo), range(60)))
    state = place.process().logs.repo(repo.id)
    assert set(state.bundles) == {bundle.id for bundle in made}
    assert [bundle.parents for bundle in state.bundles.values()] == [(), *((b,) for b in list(state.bundles)[:-1])]
    assert store.logs.repo(repo.id) == other.logs.repo(repo.id) == state


_WRITER = """
import sys
from datamon.store.bundle import Author
from datamon.store.opening import Places, open_store
from datamon.store.repos import find_repo
from datamon.store.testing.commits import commit_nothing
root, who = sys.argv[1:]
store = open_store(Places(root + "/metadata", root + "/blob"), Author(who, who))
repo = find_repo(store, "orders")
for number in range(25):
    commit_nothing(store, repo, message=f"{who} {number}")
"""


def test_four_processes_that_commit_to_one_branch_lose_nothing(local_store: Store, tmp_path: Path) -> None:
    repo = create_repo(local_store, "orders", "")
    root = str(tmp_path / "store")
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, root, str(who)]) for who in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    bundles = list(local_store.logs.repo(repo.id).bundles.values())
    assert sorted(bundle.message for bundle in bundles) == sorted(f"{w} {n}" for w in range(4) for n in range(25))
    assert all(later.parents == (earlier.id,) for earlier, later in pairwise(bundles))
    settled = {(entry.number, entry.id) for entry in local_store.logs.repo(repo.id).entries}
    intents, cursor = local_store.journal.read({})
    assert settled <= {(intent["number"], intent["entry"]) for intent in intents}
    assert cursor["skipped"] == 0


# -- failures

_JOURNAL, _LOG = 1, 2
"""The writes of an append: its intent, then its entry."""


@pytest.mark.parametrize("kind", ["before", "full", "killed-before", "killed-after", "after"])
@pytest.mark.parametrize("write", [_JOURNAL, _LOG])
def test_an_interrupted_commit_is_whole_or_invisible(place: Place, write: int, kind: FaultKind) -> None:
    store = place.process()
    repo = create_repo(store, "orders", "")
    first = commit_nothing(store, repo, label="v1")
    # The empty manifest is there already, so that a commit's writes are its intent and its entry.
    dying = place.process(BOB, FaultyBackend(place.metadata, Fault(write, kind), methods=WRITES))
    stands = write == _LOG and kind in ("after", "killed-after")
    if write == _LOG and kind == "after":
        commit_nothing(dying, repo, label="v1")
    else:
        with pytest.raises((Unavailable, Killed)):
            commit_nothing(dying, repo, label="v1")
    for seen in (store, place.process()):
        state = seen.logs.repo(repo.id)
        assert len(state.bundles) == (2 if stands else 1)
        head = list(state.bundles)[-1]
        assert resolve(seen, "orders").bundle.id == head
        assert resolve(seen, "orders@v1").bundle.id == head
        assert (head == first.id) is not stands
    assert commit_nothing(store, repo).parents == (head,)


def test_an_answer_that_was_lost_is_no_conflict_with_oneself(place: Place) -> None:
    place.process()
    backend = FaultyBackend(place.metadata, Fault(_LOG, "after"), methods=WRITES)
    assert create_repo(place.process(metadata=backend), "orders", "") == find_repo(place.process(), "orders")
    assert [call.split()[0] for call in backend.calls] == ["put_if_absent"] * 2
    assert len(place.process().logs.store().entries) == 1


def test_a_write_whose_entry_another_thread_reads_first_is_in_the_state_once(place: Place) -> None:
    class ReadAtOnce(MemoryBackend):
        """Lets another thread read the log between the write and its answer."""

        def put_if_absent(self, key: str, content: bytes) -> bool:
            won = super().put_if_absent(key, content)
            if key.startswith("repos/"):
                assert len(store.logs.entries_after(REPO, 0)) == int(key[-20:])
            return won

    store = store_on(ReadAtOnce(), place.blob, ADA)
    made = [store.logs.append(REPO, _nothing) for _ in range(3)]
    assert store.logs.repo(REPO).entries == made


def test_a_retry_inside_the_backend_that_finds_its_own_write_is_a_win(place: Place) -> None:
    class Retrying(MemoryBackend):
        """Says that the number is taken, as a client does whose first try was carried out and not answered."""

        def put_if_absent(self, key: str, content: bytes) -> bool:
            return super().put_if_absent(key, content) and not key.startswith("log/")

    store = store_on(Retrying(), place.blob, ADA)
    create_repo(store, "orders", "")
    assert [repo.name for repo in list_repos(store)] == ["orders"]
    assert len(store.logs.store().entries) == 1


def test_a_repo_that_exists_is_refused_without_a_write_or_a_second_try(place: Place) -> None:
    create_repo(place.process(), "orders", "")
    backend = FaultyBackend(place.metadata)
    late = place.process(metadata=backend)
    backend.calls.clear()
    with pytest.raises(Conflict):
        create_repo(late, "orders", "")
    assert backend.calls == [f"get log/{1:020d}", "list log/"]
    backend.calls.clear()
    with pytest.raises(Conflict):
        create_repo(late, "orders", "")
    assert backend.calls == [f"get log/{2:020d}"]
    assert place.paused_s == []


def test_a_log_with_nothing_new_costs_one_read(place: Place) -> None:
    backend = FaultyBackend(place.metadata)
    store = place.process(metadata=backend)
    repo = create_repo(store, "orders", "")
    for _ in range(3):
        commit_nothing(store, repo)
    backend.calls.clear()
    assert len(store.logs.repo(repo.id).bundles) == 3
    assert backend.calls == [f"get repos/{repo.id}/log/{4:020d}"]


def test_a_state_that_was_given_out_does_not_change(place: Place) -> None:
    store = place.process()
    repo = create_repo(store, "orders", "")
    commit_nothing(store, repo)
    before = store.logs.repo(repo.id)
    copied = (before.number, dict(before.bundles), dict(before.refs), list(before.history), list(before.entries))
    commit_nothing(store, repo, label="v1")
    again = (before.number, dict(before.bundles), dict(before.refs), list(before.history), list(before.entries))
    assert again == copied
    assert store.logs.repo(repo.id).number == before.number + 1


def test_entries_after_a_number_are_those_behind_it(place: Place) -> None:
    store = place.process()
    repo = create_repo(store, "orders", "")
    made = [store.logs.append(repo.id, _nothing) for _ in range(4)]
    assert store.logs.entries_after(repo.id, 2) == made[2:]
    assert store.logs.entries_after(repo.id, 4) == []
    assert [entry.kind for entry in store.logs.entries_after(None, 0)] == ["repo-created"]


# -- damage


def _append_some(place: Place) -> Callable[[], list[Entry]]:
    store = place.process()
    for _ in range(3):
        store.logs.append(REPO, _nothing)
    return lambda: place.process().logs.entries_after(REPO, 0)


def test_an_entry_that_is_missing_is_named(place: Place) -> None:
    read = _append_some(place)
    place.metadata.delete(layout.log_entry(REPO, 2))
    with pytest.raises(Corrupt, match=f"log/{2:020d} is missing"):
        read()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"format":1}',
        b'{"format":1,"kind":"move","number":2}',
        b'{"format":1,"kind":"commit","number":2,"entry":"e","time":1,"author":{"name":"","email":""},"bundle":{},"moves":[]}',
        b'{"format":1,"kind":"swept","number":3,"entry":"e","time":1,"author":{"name":"","email":""}}',
        b'{"format":1,"kind":"repo-deleted","number":2,"entry":"e","time":1,"author":{"name":"","email":""},"repo":"x"}',
    ],
)
def test_an_entry_that_cannot_be_read_is_named(place: Place, content: bytes) -> None:
    read = _append_some(place)
    place.metadata.put(layout.log_entry(REPO, 2), seal(content))
    with pytest.raises(Corrupt, match=f"{2:020d}") as refusal:
        read()
    assert refusal.value.code == "bad-record"


@pytest.mark.parametrize("fields", [{"kind": "repo-renamed", "repo": "x", "name": "y"}, {"kind": "repo-created"}])
def test_a_store_log_that_contradicts_itself_is_named(place: Place, fields: Record) -> None:
    store = place.process()
    create_repo(store, "orders", "")
    record = decode_sealed(place.metadata.get(layout.log_entry(None, 1)), "")
    own = {key: record[key] for key in ("format", "entry", "time", "author")}
    place.metadata.put(layout.log_entry(None, 2), encode_sealed({**own, "number": 2, **fields}))
    with pytest.raises(Corrupt, match="does not agree with itself"):
        list_repos(place.process())


def test_an_entry_in_a_newer_format_stops_reader_and_writer(place: Place) -> None:
    read = _append_some(place)
    place.metadata.put(layout.log_entry(REPO, 4), encode_sealed({"format": 3}))
    for attempt in (read, lambda: place.process().logs.append(REPO, _nothing)):
        with pytest.raises(Invalid) as refusal:
            attempt()
        assert refusal.value.code == "newer-format"
    assert not place.metadata.has(layout.log_entry(REPO, 5))


def test_repos_that_were_renamed_or_deleted_are_read(place: Place) -> None:
    store = place.process()
    orders, parts = create_repo(store, "orders", ""), create_repo(store, "parts", "")
    store.logs.append(None, lambda _: {"kind": "repo-renamed", "repo": orders.id, "name": "sales"})
    store.logs.append(None, lambda _: {"kind": "repo-deleted", "repo": parts.id})
    for seen in (store, place.process()):
        assert [(repo.name, repo.id) for repo in list_repos(seen)] == [("sales", orders.id)]
        assert set(seen.logs.store().deleted) == {parts.id}
    assert create_repo(store, "orders", "again").id != orders.id
    set_label(store, orders, "v1", commit_nothing(store, orders).id)
    assert resolve(store, "sales@v1").repo.id == orders.id
