"""The memory backend keeps the contract of all backends."""

from collections.abc import Callable

import pytest

from datamon.store.backend import Appending, Backend
from datamon.store.backend.memory import MemoryBackend
from datamon.store.testing import contract


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds(check: Callable[[Backend], None]) -> None:
    check(MemoryBackend())


def test_it_does_not_append_so_that_tests_take_the_way_of_object_stores() -> None:
    assert not isinstance(MemoryBackend(), Appending)
