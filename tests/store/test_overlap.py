"""Calls that overlap: the answers come in order, errors in their place, and no more is under way than may be."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from datamon.errors import NotFound
from datamon.store.backend.local import LocalBackend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.overlap import overlapped

FAR = MemoryBackend()


def threads() -> list[str]:
    """The names of the threads that overlap calls."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("overlap")]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 100])
def test_answers_come_in_the_order_of_what_was_asked(count: int) -> None:
    assert list(overlapped(FAR, str, range(count))) == [str(number) for number in range(count)]
    assert threads() == []


def test_calls_to_a_far_place_are_under_way_at_one_time() -> None:
    together = threading.Barrier(4, timeout=30)
    assert len(list(overlapped(FAR, lambda _: together.wait(), range(4)))) == 4


def test_calls_to_a_file_system_are_made_one_by_one_as_they_are_asked_for(tmp_path: Path) -> None:
    asked: list[int] = []
    calls = overlapped(LocalBackend(tmp_path), asked.append, range(10))
    next(calls)
    assert asked == [0]
    assert threads() == []


def test_no_more_than_a_few_calls_run_ahead_of_the_reader() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(1_000):
            taken.append(number)
            yield number

    calls = overlapped(FAR, str, numbers())
    assert next(calls) == "0"
    assert len(taken) <= 20
    del calls
    assert threads() == []


def test_an_error_comes_in_the_place_of_its_answer_and_ends_the_calls() -> None:
    def call(number: int) -> int:
        if number == 5:
            raise NotFound("key-not-found", "five", key="5")
        return number

    calls = overlapped(FAR, call, range(100))
    assert [next(calls) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(NotFound, match="five"):
        next(calls)
    assert threads() == []
