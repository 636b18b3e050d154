"""Contexts that a team shares: versions that exactly one writer wins, on every kind of backend."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.errors import Conflict, Corrupt, DatamonError, Invalid, NotFound, Unavailable
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.backend.gcs import GcsBackend
from datamon.store.backend.keys import is_key
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author
from datamon.store.codec import encode_sealed
from datamon.store.contexts import SharedContext, SharedContexts
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.faults import WRITES, Fault, FaultKind, FaultyBackend

ADA, BOB = Author("Ada", "ada@example.org"), Author("Bob", "bob@example.org")
PROD = {"metadata": "gs://m", "blob": "gs://b"}


def contexts(backend: Backend, author: Author = ADA) -> SharedContexts:
    return SharedContexts(backend, author, SteppingClock())


@pytest.fixture(params=["memory", "local", "gcs"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    if request.param == "memory":
        return MemoryBackend()
    if request.param == "local":
        return LocalBackend(tmp_path / "team")
    return GcsBackend(request.getfixturevalue("bucket"), tmp_path.name)


def test_what_one_person_writes_another_finds(backend: Backend) -> None:
    made = contexts(backend).create("prod", PROD)
    contexts(backend, BOB).create("été_2", {"metadata": "/m", "more": [{"a": 1}]})
    found = contexts(backend, BOB).find("prod")
    assert found == made
    assert (made.number, made.place, made.author) == (1, PROD, ADA)
    assert [context.name for context in contexts(backend).list()] == ["prod", "été_2"]
    assert contexts(backend).find("dev") is None


def test_a_context_is_made_once_and_changed_by_a_new_version(backend: Backend) -> None:
    shared = contexts(backend)
    shared.create("prod", PROD)
    with pytest.raises(Conflict, match="Ada has made the context 'prod'") as refused:
        contexts(backend, BOB).create("prod", {"metadata": "/other"})
    assert refused.value.code == "context-exists"
    assert shared.find("prod").place == PROD  # type: ignore[union-attr]
    changed = contexts(backend, BOB).create("prod", {"metadata": "/other"}, replace=True)
    assert (changed.number, shared.find("prod")) == (2, changed)


def test_a_deleted_context_is_gone_and_its_name_free(backend: Backend) -> None:
    shared = contexts(backend)
    shared.create("prod", PROD)
    shared.delete("prod")
    assert shared.find("prod") is None
    assert shared.list() == []
    with pytest.raises(NotFound, match="there is no context 'prod'"):
        shared.delete("prod")
    assert shared.create("prod", {"metadata": "/anew"}).number == 3


def test_of_racing_creators_exactly_one_wins(backend: Backend) -> None:
    def create(number: int) -> SharedContext | None:
        try:
            return contexts(backend, Author(str(number), "")).create("prod", {"metadata": f"/{number}"})
        except Conflict as error:
            assert error.code == "context-exists"
            return None

    with ThreadPoolExecutor(8) as racers:
        made = [context for context in racers.map(create, range(8)) if context is not None]
    assert made == [contexts(backend).find("prod")]


def test_racers_who_replace_each_make_a_version_and_none_is_lost(backend: Backend) -> None:
    def replace(number: int) -> SharedContext:
        return contexts(backend).create("prod", {"metadata": f"/{number}"}, replace=True)

    with ThreadPoolExecutor(8) as racers:
        made = list(racers.map(replace, range(8)))
    assert sorted(context.number for context in made) == list(range(1, 9))
    assert contexts(backend).find("prod") == max(made, key=lambda context: context.number)


@pytest.mark.parametrize("kind", ["before", "after"])
def test_a_version_whose_answer_was_lost_is_known_as_its_writers_own(kind: FaultKind) -> None:
    place = MemoryBackend()
    faulty = contexts(FaultyBackend(place, Fault(1, kind), methods=WRITES))
    if kind == "before":
        with pytest.raises(Unavailable):
            faulty.create("prod", PROD)
        assert contexts(place).find("prod") is None
    else:
        assert faulty.create("prod", PROD) == contexts(place).find("prod")


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"format": 1, "kind": "store", "store": "x"}, "bad-record"),
        ({"format": 1, "kind": "context", "name": "prod", "number": 1}, "bad-record"),
        ({"format": 1, "kind": "context", "place": 7}, "bad-record"),
        ({"format": 3, "kind": "context"}, "newer-format"),
    ],
)
def test_a_record_that_is_no_context_is_an_error_that_says_where(record: dict[str, object], code: str) -> None:
    place = MemoryBackend()
    place.put(layout.context_version("prod", 1), encode_sealed(record))
    for ask in (lambda: contexts(place).find("prod"), contexts(place).list):
        with pytest.raises(DatamonError, match="memory://") as wrong:
            ask()
        assert wrong.value.code == code


def test_a_record_under_another_contexts_name_is_refused() -> None:
    place = MemoryBackend()
    contexts(place).create("prod", PROD)
    place.put(layout.context_version("dev", 1), place.get(layout.context_version("prod", 1)))
    with pytest.raises(Corrupt):
        contexts(place).find("dev")


def test_a_flipped_byte_is_seen() -> None:
    place = MemoryBackend()
    contexts(place).create("prod", PROD)
    key = layout.context_version("prod", 1)
    place.put(key, place.get(key).replace(b"gs://m", b"gs://n"))
    with pytest.raises(Corrupt) as wrong:
        contexts(place).find("prod")
    assert wrong.value.code == "bad-bytes"


def test_a_name_that_is_not_allowed_is_refused_before_anything_is_asked() -> None:
    for name in ("", "a/b", "../x", "_x"):
        with pytest.raises(Invalid, match="the context name"):
            contexts(MemoryBackend()).create(name, PROD)


NAMES = st.from_regex(r"\A[^\W_][\w.\-]{0,20}\Z")


@given(NAMES, NAMES)
def test_names_that_differ_have_keys_that_differ_and_each_is_a_key(one: str, other: str) -> None:
    assert is_key(layout.context_version(one, 1))
    assert (layout.context(one) == layout.context(other)) == (one == other)
    assert not layout.context(one).startswith(layout.context(other)) or one == other
