"""The caching backend: what it wraps, only with fewer questions, whatever becomes of the files that it keeps."""

import errno
import os
import random
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from datamon.errors import NotFound
from datamon.store import cache_files
from datamon.store.backend import Appending, Backend, Span
from datamon.store.backend.caching import BLOCK_BYTES, WHOLE_BYTES, CachingBackend, DiskCache
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.layout import never_changes
from datamon.store.testing import contract
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.faults import FaultyBackend

LIMIT = 64 * 2**20


def caching(backend: Backend, folder: Path, limit_bytes: int = LIMIT) -> CachingBackend:
    """A cache that keeps every key."""
    return CachingBackend(backend, DiskCache(folder, limit_bytes, bool))


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("limit_bytes", [LIMIT, 100_000], ids=["roomy", "tight"])
@pytest.mark.parametrize("place", ["memory", "local"])
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds(check: Callable[[Backend], None], place: str, limit_bytes: int, tmp_path: Path) -> None:
    check(caching(MemoryBackend() if place == "memory" else LocalBackend(tmp_path / "s"), tmp_path / "c", limit_bytes))


def test_it_does_not_append() -> None:
    assert not isinstance(caching(MemoryBackend(), Path("unused")), Appending)


def test_what_was_read_once_is_not_asked_for_again_not_even_by_another_process(tmp_path: Path) -> None:
    place = MemoryBackend()
    content = random_bytes("pack", 5 * BLOCK_BYTES + 17)
    place.put("packs/a", content)
    place.put("small", b"x")
    for expected in (["get packs/a", "get packs/a", "get small"], []):
        asked = FaultyBackend(place)
        backend = caching(asked, tmp_path)
        for start in (BLOCK_BYTES // 2, 0):
            assert backend.get("packs/a", Span(start, 2 * BLOCK_BYTES)) == content[start:][: 2 * BLOCK_BYTES]
        assert backend.get("packs/a", Span(BLOCK_BYTES, 10 * BLOCK_BYTES)) == content[BLOCK_BYTES:]
        assert backend.get("small") == b"x"
        assert backend.get("small", Span(-1, 1)) == b"x"
        assert asked.calls == expected


def test_neighbouring_blocks_are_one_request(tmp_path: Path) -> None:
    place = FaultyBackend(MemoryBackend())
    content = random_bytes("pack", 8 * BLOCK_BYTES)
    place.put("p", content)
    backend = caching(place, tmp_path)
    backend.get("p", Span(3 * BLOCK_BYTES, 1))
    place.calls.clear()
    assert backend.get("p", Span(0, 8 * BLOCK_BYTES)) == content
    assert place.calls == ["get p", "get p"]


def test_what_is_not_there_is_asked_for_again_and_what_was_put_is_not_kept(tmp_path: Path) -> None:
    place = FaultyBackend(MemoryBackend())
    backend = caching(place, tmp_path)
    for _ in range(2):
        with pytest.raises(NotFound):
            backend.get("a")
        with pytest.raises(NotFound):
            backend.get("a", Span(0, 5))
    assert place.calls == ["get a"] * 4
    backend.put("a", b"x")
    assert backend.put_if_absent("b", b"y")
    assert files(tmp_path) == []


def test_keys_that_may_change_are_not_kept(tmp_path: Path) -> None:
    place = MemoryBackend()
    backend = CachingBackend(place, DiskCache(tmp_path, LIMIT, never_changes))
    changing = ["store.json", "blobs.json", "log/00000000000000000001", "repos/x/log/00000000000000000001", "open/x"]
    for key in [*changing, "journal/w/00000000000000000001"]:
        place.put(key, b"old")
        assert backend.get(key) == b"old"
        place.put(key, b"new")
        assert backend.get(key) == b"new"
    assert files(tmp_path) == []


def test_what_another_deleted_is_not_had_or_listed_and_what_was_deleted_here_is_not_given(tmp_path: Path) -> None:
    place = MemoryBackend()
    backend = caching(place, tmp_path)
    for key in ("a", "b"):
        place.put(key, b"x")
        backend.get(key)
    place.delete("a")
    backend.delete("b")
    assert not backend.has("a")
    assert list(backend.list("")) == []
    with pytest.raises(NotFound):
        backend.get("b")
    assert backend.put_if_absent("a", b"x")


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "swap"])
def test_a_damaged_file_is_dropped_and_read_anew(damage: str, tmp_path: Path) -> None:
    place = MemoryBackend()
    contents = {key: random_bytes(key, 2 * BLOCK_BYTES + 5) for key in ("a", "b")}
    backend = caching(place, tmp_path)
    for key, content in contents.items():
        place.put(key, content)
        backend.get(key, Span(0, len(content)))
    spoil(files(tmp_path), damage, random.Random(1))
    for key, content in contents.items():
        assert backend.get(key, Span(0, len(content))) == content
    asked = FaultyBackend(place)
    again = caching(asked, tmp_path)
    for key, content in contents.items():
        assert again.get(key, Span(0, len(content))) == content
    assert asked.calls == []


