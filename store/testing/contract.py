"""What holds for every backend, as functions that take one and fail when it does not hold.

A test module runs each of `CHECKS` with a new, empty backend; `ACROSS_PROCESSES` take a place for `open_backend` instead, and
`APPENDING_CHECKS` hold for a backend that is `Appending` too.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import pairwise
from typing import Protocol

from datamon.errors import Invalid, NotFound
from datamon.store.backend import Appending, Backend, Span
from datamon.store.backend.opening import open_backend
from datamon.store.testing.contents import random_bytes

HOSTILE_KEYS = (
    "",
    "/",
    "/etc/passwd",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../../b",
    "a/./b",
    "a/..",
    "a b",
    "a\\b",
    "a\0b",
    "a\n",
    "é",
    "+tmp/x",
    "~",
    "a" * 901,
)
_RACERS = 8
_ROUNDS = 12


class AppendingBackend(Backend, Appending, Protocol):
    """A backend that can append."""


def what_was_put_comes_back(backend: Backend) -> None:
    """Bytes of any size and value."""
    for number, size in enumerate((0, 1, 255, 65_536, 1_000_003)):
        content = random_bytes(str(number), size)
        backend.put(f"a/{number}", content)
        assert backend.get(f"a/{number}") == content
        assert backend.has(f"a/{number}")


def an_object_larger_than_a_pack_comes_back(backend: Backend) -> None:
    """A pack may be a little larger than `pack_bytes`."""
    content = random_bytes("large", backend.pack_bytes + 300_000)
    backend.put("packs/00/large", content)
    assert backend.get("packs/00/large") == content
    assert backend.get("packs/00/large", Span(-5, 5)) == content[-5:]


def nothing_is_there_at_first(backend: Backend) -> None:
    """Looking makes nothing."""
    assert list(backend.list("")) == []
    assert not backend.has("a")
    backend.delete("a/b")
    _raises_not_found(lambda: backend.get("a/b"))
    _raises_not_found(lambda: backend.get("a/b", Span(0, 0)))
    assert list(backend.list("")) == []


def a_span_is_that_stretch(backend: Backend) -> None:
    """Also from the end, also where the bytes end first."""
    content = bytes(range(100))
    backend.put("spans", content)
    for start in (0, 1, 50, 99, 100, 101, 5_000, -1, -32, -100, -101, -5_000):
        for length in (0, 1, 10, 32, 100, 5_000):
            expected = content[start:][:length]
            assert backend.get("spans", Span(start, length)) == expected, (start, length)


def an_empty_object_has_empty_spans(backend: Backend) -> None:
    """Where a place would refuse the range."""
    backend.put("empty", b"")
    for start in (0, 5, -5):
        assert backend.get("empty", Span(start, 10)) == b""


def putting_the_same_again_is_harmless(backend: Backend) -> None:
    """A lost answer may be followed by a second try."""
    backend.put("a/b", b"same")
    backend.put("a/b", b"same")
    assert backend.get("a/b") == b"same"
    assert [stored.key for stored in backend.list("")] == ["a/b"]


def only_the_first_put_if_absent_wins(backend: Backend) -> None:
    """And the loser changes nothing."""
    assert backend.put_if_absent("log/1", b"first")
    assert not backend.put_if_absent("log/1", b"second")
    assert not backend.put_if_absent("log/1", b"first")
    backend.put("put", b"x")
    assert not backend.put_if_absent("put", b"y")
    assert backend.get("log/1") == b"first"
    assert backend.get("put") == b"x"


def what_is_deleted_is_gone_and_may_come_again(backend: Backend) -> None:
    """Deleting twice is no error."""
    backend.put("a/b", b"1")
    backend.put("a/c", b"2")
    backend.delete("a/b")
    backend.delete("a/b")
    assert not backend.has("a/b")
    _raises_not_found(lambda: backend.get("a/b"))
    assert [stored.key for stored in backend.list("a/")] == ["a/c"]
    assert backend.put_if_absent("a/b", b"3")
    assert backend.get("a/b") == b"3"


def a_prefix_of_keys_is_no_key(backend: Backend) -> None:
    """A folder is not something kept."""
    backend.put("a/b/c", b"1")
    assert not backend.has("a")
    assert not backend.has("a/b")
    _raises_not_found(lambda: backend.get("a/b"))
    _raises_not_found(lambda: backend.get("a/b/c/d"))
    assert not backend.has("a/b/c/d")


def a_listing_is_in_order_of_whole_keys(backend: Backend) -> None:
    """`/` comes after `-` and `.`, and before digits and letters, whatever folders say."""
    keys = ["a-b", "a.b", "a/b", "a/b-c", "a/b.c/d", "a/c/d/e", "a0", "aB", "aa/b", "b", "z/00000000000000000010"]
    for key in reversed(keys):
        backend.put(key, key.encode())
    listed = list(backend.list(""))
    assert [stored.key for stored in listed] == sorted(keys)
    assert [stored.size_bytes for stored in listed] == [len(key) for key in sorted(keys)]
    for prefix in ("a", "a/", "a/b", "a/b.", "a/b.c/", "aa/b", "b", "c", "z/0000", "a/c/d/e/f"):
        assert [s.key for s in backend.list(prefix)] == sorted(key for key in keys if key.startswith(prefix)), prefix


def a_listing_goes_on_after_a_key(backend: Backend) -> None:
    """`after` need not be there."""
    keys = sorted(["log/1", "log/2", "log/2/a", "log/2-a", "log/3", "logs", "a/1"], reverse=True)
    keys.remove("log/2")  # a file system cannot keep both log/2 and log/2/a
    for key in keys:
        backend.put(key, b"")
    for prefix in ("", "log", "log/"):
        for after in ("", "a", "log/", "log/1", "log/2", "log/2/", "log/2/a", "log/2/b", "log/3", "z"):
            expected = sorted(key for key in keys if key.startswith(prefix) and key > after)
            assert [stored.key for stored in backend.list(prefix, after)] == expected, (prefix, after)


def a_long_listing_is_whole(backend: Backend) -> None:
    """More keys than fit on one page of an object store."""
    keys = [f"journal/w/{number:020d}" for number in range(1_050)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: backend.put(key, b"x"), keys))
    assert [stored.key for stored in backend.list("journal/")] == keys
    assert [stored.key for stored in backend.list("journal/w/", after=keys[-3])] == keys[-2:]


def hostile_keys_are_refused(backend: Backend) -> None:
    """They could lead out of the place."""
    uses: list[Callable[[str], object]] = [
        backend.get,
        backend.has,
        backend.delete,
        lambda key: backend.put(key, b"x"),
        lambda key: backend.put_if_absent(key, b"x"),
    ]
    for key in HOSTILE_KEYS:
        for use in uses:
            _raises_invalid(use, key)
    for prefix in ("/", "../", "a//", "a/../", "./", "a b", "é"):
        _raises_invalid(lambda prefix: list(backend.list(prefix)), prefix)
    assert list(backend.list("")) == []


def one_of_many_racing_threads_wins(backend: Backend) -> None:
    """In every round, and the bytes are the winner's."""
    for number in range(_ROUNDS):
        key = f"log/{number:020d}"
        with ThreadPoolExecutor(_RACERS) as pool:
            tried = list(
                pool.map(lambda racer, key=key: backend.put_if_absent(key, _racer_bytes(racer)), range(_RACERS))
            )
        assert tried.count(True) == 1, tried
        assert backend.get(key) == _racer_bytes(tried.index(True))


