"""Checkpoints of logs: they save reads and change no answer."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from blake3 import blake3

from datamon.errors import Invalid
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author, Repo
from datamon.store.codec import encode_sealed
from datamon.store.ids import RepoId
from datamon.store.log import RepoState
from datamon.store.opening import Store, store_on
from datamon.store.refs import delete_label, set_label
from datamon.store.repos import create_repo
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.commits import commit_nothing
from datamon.store.testing.faults import FaultyBackend

ADA = Author("Ada", "ada@example.org")


@dataclass
class Place:
    """A store in memory that processes open, with a folder of this machine or without."""

    folder: Path
    metadata: Backend = field(default_factory=MemoryBackend)
    blob: MemoryBackend = field(default_factory=MemoryBackend)
    clock: SteppingClock = field(default_factory=SteppingClock)

    def process(self, metadata: Backend | None = None) -> Store:
        return store_on(metadata or self.metadata, self.blob, ADA, clock=self.clock, state_dir=self.folder)

    def uncached(self) -> Store:
        return store_on(self.metadata, self.blob, ADA, clock=self.clock)

    def checkpoint(self, repo: Repo | None) -> Path:
        (own,) = self.folder.iterdir()
        return own / "logs" / (repo.id if repo else "store")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "state")


def grown(place: Place, entries: int = 100) -> Repo:
    """A repo with so many entries, moves of branches and labels among them."""
    store = place.uncached()
    repo = create_repo(store, "orders", "")
    chance = random.Random(entries)
    for number in range(entries):
        if number % 5 == 4:
            labels = [ref.name for ref in store.logs.repo(repo.id).refs.values() if ref.kind == "label"]
            delete_label(store, repo, chance.choice(labels))
            continue
        commit_nothing(store, repo, message=str(number), label=f"l{number}" if number % 3 == 0 else None)
    return repo


def assert_alike(one: RepoState, other: RepoState) -> None:
    """Two states say the same."""
    assert one == other
    assert list(one.bundles) == list(other.bundles)
    assert sorted(one.refs) == sorted(other.refs)


def test_a_checkpoint_gives_the_state_that_the_log_gives(place: Place) -> None:
    repo = grown(place)
    whole = place.uncached().logs.repo(repo.id)
    assert_alike(place.process().logs.repo(repo.id), whole)
    assert place.checkpoint(repo).exists()
    assert_alike(place.process().logs.repo(repo.id), whole)


def test_a_fresh_process_reads_the_last_entry_and_looks_for_the_next(place: Place) -> None:
    repo = grown(place)
    place.process().logs.repo(repo.id)
    counted = FaultyBackend(place.metadata)
    place.process(counted).logs.repo(repo.id)
    log = [call for call in counted.calls if layout.log(repo.id) in call]
    assert log == [f"get {layout.log_entry(repo.id, number)}" for number in (100, 101)]


def sizes_as_it_grows(place: Place) -> list[int]:
    """How large the checkpoint is after each of 70 entries, by a process each."""
    repo = grown(place)
    place.process().logs.repo(repo.id)
    sizes = [place.checkpoint(repo).stat().st_size]
    for _ in range(70):
        store = place.process()
        commit_nothing(store, repo)
        assert_alike(place.process().logs.repo(repo.id), place.uncached().logs.repo(repo.id))
        sizes.append(place.checkpoint(repo).stat().st_size)
    assert sizes == sorted(sizes)
    return sizes


def test_a_checkpoint_grows_with_the_log_and_not_at_each_entry(tmp_path: Path) -> None:
    near = Place(tmp_path / "state", LocalBackend(tmp_path / "metadata"))
    assert len(set(sizes_as_it_grows(near))) == 2


def test_a_far_log_has_each_entry_in_its_checkpoint_since_reading_one_is_a_request(place: Place) -> None:
    assert len(set(sizes_as_it_grows(place))) == 71


def test_a_process_that_appends_for_long_keeps_a_checkpoint_too(place: Place) -> None:
    repo = create_repo(place.process(), "orders", "")
    store = place.process()
    for _ in range(200):
        commit_nothing(store, repo)
    assert place.checkpoint(repo).read_bytes().count(b'"number":') >= 192
    assert_alike(place.process().logs.repo(repo.id), store.logs.repo(repo.id))


def test_the_stores_own_log_has_a_checkpoint(place: Place) -> None:
    store = place.process()
    for number in range(70):
        create_repo(store, f"repo-{number}", "")
    assert place.checkpoint(None).exists()
    assert place.process().logs.store() == place.uncached().logs.store()


def test_a_store_restored_to_an_earlier_state_is_read_anew(place: Place) -> None:
    repo = grown(place)
    place.process().logs.repo(repo.id)
    for number in range(90, 101):
        place.metadata.delete(layout.log_entry(repo.id, number))
    assert place.process().logs.repo(repo.id).number == 89
    store = place.uncached()
    for _ in range(30):
        commit_nothing(store, repo)
    assert_alike(place.process().logs.repo(repo.id), store.logs.repo(repo.id))
    assert_alike(place.process().logs.repo(repo.id), store.logs.repo(repo.id))


def test_the_checkpoint_of_another_repo_is_not_believed(place: Place) -> None:
    repo = grown(place)
    other = create_repo(place.uncached(), "others", "")
    for _ in range(120):
        commit_nothing(place.uncached(), other)
    place.process().logs.repo(repo.id)
    place.checkpoint(other).write_bytes(place.checkpoint(repo).read_bytes())
    assert_alike(place.process().logs.repo(other.id), place.uncached().logs.repo(other.id))


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :]


def _resealed(content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    body = change(content[64:])
    return blake3(body).hexdigest().encode() + body


@pytest.mark.parametrize(
    "harm",
    [
        *(lambda content, at=at: _flipped(content, at * len(content) // 60) for at in range(60)),
        lambda _: b"",
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content + content,
        lambda content: _resealed(content, lambda _: b""),
        lambda content: _resealed(content, lambda _: b"{}\n\n"),
        lambda content: _resealed(content, lambda _: b"\xff\n\n" * 100),
        lambda content: _resealed(content, lambda body: b"".join(body.splitlines(keepends=True)[2:])),
        lambda content: _resealed(content, lambda body: b"".join(body.splitlines(keepends=True)[:-2])),
        lambda content: _resealed(content, lambda body: b"{}" + body[body.index(b"\n") :]),
        lambda content: _resealed(content, lambda body: b"[]" + body[body.index(b"\n") :]),
        lambda content: _resealed(content, lambda body: body.replace(b'"moves":', b'"steps":', 1)),
    ],
)
def test_a_damaged_checkpoint_changes_no_answer(place: Place, harm: Callable[[bytes], bytes]) -> None:
    repo = grown(place, 70)
    place.process().logs.repo(repo.id)
    file = place.checkpoint(repo)
    file.write_bytes(harm(file.read_bytes()))
    whole = place.uncached().logs.repo(repo.id)
    assert_alike(place.process().logs.repo(repo.id), whole)
    assert_alike(place.process().logs.repo(repo.id), whole)


def test_a_checkpoint_with_a_newer_format_says_so_as_the_log_does(place: Place) -> None:
    repo = grown(place, 70)
    place.process().logs.repo(repo.id)
    record = place.uncached().logs.repo(repo.id).entries[29].record
    place.metadata.put(layout.log_entry(repo.id, 30), encode_sealed({**record, "format": 3}))
    file = place.checkpoint(repo)
    file.write_bytes(_resealed(file.read_bytes(), lambda body: body.replace(b'"format":1', b'"format":3', 1)))
    with pytest.raises(Invalid) as raised:
        place.process().logs.repo(repo.id)
    assert raised.value.code == "newer-format"


def test_where_no_file_can_be_written_the_log_is_read(place: Place) -> None:
    repo = grown(place, 70)
    place.folder.write_text("in the way")
    store = place.process()
    assert_alike(store.logs.repo(repo.id), place.uncached().logs.repo(repo.id))
    commit_nothing(store, repo)
    assert_alike(store.logs.repo(repo.id), place.uncached().logs.repo(repo.id))


def test_processes_that_share_a_folder_read_the_same(place: Place) -> None:
    repo = grown(place, 70)
    stores = [place.process() for _ in range(4)]
    for number in range(240):
        commit_nothing(stores[number % 4], repo)
        if number % 60 == 0:
            set_label(stores[0], repo, "best", stores[0].logs.repo(repo.id).refs["main"].bundle)
    whole = place.uncached().logs.repo(repo.id)
    for store in (*stores, place.process(), place.process()):
        assert_alike(store.logs.repo(repo.id), whole)


def test_a_repo_whose_id_is_no_ksuid_has_no_file(place: Place) -> None:
    store = place.process()
    for _ in range(70):
        store.logs.append(RepoId("up.to-no-good"), lambda _: {"kind": "move", "moves": [], "run": None})
    assert not list(place.folder.rglob("up*"))
