"""Threads that work for one: results in order, a bound on what is under way, errors where they belong, and no thread left."""

import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.store import workers as module
from datamon.store.workers import INLINE_BYTES, Line, Workers, ahead


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Three threads, which begin with the first work that is not small."""
    made = Workers(3)
    yield made
    made.stop()


def threads() -> list[str]:
    """The threads of any workers."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("workers")]


def failing() -> None:
    """Work that fails."""
    raise PermissionError("no")


def test_little_work_is_done_by_the_one_who_asks(workers: Workers) -> None:
    names = [workers.submit(1_000, threading.current_thread).result() for _ in range(5)]
    assert set(names) == {threading.current_thread()}
    assert threads() == []


def test_more_work_is_done_by_threads_and_none_is_left_when_they_stop(workers: Workers) -> None:
    assert workers.submit(INLINE_BYTES, threading.current_thread).result() is not threading.current_thread()
    workers.stop()
    workers.stop()
    assert threads() == []
    assert workers.submit(INLINE_BYTES, lambda: 7).result() == 7


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(0, INLINE_BYTES), max_size=40), most=st.integers(0, 3 * INLINE_BYTES))
def test_results_come_in_the_order_of_the_questions_and_few_are_under_way(sizes: list[int], most: int) -> None:
    workers = Workers(3)
    line = Line(workers, most)
    pushed = taken = 0
    seen: list[int] = []

    def take(number: int) -> None:
        nonlocal taken
        taken += sizes[number]
        seen.append(number)

    def make(number: int) -> Callable[[], int]:
        return lambda: number

    for number, size in enumerate(sizes):
        if number % 3 == 0:
            line.follow(lambda number=number: seen.append(-number - 1))  # type: ignore[misc]
        line.push(size, make(number), take)
        pushed += size
        assert pushed - taken <= most
    line.drain()
    workers.stop()
    expected = [each for number in range(len(sizes)) for each in ([-number - 1] * (number % 3 == 0) + [number])]
    assert seen == expected


def test_an_error_comes_in_its_turn_and_what_follows_is_dropped(workers: Workers) -> None:
    workers.submit(INLINE_BYTES, list).result()
    line = Line(workers, 100 * INLINE_BYTES)
    gate = threading.Event()
    seen: list[str] = []
    line.push(1, gate.wait, lambda _: seen.append("first"))
    line.push(1, failing, lambda _: seen.append("never"))
    line.follow(lambda: seen.append("never"))
    gate.set()
    with pytest.raises(PermissionError):
        line.drain()
    line.drop()
    line.drain()
    assert seen == ["first"]


def test_a_dropped_line_does_not_begin_what_waits(workers: Workers) -> None:
    workers.submit(INLINE_BYTES, list).result()
    line = Line(workers, 100 * INLINE_BYTES)
    gate = threading.Event()
    begun: list[int] = []
    for _ in range(workers.count):
        line.push(1, gate.wait, lambda _: None)
    for number in range(20):
        line.push(1, lambda number=number: begun.append(number), lambda _: None)  # type: ignore[misc]
    line.drop()
    gate.set()
    workers.stop()
    assert begun == []


@pytest.mark.parametrize("inline_bytes", [0, INLINE_BYTES])
def test_ahead_gives_what_the_iterator_gives_and_its_error(
    workers: Workers, inline_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INLINE_BYTES", inline_bytes)
    assert list(ahead(workers, 1, iter("abc"))) == ["a", "b", "c"]
    assert list(ahead(workers, 1, iter(()))) == []

    def broken() -> Iterator[int]:
        yield 1
        raise PermissionError("no")

    seen: list[int] = []
    with pytest.raises(PermissionError):
        seen.extend(ahead(workers, 1, broken()))
    assert seen in ([], [1])


def test_nothing_of_the_iterator_runs_when_ahead_is_closed(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INLINE_BYTES", 0)
    running = threading.Event()
    gate = threading.Event()
    ended: list[bool] = []

    def slow() -> Iterator[int]:
        yield 1
        running.set()
        gate.wait()
        ended.append(True)
        yield 2

    made = ahead(workers, 1, slow())
    assert next(made) == 1
    running.wait()
    gate.set()
    assert isinstance(made, Iterator)
    made.close()  # type: ignore[attr-defined]
    assert ended == [True]