def a_reader_never_sees_a_part(backend: Backend) -> None:
    """Threads put while others list and read: whatever is listed is whole."""
    sizes = {f"packs/{number:02x}/p": 40_000 + number for number in range(24)}

    def write(key: str) -> None:
        content = random_bytes(key, sizes[key])
        if sizes[key] % 2:
            backend.put(key, content)
        else:
            backend.put_if_absent(key, content)

    def look() -> None:
        for stored in backend.list("packs/"):
            assert stored.size_bytes == sizes[stored.key]
            assert backend.get(stored.key) == random_bytes(stored.key, sizes[stored.key])

    with ThreadPoolExecutor(4) as pool:
        writes = [pool.submit(write, key) for key in sizes]
        looks = [pool.submit(look) for _ in range(12)]
        for done in [*writes, *looks]:
            done.result()
    assert [stored.key for stored in backend.list("packs/")] == sorted(sizes)


CHECKS: tuple[Callable[[Backend], None], ...] = (
    what_was_put_comes_back,
    an_object_larger_than_a_pack_comes_back,
    nothing_is_there_at_first,
    a_span_is_that_stretch,
    an_empty_object_has_empty_spans,
    putting_the_same_again_is_harmless,
    only_the_first_put_if_absent_wins,
    what_is_deleted_is_gone_and_may_come_again,
    a_prefix_of_keys_is_no_key,
    a_listing_is_in_order_of_whole_keys,
    a_listing_goes_on_after_a_key,
    a_long_listing_is_whole,
    hostile_keys_are_refused,
    one_of_many_racing_threads_wins,
    a_reader_never_sees_a_part,
)