def spoil(found: list[Path], damage: str, draw: random.Random) -> None:
    """Every file is another than was written; swapped ones have each other's bytes."""
    contents = [path.read_bytes() for path in found]
    if damage == "swap":
        contents = contents[1:] + contents[:1]
    for path, content in zip(found, contents, strict=True):
        at = draw.randrange(len(content) or 1)
        flipped = content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :] if content else b"?"
        path.write_bytes({"flip": flipped, "cut": content[:-1], "empty": b"", "swap": content}[damage])


def test_what_was_used_longest_ago_goes_first_and_the_limit_holds(tmp_path: Path) -> None:
    place = FaultyBackend(MemoryBackend())
    now = count(2_000_000_000 * 10**9, 100 * 10**9)
    backend = CachingBackend(place, DiskCache(tmp_path, 10_500, bool), lambda: next(now))
    for number in range(10):
        place.put(f"k{number}", bytes(1_000))
        backend.get(f"k{number}")
    backend.get("k0")  # from now on the one used last
    place.put("more", bytes(1_000))
    backend.get("more")
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 10_500
    place.calls.clear()
    backend.get("k0")
    backend.get("more")
    assert place.calls == []
    for number in range(1, 4):
        backend.get(f"k{number}")
    assert place.calls


def test_what_is_larger_than_all_room_is_not_kept(tmp_path: Path) -> None:
    place = MemoryBackend()
    place.put("a", bytes(WHOLE_BYTES + 1))
    place.put("b", bytes(2_000))
    caching(place, tmp_path).get("a")
    caching(place, tmp_path, 1_000).get("b")
    assert files(tmp_path) == []


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_disk_that_takes_nothing_is_left_alone(fault: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def refuse(path: Path, *_: object, **__: object) -> None:
        tried.append(path)
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(cache_files, "open", refuse, raising=False)
    place = MemoryBackend()
    backend = caching(place, tmp_path)
    for key in ("a", "b"):
        place.put(key, b"x")
        assert backend.get(key) == b"x"
    assert len(tried) == 1


def test_a_folder_that_cannot_be_made_costs_no_more_than_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    place = MemoryBackend()
    place.put("a", b"x")
    assert caching(place, tmp_path / "file" / "cache").get("a") == b"x"


KEYS = st.sampled_from(["a", "b", "c/d", "c/e"])
SPANS = st.one_of(
    st.none(),
    st.builds(Span, st.integers(-3 * BLOCK_BYTES, 3 * BLOCK_BYTES), st.integers(0, 3 * BLOCK_BYTES)),
    st.builds(Span, st.integers(-40, 40), st.integers(0, 40)),
)
SIZES = st.sampled_from([0, 1, 30, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES + 3])


class CacheMachine(RuleBasedStateMachine):
    """Two processes with one cache do what their place does, for keys whose content never changes, whatever happens to files."""

    numbers = count()

    @initialize(limit_bytes=st.sampled_from([2_000, 3 * BLOCK_BYTES, LIMIT]))
    def begin(self, limit_bytes: int) -> None:
        self.folder = self.root / str(next(self.numbers))
        self.place = MemoryBackend()
        self.processes = [caching(self.place, self.folder, limit_bytes) for _ in range(2)]
        self.limit_bytes = limit_bytes
        self.ever: set[str] = set()

    @property
    def root(self) -> Path:
        raise NotImplementedError

    @rule(key=KEYS, size=SIZES, by=st.integers(0, 1), is_conditional=st.booleans())
    def put(self, key: str, size: int, by: int, is_conditional: bool) -> None:
        if key in self.ever and not self.place.has(key):
            return  # a name never comes back
        content = self.place.get(key) if key in self.ever else random_bytes(f"{key} {size}", size)
        was_there = self.place.has(key)
        self.ever.add(key)
        if is_conditional:
            assert self.processes[by].put_if_absent(key, content) == (not was_there)
        else:
            self.processes[by].put(key, content)

    @rule(key=KEYS, span=SPANS, by=st.integers(0, 1))
    def get(self, key: str, span: Span | None, by: int) -> None:
        if self.place.has(key):
            assert self.processes[by].get(key, span) == self.place.get(key, span)
        elif key not in self.ever:
            with pytest.raises(NotFound):
                self.processes[by].get(key, span)

    @rule(key=KEYS, by=st.integers(0, 1))
    def delete(self, key: str, by: int) -> None:
        self.processes[by].delete(key)
        with pytest.raises(NotFound):
            self.processes[by].get(key)

    @rule(damage=st.sampled_from(["flip", "cut", "empty", "swap"]), seed=st.integers(0, 99))
    def spoil(self, damage: str, seed: int) -> None:
        draw = random.Random(seed)
        found = [path for path in files(self.folder) if draw.random() < 0.5]
        spoil(found, damage, draw)

    @rule(seed=st.integers(0, 99))
    def lose(self, seed: int) -> None:
        draw = random.Random(seed)
        for path in files(self.folder):
            if draw.random() < 0.5:
                path.unlink()

    @invariant()
    def agrees(self) -> None:
        for process in getattr(self, "processes", []):
            assert list(process.list("")) == list(self.place.list(""))
            assert all(process.has(key) == self.place.has(key) for key in self.ever)


def test_a_caching_backend_is_the_backend(tmp_path: Path) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    class Machine(CacheMachine):
        root = tmp_path

    run_state_machine_as_test(Machine, settings=settings(max_examples=60, stateful_step_count=25, deadline=None))
