"""Columns made of buffers say what was put in, and refuse what is not of their type."""

import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.query.index.arrow_columns import arrow_column

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
WHOLE = st.integers(-(2**63), 2**63 - 1)
OF_KIND: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "VARCHAR": (pa.string(), TEXTS),
    "VARCHAR[]": (pa.list_(pa.string()), st.lists(TEXTS | st.none(), max_size=4)),
    "BIGINT": (pa.int64(), WHOLE),
    "TIMESTAMP": (pa.timestamp("us"), WHOLE),
    "BOOLEAN": (pa.bool_(), st.booleans()),
    "DOUBLE": (pa.float64(), st.floats(allow_nan=False)),
}


@pytest.mark.parametrize("kind", OF_KIND)
@given(st.data())
def test_a_column_is_the_one_that_arrow_makes(kind: str, data: st.DataObject) -> None:
    arrow_type, values = OF_KIND[kind]
    column = data.draw(st.lists(values | st.none(), max_size=30))
    made = arrow_column(column, kind)
    made.validate(full=True)
    assert made.equals(pa.array(column, arrow_type))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("VARCHAR", "half \ud800"),
        ("VARCHAR", 3),
        ("VARCHAR[]", ["a", 3]),
        ("VARCHAR[]", 3),
        ("BIGINT", 2**63),
        ("BIGINT", 1.5),
        ("BIGINT", "1"),
        ("TIMESTAMP", -(2**63) - 1),
        ("DOUBLE", "one"),
        ("DOUBLE", 10**400),
    ],
)
def test_what_is_not_of_the_type_is_refused(kind: str, value: object) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError, AttributeError)):
        arrow_column([None, value], kind)


def test_many_rows_are_put_into_a_table_without_pandas() -> None:
    program = """
import sys, duckdb
from datamon.query.index.schema import PARAMS, KEPT
from datamon.query.index.tables import insert
connection = duckdb.connect()
connection.execute(f"CREATE SCHEMA {KEPT}; {PARAMS.sql}")
insert(connection, PARAMS, [(f"r{n}", "n", str(n), "explicit", None, None) for n in range(10_000)])
print(connection.execute(f"SELECT count(*), max(CAST(value AS INT)) FROM {KEPT}.params").fetchall(), "pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[(10000, 9999)] False\n"
