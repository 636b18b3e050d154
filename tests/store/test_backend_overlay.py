"""The overlay keeps the contract of all backends, and never touches what it lies over."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.errors import NotFound
from datamon.store.backend import Backend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.backend.overlay import OverlayBackend
from datamon.store.testing import contract


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds(check: Callable[[Backend], None]) -> None:
    check(OverlayBackend(MemoryBackend(), MemoryBackend()))


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds_over_what_is_hidden(check: Callable[[Backend], None]) -> None:
    lower = MemoryBackend()
    lower.put("hidden/a", b"x")
    check(OverlayBackend(MemoryBackend(), lower, ("hidden/",)))
    assert [stored.key for stored in lower.list("")] == ["hidden/a"]


KEYS = st.sampled_from(["a/1", "a/2", "b", "h/1"])
DEEDS = st.lists(
    st.tuples(st.sampled_from(["put", "put_if_absent", "delete"]), KEYS, st.binary(max_size=3)), max_size=12
)


@given(below=st.dictionaries(KEYS, st.binary(max_size=3)), deeds=DEEDS)
def test_it_is_as_a_copy_would_be_and_the_lower_one_stays(
    below: dict[str, bytes], deeds: list[tuple[str, str, bytes]]
) -> None:
    lower, copy, upper = MemoryBackend(), MemoryBackend(), MemoryBackend()
    for key, content in below.items():
        lower.put(key, content)
        if not key.startswith("h/"):
            copy.put(key, content)
    for name, key, content in deeds:
        overlay = OverlayBackend(upper, lower, ("h/",))  # another process's each time
        if name == "delete":
            overlay.delete(key)
            copy.delete(key)
        elif name == "put":
            overlay.put(key, content)
            copy.put(key, content)
        else:
            assert overlay.put_if_absent(key, content) == copy.put_if_absent(key, content)
    overlay = OverlayBackend(upper, lower, ("h/",))
    for prefix, after in (("", ""), ("a/", ""), ("", "a/1"), ("h/", "")):
        assert list(overlay.list(prefix, after)) == list(copy.list(prefix, after))
    for key in ("a/1", "a/2", "b", "h/1"):
        assert overlay.has(key) == copy.has(key)
        assert read(overlay, key) == read(copy, key)
    assert {stored.key: lower.get(stored.key) for stored in lower.list("")} == below


def read(backend: Backend, key: str) -> bytes | None:
    try:
        return backend.get(key)
    except NotFound:
        return None
