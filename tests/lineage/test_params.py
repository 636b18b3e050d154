"""Params files, and what a param's source says now."""

from pathlib import Path

import pytest

from datamon.errors import Denied, Invalid, NotFound
from datamon.lineage.fingerprint import fingerprint_function
from datamon.lineage.locate import StepName
from datamon.lineage.param_values import plain
from datamon.lineage.params import Unstated, current_value, read_params_file
from datamon.lineage.records import CodeVersion, Param, ParamValue
from datamon.store.testing.users import ordinary_user

NAMES: dict[str, ParamValue] = {
    "epochs": 3,
    "model.rate": 0.5,
    "model.layers": [8, 4],
    "model.kind": "tree",
    "model.deep.on": True,
}
FILES = {
    "params.yaml": "epochs: 3\nmodel:\n  rate: 0.5\n  layers: [8, 4]\n  kind: tree\n  deep: {on: true}\n",
    "params.toml": 'epochs = 3\n[model]\nrate = 0.5\nlayers = [8, 4]\nkind = "tree"\n[model.deep]\non = true\n',
    "params.json": '{"epochs": 3, "model": {"rate": 0.5, "layers": [8, 4], "kind": "tree", "deep": {"on": true}}}',
}


def written(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", FILES)
def test_the_three_kinds_of_files_say_the_same_under_dotted_names(tmp_path: Path, name: str) -> None:
    assert read_params_file(written(tmp_path, name, FILES[name])) == NAMES


def test_the_names_are_in_the_file_s_order(tmp_path: Path) -> None:
    path = written(tmp_path, "p.yml", "b: {z: 1, a: 2}\na: 3\n")
    assert list(read_params_file(path)) == ["b.z", "b.a", "a"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("p.yaml", "", {}),
        ("p.yaml", "# nothing\n", {}),
        ("p.toml", "", {}),
        ("p.json", "{}", {}),
        ("p.yaml", "a: {}\nb: null\nc: []\n", {"a": {}, "b": None, "c": []}),
        ("p.yaml", "a: 2026-01-02\n1: one\n", {"a": "2026-01-02", "1": "one"}),
        ("p.yaml", "a: .inf\nb: .nan\n", {"a": "inf", "b": "nan"}),
        ("p.toml", "a = 2026-01-02T03:04:05Z\nb = inf\n", {"a": "2026-01-02T03:04:05+00:00", "b": "inf"}),
        ("p.json", '{"a": [{"b": 1}], "c": NaN}', {"a": [{"b": 1}], "c": "nan"}),
        ("p.yaml", "base: &b {x: 1}\none: *b\ntwo: *b\n", {"base.x": 1, "one.x": 1, "two.x": 1}),
        ("p.yaml", "\ufeffa: é\n", {"a": "é"}),
    ],
)
def test_odd_values_are_kept_as_json_can_say_them(tmp_path: Path, name: str, text: str, expected: object) -> None:
    assert read_params_file(written(tmp_path, name, text)) == expected


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("p.yaml", "a: 1\nb: [1\n", 3),
        ("p.yaml", "a: 1\nb: c: d\n", 2),
        ("p.yaml", "a: 1\n\tb: 2\n", 2),
        ("p.yaml", "a: 1\n? [b, c]\n: 2\n", 2),
        ("p.yaml", "a: !!python/object:os.system x\n", 1),
        ("p.toml", "a = 1\nb = \n", 2),
        ("p.toml", "a = 1\na = 2\n", 2),
        ("p.toml", "a = 1\nb = [1,\n", 3),
        ("p.json", '{"a": 1,\n "b": }', 2),
        ("p.json", "", 1),
        ("p.yaml", "- a\n- b\n", 1),
        ("p.json", "3", 1),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_at_its_line(tmp_path: Path, name: str, text: str, line: int) -> None:
    with pytest.raises(Invalid, match=f"{name}, line {line},") as caught:
        read_params_file(written(tmp_path, name, text))
    assert (caught.value.code, caught.value.line) == ("bad-params", line)


