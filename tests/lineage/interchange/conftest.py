"""Runs to tell of: a chain of two steps with params, a failure, a parent, a file of columns."""

from pathlib import Path

import pytest

from datamon.lineage.testing.chain import Chain


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain.make(tmp_path)
