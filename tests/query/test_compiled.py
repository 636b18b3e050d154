"""The sources as recursive SQL give what the engine of this machine gives."""

import pytest

from datamon.query.asking import Asking, find_bundles, find_runs
from datamon.query.compiled.sources import source_sql
from datamon.query.engine import ask_on
from datamon.query.index import open_index
from datamon.query.language.parse import parse
from datamon.query.language.statement import Select
from datamon.query.place import NOWHERE
from datamon.query.testing.statements import statements_about

from test_oracle import SEEDS, happened


@pytest.mark.parametrize("seed", range(2))
def test_equal(seed: int) -> None:
    pass