def bomb() -> str:
    rows = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("p.yaml", "a.b: 1\na: {b: 2}\n", "names 'a.b' twice"),
        ("p.yaml", "a: &a [*a]\n", "nested deeper"),
        ("p.yaml", "a: &a {b: *a}\n", "nested deeper"),
        ("p.yaml", bomb(), "more than"),
        ("p.json", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "not JSON that can be read"),
        ("p.yaml", "a: " + "[" * 5000 + "]" * 5000, "not YAML that can be read"),
        ("p.yaml", "a: 2026-13-45\n", "not YAML that can be read"),
        ("p.ini", "[a]\n", "unknown kind"),
    ],
)
def test_a_file_that_says_too_much_or_nothing_clear_is_an_error(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    with pytest.raises(Invalid, match=says) as caught:
        read_params_file(written(tmp_path, name, text))
    assert caught.value.code == "bad-params"


def test_a_file_that_is_not_utf_8_is_an_error_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(Invalid, match="line 2, is not UTF-8"):
        read_params_file(path)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no params file .*p\.yaml"):
        read_params_file(tmp_path / "p.yaml")


def test_a_directory_is_no_params_file(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").mkdir()
    with pytest.raises(Invalid, match="is a directory"):
        read_params_file(tmp_path / "p.yaml")


def test_a_file_that_may_not_be_read_is_an_error() -> None:
    with ordinary_user() as folder:
        path = written(folder, "p.yaml", "a: 1")
        path.chmod(0)
        with pytest.raises(Denied, match="may not be read"):
            read_params_file(path)


@pytest.mark.parametrize(("value", "text"), [("x", "x"), (3, "3"), (3.0, "3.0"), (True, "true"), (None, "null")])
def test_a_value_as_text_is_its_json_and_a_text_is_itself(value: ParamValue, text: str) -> None:
    assert plain(value) == text


def test_a_param_from_a_file_has_the_value_that_the_file_gives_now(tmp_path: Path) -> None:
    written(tmp_path, "p.yaml", "model: {rate: 2}\n")
    param = Param("rate", 1, "file", "p.yaml", "model.rate")
    assert current_value(param, tmp_path) == 2
    written(tmp_path, "p.yaml", "model: {}\n")
    assert current_value(param, tmp_path) is Unstated.GONE


@pytest.mark.parametrize("text", [None, "a: [", "- 1\n"])
def test_a_param_whose_file_is_gone_or_broken_is_gone(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        written(tmp_path, "p.yaml", text)
    assert current_value(Param("a", 1, "file", "p.yaml", "a"), tmp_path) is Unstated.GONE


def test_an_explicit_value_does_not_move(tmp_path: Path) -> None:
    assert current_value(Param("a", 1), tmp_path) == 1


STEP = """\
import datamon
from rates import RATE, SLOW

SEEDS = [1, 2]
NOW = time()


@datamon.step
def prepare({}):
    pass
"""


@pytest.mark.parametrize(
    ("signature", "value"),
    [
        ("src, scale=2.0", 2.0),
        ("src, scale: float = -2.5", -2.5),
        ("src, /, scale='a', *, other=1", "a"),
        ("src, other=1, *, scale=(1, 'b')", [1, "b"]),
        ("scale={'a': [None, True]}, other=1", {"a": [None, True]}),
        ("scale=SEEDS", [1, 2]),
        ("scale=RATE", 0.5),
        ("scale=SLOW", Unstated.UNKNOWN),
        ("scale=NOW", Unstated.UNKNOWN),
        ("scale=print", Unstated.UNKNOWN),
        ("scale=float('inf')", Unstated.UNKNOWN),
        ("scale=1 + 1", Unstated.UNKNOWN),
        ("scale", Unstated.GONE),
        ("other=1", Unstated.GONE),
    ],
)
def test_a_default_left_alone_has_the_value_that_the_source_spells_now(
    tmp_path: Path, signature: str, value: object
) -> None:
    written(tmp_path, "rates.py", "RATE = 0.5\nSLOW = 1\nSLOW = SLOW / 2\n")
    path = written(tmp_path, "steps.py", STEP.format(signature))
    found = fingerprint_function(path, "prepare", tmp_path)
    code = CodeVersion(fingerprint=found.digest, method="function", paths=found.paths, function="prepare")
    param = Param("scale", 1.0, "default")
    now = current_value(param, tmp_path, code=code, name=StepName("default", "prepare"))
    assert (now, type(now)) == (value, type(value))


def test_a_default_whose_function_is_not_found_is_not_known(tmp_path: Path) -> None:
    code = CodeVersion(fingerprint="f", method="function", paths=("steps.py",), function="prepare")
    assert current_value(Param("scale", 1, "default"), tmp_path, code=code) is Unstated.UNKNOWN
    assert current_value(Param("scale", 1, "default"), tmp_path) is Unstated.UNKNOWN
