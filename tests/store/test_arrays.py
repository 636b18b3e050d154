"""Arrow arrays from buffers are the arrays that pyarrow itself makes."""

import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.store.arrays import binaries, fixed, flags, numbers, of, strings

TEXTS = st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8"))))


@given(TEXTS)
def test_strings_are_as_pyarrow_makes_them(values: list[str | None]) -> None:
    made = strings(values)
    made.validate(full=True)
    assert made.equals(pa.array(values, pa.string()))


@given(st.lists(st.one_of(st.none(), st.binary())))
def test_binaries_are_as_pyarrow_makes_them(values: list[bytes | None]) -> None:
    made = binaries(values)
    made.validate(full=True)
    assert made.equals(pa.array(values, pa.binary()))


@given(st.lists(st.booleans()), st.lists(st.integers(0, 2**32 - 1)), st.lists(st.binary(min_size=4, max_size=4)))
def test_flags_numbers_and_fixed_are_as_pyarrow_makes_them(
    truths: list[bool], counts: list[int], keys: list[bytes]
) -> None:
    assert flags(truths).equals(pa.array(truths, pa.bool_()))
    assert numbers(counts, pa.uint32()).equals(pa.array(counts, pa.uint32()))
    assert numbers(counts, pa.int64()).equals(pa.array(counts, pa.int64()))
    assert fixed(keys, 4).equals(pa.array(keys, pa.binary(4)))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", None], pa.string()),
        ([b"a", None], pa.binary()),
        ([True, False], pa.bool_()),
        ([1, -2], pa.int64()),
        ([1, 2], pa.uint32()),
        ([b"ab", b"cd"], pa.binary(2)),
        ([], pa.binary(2)),
    ],
)
def test_of_makes_every_kind_as_pyarrow_does(values: list[object], kind: pa.DataType) -> None:
    assert of(values, kind).equals(pa.array(values, kind))


def test_values_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="2 bytes"):
        fixed([b"abc", b"a"], 2)


def test_no_array_brings_pandas() -> None:
    made = "import pyarrow as pa, sys; from datamon.store.arrays import *; "
    made += "strings(['a', None]); binaries([b'a']); flags([True]); numbers([1], pa.int64()); fixed([b'ab'], 2); "
    subprocess.run([sys.executable, "-c", made + "sys.exit('pandas' in sys.modules)"], check=True)
