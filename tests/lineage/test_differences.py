"""In what runs differ, over plain records."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from datamon.lineage.differences import KINDS, RunSide, compared, differences
from datamon.lineage.records import CodeVersion, Environment, Metric, OutputRecord, Param, Run, RunClosed, RunOpened
from datamon.query.testing.events import Told

ENVIRONMENT = Environment("3.11.2", "CPython", "Linux", {"numpy": "1.26.0", "left": "1"}, {"LANG": "C"})


def run(told: Told) -> Run:
    opened, closed = told.events()
    return Run(RunOpened.from_record(opened["run"]), RunClosed.from_record(closed["close"]))


def output(content: str) -> OutputRecord:
    return OutputRecord("o", "r", "out", "main", "b", content)  # type: ignore[arg-type]


OLD = Told(
    1,
    params=(Param("a", 1), Param("gone", "x")),
    metrics=(Metric("auc", 0.5),),
    outputs=(output("c1"),),
    code=CodeVersion(fingerprint="f1", commit="k1"),
)


def test_each_kind_of_difference_is_a_row_with_both_values() -> None:
    new = OLD.but(
        number=2,
        step="other",
        params=(Param("a", 2.5), Param("new", [1])),
        metrics=(Metric("auc", 0.75),),
        outputs=(output("c2"),),
        code=CodeVersion(fingerprint="f2", commit="k1"),
    )
    there = replace(ENVIRONMENT, packages={"numpy": "2.0", "right": "1"}, variables={"LANG": "de"})
    found = differences(
        RunSide(run(OLD), ENVIRONMENT, {"a.py": "1", "same.py": "2"}),
        RunSide(run(new), there, {"a.py": "3", "same.py": "2"}),
    )
    assert [(each.kind, each.name, each.change, each.old, each.new) for each in found] == [
        ("step", "step", "changed", "default/train", "default/other"),
        ("param", "a", "changed", "1", "2.5"),
        ("param", "gone", "deleted", "x", None),
        ("param", "new", "added", None, "[1]"),
        ("code", "a.py", "changed", "1", "3"),
        ("code", "fingerprint", "changed", "f1", "f2"),
        ("env", "$LANG", "changed", "C", "de"),
        ("env", "left", "deleted", "1", None),
        ("env", "numpy", "changed", "1.26.0", "2.0"),
        ("env", "right", "added", None, "1"),
        ("output", "out@main", "changed", "c1", "c2"),
        ("metric", "auc", "changed", "0.5", "0.75"),
    ]


def test_only_the_kinds_that_were_asked_for_are_compared() -> None:
    new = OLD.but(params=(), metrics=())
    assert {each.kind for each in differences(RunSide(run(OLD)), RunSide(run(new)), ("metric",))} == {"metric"}


def test_a_run_that_failed_differs_in_status_and_exit_code() -> None:
    found = differences(RunSide(run(OLD)), RunSide(run(OLD.but(status="failed"))), ("status",))
    assert [(each.name, each.old, each.new) for each in found] == [
        ("exit code", "0", "1"),
        ("status", "succeeded", "failed"),
    ]


VALUES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xy"))


@given(VALUES, VALUES)
def test_a_difference_undone_is_the_reverse_and_nothing_differs_from_itself(
    old: dict[str, str], new: dict[str, str]
) -> None:
    forth, back = list(compared("param", old, new)), list(compared("param", new, old))
    assert [(each.name, each.old, each.new) for each in forth] == [(each.name, each.new, each.old) for each in back]
    patched = {**old, **{each.name: each.new for each in forth if each.new is not None}}
    for each in forth:
        if each.change == "deleted":
            del patched[each.name]
    assert patched == new
    assert list(compared("param", old, old)) == []
    assert set(KINDS) >= {"param"}
