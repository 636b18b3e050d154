"""What a command line says of a run: bindings, params, metrics."""

import datetime
import enum
import json
import math
from pathlib import Path, PurePosixPath

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.errors import DatamonError, Denied, Invalid, NotFound
from datamon.lineage.binding import InputBinding, OutputBinding, parse_input, parse_output
from datamon.lineage.command import default_step
from datamon.lineage.metrics import MOST_METRICS, read_metrics, stamp
from datamon.lineage.param_values import LONGEST_TEXT, param_value, parse_param


@pytest.mark.parametrize(
    ("text", "binding"),
    [
        ("raw=in", InputBinding("raw", None, "", Path("in"))),
        ("raw@v1=in", InputBinding("raw", "v1", "", Path("in"))),
        ("raw@v1~2:a/b=in=x", InputBinding("raw", "v1~2", "a/b", Path("in=x"))),
        ("raw:notes@home=/in", InputBinding("raw", None, "notes@home", Path("/in"))),
        ("raw:a/b/=in:x@y", InputBinding("raw", None, "a/b", Path("in:x@y"))),
    ],
)
def test_an_input_is_split_at_the_first_of_each_sign(text: str, binding: InputBinding) -> None:
    assert parse_input(text) == binding


def test_an_input_is_shown_as_it_is_written() -> None:
    assert [parse_input(f"{text}=d").reference for text in ("raw", "raw@v1", "raw@v1:a/b")] == [
        "raw",
        "raw@v1",
        "raw@v1:a/b",
    ]


@pytest.mark.parametrize("text", ["raw", "=in", "raw=", "a b=in", "raw@=in", "raw:=in", "raw:../x=in", "raw@a/b=in"])
def test_a_wrong_input_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_input(text)


def test_an_output_goes_to_main_unless_a_branch_is_named() -> None:
    assert parse_output("features=out") == OutputBinding("features", "main", Path("out"))
    assert parse_output("features@try=a@b:c") == OutputBinding("features", "try", Path("a@b:c"))


@pytest.mark.parametrize(
    "text", ["features", "=out", "features=", "features@=out", "features:x=out", "features@a/b=out"]
)
def test_a_wrong_output_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_output(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("n=3", 3),
        ("n=3.0", 3.0),
        ("n=true", True),
        ("n=null", None),
        ("n=", ""),
        ("n=x", "x"),
        ("n='3'", "3"),
        ("n=[1, a]", [1, "a"]),
        ("n={a: 1}", {"a": 1}),
        ("n=a: b: c", "a: b: c"),
        ("n=*", "*"),
        ("n=2026-02-31", "2026-02-31"),
        ("n=.inf", "inf"),
    ],
)
def test_a_param_is_read_as_yaml_reads_it_and_as_text_where_yaml_does_not(text: str, value: object) -> None:
    param = parse_param(text)
    assert (param.name, param.value, type(param.value), param.source) == ("n", value, type(value), "explicit")


@pytest.mark.parametrize("text", ["n", "=3", " =3"])
def test_a_param_without_a_name_or_a_value_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_param(text)


class Color(enum.Enum):
    RED = "red"


class Opaque:
    """Something that JSON cannot say."""


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ((1, (2,)), [1, [2]]),
        ({3, 1}, [1, 3]),
        ({1: {"a": None}}, {"1": {"a": None}}),
        (math.inf, "inf"),
        (Color.RED, "red"),
        (PurePosixPath("a/b"), "a/b"),
        (datetime.date(2026, 3, 1), "2026-03-01"),
        (numpy.float32(0.5), 0.5),
        (numpy.int64(7), 7),
        (numpy.bool_(True), True),
        (b"x", "b'x'"),
    ],
)
def test_any_python_value_becomes_what_json_can_say(value: object, kept: object) -> None:
    assert param_value(value) == kept
    assert type(param_value(value)) is type(kept)


def test_the_text_of_an_opaque_value_has_no_address_and_a_bound() -> None:
    assert param_value(Opaque()) == param_value(Opaque())
    assert "Opaque object>" in str(param_value(Opaque()))
    assert len(str(param_value(numpy.zeros(10_000).tobytes()))) == LONGEST_TEXT + 1


LEAVES = st.none() | st.booleans() | st.floats() | st.integers() | st.text()


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_whatever_becomes_of_a_value_can_be_stored(value: object) -> None:
    kept = param_value(value)
    assert param_value(json.loads(json.dumps(kept, allow_nan=False))) == kept


def test_metrics_are_the_numbers_of_a_file_under_dotted_names(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(
        '{"a": 1, "b": {"c": 0.5, "d": true, "e": "x", "f": null, "g": [1]}, "h": NaN, "i": 1' + "0" * 400 + "}"
    )
    found = {metric.name: metric.value for metric in read_metrics(path)}
    assert math.isnan(found.pop("h"))
    assert found == {"a": 1.0, "b.c": 0.5, "b.d": 1.0, "i": math.inf}


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", "3", '{"a":' * 100_000, json.dumps({str(n): n for n in range(MOST_METRICS + 1)})]
)
def test_a_file_that_holds_no_metrics_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(Invalid) as raised:
        read_metrics(tmp_path / "m.json")
    assert raised.value.code == "bad-metrics"


@pytest.mark.parametrize(("name", "kind"), [("absent", NotFound), ("", Denied)])
def test_a_metrics_file_that_is_absent_or_a_directory_is_told(
    tmp_path: Path, name: str, kind: type[DatamonError]
) -> None:
    with pytest.raises(kind):
        read_metrics(tmp_path / name)


def test_a_stamp_tells_whether_a_file_was_written_since(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    assert stamp(path) is None
    path.write_text("1")
    before = stamp(path)
    assert stamp(path) == before
    path.write_text("12")
    assert stamp(path) != before


@pytest.mark.parametrize(
    ("argv", "script", "step"),
    [
        (["python", "prepare.py"], Path("prepare.py"), "prepare"),
        (["python", "-m", "pkg"], Path("pkg/__main__.py"), "pkg"),
        (["cp", "a", "b"], None, "cp"),
        (["./my tool!.sh"], Path("my tool!.sh"), "my-tool-"),
        (["x"], Path("__.py"), "step"),
        (["/usr/bin/Zürich"], None, "Zürich"),
    ],
)
def test_the_default_step_is_the_scripts_stem_or_the_programs_name(
    argv: list[str], script: Path | None, step: str
) -> None:
    assert default_step(argv, script) == step