def one_of_many_racing_processes_wins(place: str) -> None:
    """In every round, all processes trying the same numbers in the same order."""
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        won = list(pool.map(_race, [place] * 3, range(3)))
    backend = open_backend(place)
    assert sorted(number for numbers in won for number in numbers) == list(range(_ROUNDS))
    for racer, numbers in enumerate(won):
        for number in numbers:
            assert backend.get(f"log/{number:020d}") == _racer_bytes(racer)


ACROSS_PROCESSES: tuple[Callable[[str], None], ...] = (one_of_many_racing_processes_wins,)


def appended_pieces_stand_in_order(backend: AppendingBackend) -> None:
    """The object is made by the first."""
    for number in range(5):
        backend.append("journal/log", f"{number}\n".encode())
    assert backend.get("journal/log") == b"0\n1\n2\n3\n4\n"
    assert backend.get("journal/log", Span(4, 100)) == b"2\n3\n4\n"
    assert [stored.key for stored in backend.list("")] == ["journal/log"]


def pieces_of_many_appenders_do_not_mix(backend: AppendingBackend) -> None:
    """Each stands in one piece, and each appender's in its order."""
    with ThreadPoolExecutor(_RACERS) as pool:
        list(pool.map(lambda racer: _append(backend, racer), range(_RACERS)))
    lines = backend.get("journal/log").splitlines()
    assert len(lines) == _RACERS * _ROUNDS
    for racer in range(_RACERS):
        own = [int(number) for who, _, number in (line.split() for line in lines) if int(who) == racer]
        assert all(one < other for one, other in pairwise(own))


APPENDING_CHECKS: tuple[Callable[[AppendingBackend], None], ...] = (
    appended_pieces_stand_in_order,
    pieces_of_many_appenders_do_not_mix,
)


def _append(backend: AppendingBackend, racer: int) -> None:
    for number in range(_ROUNDS):
        backend.append("journal/log", f"{racer} {'x' * 3_000} {number}\n".encode())


def _race(place: str, racer: int) -> list[int]:
    backend = open_backend(place)
    return [n for n in range(_ROUNDS) if backend.put_if_absent(f"log/{n:020d}", _racer_bytes(racer))]


def _racer_bytes(racer: int) -> bytes:
    return random_bytes(f"racer {racer}", 10_000)


def _raises_not_found(use: Callable[[], object]) -> None:
    try:
        use()
    except NotFound as error:
        assert error.code == "key-not-found", error.code
    else:
        raise AssertionError("nothing was there, and no NotFound was raised")


def _raises_invalid(use: Callable[[str], object], key: str) -> None:
    try:
        use(key)
    except Invalid as error:
        assert error.code == "bad-key", error.code
    else:
        raise AssertionError(f"{key!r} was not refused")
