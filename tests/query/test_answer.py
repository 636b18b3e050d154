"""Answers as rows, and as other libraries' tables."""

import sys
from datetime import datetime

import pytest

from datamon.errors import Invalid
from datamon.query.answer import Answer

ANSWER = Answer(
    ("repo", "bundles", "parents", "time"),
    ("VARCHAR", "BIGINT", "VARCHAR[]", "TIMESTAMP"),
    [("orders", 3, ["a"], datetime(2026, 1, 2)), ("parts", None, [], None)],  # noqa: DTZ001
)


def test_an_answer_iterates_as_dicts_in_order() -> None:
    assert [row["repo"] for row in ANSWER] == ["orders", "parts"]
    assert len(ANSWER) == 2


def test_arrow_keeps_the_types_also_of_an_empty_answer() -> None:
    empty = Answer(ANSWER.columns, ANSWER.types, [])
    for answer in (ANSWER, empty):
        types = [str(kind) for kind in answer.arrow().schema.types]
        assert types == ["string", "int64", "list<item: string>", "timestamp[us]"]
    assert ANSWER.arrow().to_pylist() == list(ANSWER)


def test_arrow_infers_a_type_it_has_no_name_for() -> None:
    answer = Answer(("n",), ("STRUCT(a INTEGER)",), [({"a": 1},)])
    assert answer.arrow().to_pylist() == [{"n": {"a": 1}}]


def test_pandas_and_polars_give_the_same_rows() -> None:
    assert list(ANSWER.pandas()["repo"]) == ["orders", "parts"]
    assert ANSWER.polars()["bundles"].to_list() == [3, None]


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_a_library_that_is_not_installed_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Invalid, match=rf"{name} is not installed; `pip install 'datamon\[{name}\]'` adds it") as caught:
        getattr(ANSWER, name)()
    assert caught.value.code == "missing-extra"
