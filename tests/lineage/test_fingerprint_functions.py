"""Which edits change the fingerprint of a function, and which do not. The tables were written before the fingerprint."""

from pathlib import Path
from typing import NamedTuple

import pytest

from datamon.errors import NotFound
from datamon.lineage.fingerprint import fingerprint_function

PROJECT = {
    "steps.py": '''\
"""The steps of the pipeline."""

import json
from functools import partial
from math import sqrt

import datamon
import numpy as np

import helpers
import shapes.circle as circle
from features.scaling import Scaler, rescale
from settings import *
from weights import weigh as weight_of

THRESHOLD = 0.5
OFFSETS = {"north": 1}
OFFSETS["south"] = 2
UNUSED = "unused"
FORMAT = f"{THRESHOLD:.2f} of {LIMIT!r}" ""
half = partial(helpers.scale_by, factor=0.5)

if json:
    MODE = "strict"
else:
    MODE = "lax"


def twice(x):
    # doubles
    return 2 * x


def logged(function):
    return function


@logged
def shifted(x, by=OFFSETS):
    """Moves x."""
    return x + by["north"]


class Model(Scaler):
    """A model."""

    rate = 0.1

    def fit(self, rows):
        return [self.scale(row) * self.rate for row in rows]


def unrelated(x):
    return x - 1


@datamon.step(inputs={"src": "raw"}, outputs={"dst": "features"}, name="prepare")
def prepare(src, dst, scale: float = 2.0, *, seed=7):
    """Prepares the features."""
    from lazy import late

    total = 0
    for row in sorted(src):
        if row > THRESHOLD and row != LIMIT:
            total += twice(row) + shifted(row)
    model = Model()
    rows = [weight_of(each) for each in (total, seed) if each]
    try:
        area = circle.area(sqrt(total))
    except ValueError as error:
        area = half(0)
    local = lambda unrelated: unrelated + 1
    dst.write(json.dumps([model.fit(rows), np.mean(rows), area, rescale(scale), late(), MODE, FORMAT, local(1)]))


if __name__ == "__main__":
    prepare(1, 2)
''',
    "helpers.py": """\
FACTOR = 3


def scale_by(x, factor):
    return base(x) * factor * FACTOR


def base(x):
    return x if x else even(x)


def even(x):
    return x == 0 or odd(x - 1)


def odd(x):
    return x != 0 and even(x - 1)


def nobody_calls(x):
    return x
""",
    "settings.py": "LIMIT = 100\nOTHER = 1\n",
    "weights.py": "from features import weigh\n",
    "lazy.py": "def late():\n    return 'late'\n",
    "shapes/circle.py": "PI = 3.14\n\n\ndef area(r):\n    return PI * r * r\n\n\ndef length(r):\n    return 2 * PI * r\n",
    "features/__init__.py": "from .weighing import weigh\n",
    "features/weighing.py": "from . import tables\n\n\ndef weigh(x):\n    return tables.WEIGHTS.get(x, 1)\n",
    "features/tables.py": "WEIGHTS = {1: 2}\nHEIGHTS = {1: 3}\n",
    "features/scaling.py": """\
class Base:
    def scale(self, x):
        return x * self.unit()

    def unit(self):
        return 1


class Scaler(Base):
    pass


class Other:
    def scale(self, x):
        return x


def rescale(x):
    total = sum(y * y for y in range(x))
    return total
""",
}


class Edit(NamedTuple):
    """One edit of one file: `old`, which must be there, becomes `new`."""

    says: str
    file: str
    old: str
    new: str


CHANGING = [
    Edit("a constant in the body", "steps.py", "total = 0", "total = 1"),
    Edit("an operator", "steps.py", "row > THRESHOLD", "row >= THRESHOLD"),
    Edit("a default argument", "steps.py", "scale: float = 2.0", "scale: float = 2.5"),
    Edit("a keyword-only default argument", "steps.py", "seed=7", "seed=8"),
    Edit("an integer made a float", "steps.py", "total = 0", "total = 0.0"),
    Edit("the order of two statements", "steps.py", "    total = 0\n", "    model = 0\n    total = 0\n"),
    Edit("a global it reads", "steps.py", "THRESHOLD = 0.5", "THRESHOLD = 0.6"),
    Edit("a global behind a condition", "steps.py", 'MODE = "lax"', 'MODE = "loose"'),
    Edit("the condition of a global", "steps.py", "if json:\n    MODE", "if not json:\n    MODE"),
    Edit("a helper's constant", "steps.py", "return 2 * x", "return 3 * x"),
    Edit("a helper's default that is a global", "steps.py", '{"north": 1}', '{"north": 5}'),
    Edit("a later alteration of a global", "steps.py", 'OFFSETS["south"] = 2', 'OFFSETS["south"] = 3'),
    Edit("a new alteration of a global", "steps.py", "UNUSED =", "OFFSETS.update(east=4)\nUNUSED ="),
    Edit("a helper's decorator", "steps.py", "@logged\n", ""),
    Edit("the body of a helper's decorator", "steps.py", "    return function\n", "    return print\n"),
    Edit("a class attribute", "steps.py", "rate = 0.1", "rate = 0.2"),
    Edit("a method of a class it uses", "steps.py", "* self.rate for", "+ self.rate for"),
    Edit("the bases of a class it uses", "steps.py", "class Model(Scaler)", "class Model(Scaler, dict)"),
    Edit(
        "a method of a base class in another module",
        "features/scaling.py",
        "return x * self.unit()",
        "return x + self.unit()",
    ),
    Edit("a method of a base's base", "features/scaling.py", "        return 1\n", "        return 2\n"),
    Edit("an imported helper", "features/scaling.py", "y * y", "y + y"),
    Edit("what a partial is given", "steps.py", "factor=0.5", "factor=0.25"),
    Edit("the function that a partial wraps", "helpers.py", "base(x) * factor", "base(x) + factor"),
    Edit("a global of an imported helper", "helpers.py", "FACTOR = 3", "FACTOR = 4"),
    Edit("a helper of a helper of a helper", "helpers.py", "return x == 0 or", "return x == 1 or"),
    Edit("one of two helpers that call each other", "helpers.py", "x != 0 and", "x != 1 and"),
    Edit("a name from a star import", "settings.py", "LIMIT = 100", "LIMIT = 101"),
    Edit("a helper behind two re-exports and another name", "features/weighing.py", "get(x, 1)", "get(x, 2)"),
    Edit(
        "a global reached through a module of a package", "features/tables.py", "WEIGHTS = {1: 2}", "WEIGHTS = {1: 9}"
    ),
    Edit("a helper imported inside the function", "lazy.py", "'late'", "'later'"),
    Edit("a global of a module used by its dotted name", "shapes/circle.py", "PI = 3.14", "PI = 3.14159"),
    Edit(
        "which function of a package a name stands for",
        "steps.py",
        "from math import sqrt",
        "from math import cbrt as sqrt",
    ),
    Edit("which package a name stands for", "steps.py", "import numpy as np", "import cupy as np"),
    Edit(
        "where a helper comes from",
        "steps.py",
        "from weights import weigh as weight_of",
        "from helpers import base as weight_of",
    ),
    Edit(
        "a helper shadowed by a later definition",
        "steps.py",
        "def unrelated",
        "def twice(x):\n    return x\n\n\ndef unrelated",
    ),
    Edit("the annotation of a parameter", "steps.py", "scale: float", "scale: int"),
    Edit("the error it catches", "steps.py", "except ValueError", "except KeyError"),
    Edit("a second decorator", "steps.py", "@datamon.step(inputs", "@logged\n@datamon.step(inputs"),
    Edit("a helper made asynchronous", "steps.py", "def twice", "async def twice"),
]

BLIND = [
    Edit("a comment in the body", "steps.py", "    total = 0\n", "    # starts at nothing\n    total = 0  # really\n"),
    Edit("a comment gone from a helper", "steps.py", "    # doubles\n", ""),
    Edit("the docstring", "steps.py", "Prepares the features.", "Makes the features.\n\n    In detail."),
    Edit("the docstring gone", "steps.py", '    """Prepares the features."""\n', ""),
    Edit("a helper's docstring", "steps.py", '"""Moves x."""', '"""Shifts x."""'),
    Edit("a class's docstring gone", "steps.py", '    """A model."""\n\n', ""),
    Edit("a docstring where there was none", "features/scaling.py", "    pass\n", '    """Scales."""\n'),
    Edit("a text standing after an attribute", "steps.py", "    rate = 0.1\n", '    rate = 0.1\n    """How fast."""\n'),
    Edit("the module's docstring", "steps.py", '"""The steps of the pipeline."""', "'''Steps.'''"),
    Edit("blank lines", "steps.py", "    total = 0\n", "\n    total = 0\n\n\n"),
    Edit("spaces", "steps.py", "2 * x", "2*x"),
    Edit("parentheses that change nothing", "steps.py", "return 2 * x", "return (2 * x)"),
    Edit("a line broken in two", "steps.py", "total += twice(row) +", "total += twice(\n                row,\n            ) +"),
    Edit("a trailing comma", "steps.py", "(total, seed)", "(total, seed,)"),
    Edit("other quotes", "steps.py", '"strict"', "'strict'"),
    Edit("a number spelled otherwise", "helpers.py", "FACTOR = 3", "FACTOR = 0x3"),
    Edit("a text in two pieces", "steps.py", '"strict"', '"str" "ict"'),
    Edit("an f-string in two pieces", "steps.py", 'f"{THRESHOLD:.2f} of {LIMIT!r}"', 'f"{THRESHOLD:.2f} " f"of {LIMIT!r}"'),
    Edit("two statements on a line", "settings.py", "LIMIT = 100\n", "LIMIT = 100; "),
    Edit("a blank file end", "helpers.py", "def nobody_calls(x):\n    return x\n", "def nobody_calls(x):\n    return x\n\n\n"),
    Edit("a pass beside statements", "steps.py", "    total = 0\n", "    pass\n    total = 0\n"),
    Edit("an unrelated function", "steps.py", "return x - 1", "return x - 2"),
    Edit("an unrelated function renamed", "steps.py", "def unrelated", "def something_else"),
    Edit("an unrelated function of a helper's module", "helpers.py", "def nobody_calls(x):", "def no(x, y=0):"),
    Edit("an unrelated class of a helper's module", "features/scaling.py", "class Other:", "class Another:"),
    Edit("an unrelated global", "steps.py", 'UNUSED = "unused"', 'UNUSED = "still unused"'),
    Edit("an unrelated global of a helper's module", "features/tables.py", "HEIGHTS = {1: 3}", "HEIGHTS = {1: 4}"),
    Edit("an unrelated name of a star import", "settings.py", "OTHER = 1", "OTHER = 2"),
    Edit("a function moved to the end of its file", "helpers.py", "def base(x):\n    return x if x else even(x)\n\n\n", ""),
    Edit("an import that it does not use", "steps.py", "import json\n", "import json\nimport os\n"),
    Edit("imports in another order", "steps.py", "import datamon\nimport numpy as np\n", "import numpy as np\nimport datamon\n"),
    Edit("what datamon's decorator says", "steps.py", 'outputs={"dst": "features"}', 'outputs={"dst": "clean"}, label="new"'),
    Edit("what the script does when it is run", "steps.py", "prepare(1, 2)", "prepare(3, 4)"),
    Edit("a global named like a local", "steps.py", "UNUSED =", "total = model = rows = error = 3\nUNUSED ="),
    Edit("the parameter's name of a function it does not call", "steps.py", "def unrelated(x)", "def unrelated(y, x=2)"),
    Edit("the name of the step's own function", "steps.py", "def prepare(src", "def prepare_all(src"),
    Edit("another function of a module used by its dotted name", "shapes/circle.py", "2 * PI * r", "3 * PI * r"),
]  # fmt: skip


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def edited(edit: Edit) -> dict[str, str]:
    text = PROJECT[edit.file]
    assert edit.old in text, f"the table is out of date: {edit.old!r} is not in {edit.file}"
    return PROJECT | {edit.file: text.replace(edit.old, edit.new, 1)}


def digest(root: Path, function: str = "prepare") -> str:
    return fingerprint_function(root / "steps.py", function, root).digest


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> str:
    return digest(write(tmp_path_factory.mktemp("original"), PROJECT))


@pytest.mark.parametrize("edit", CHANGING, ids=[edit.says for edit in CHANGING])
def test_an_edit_that_can_change_the_result_changes_the_fingerprint(tmp_path: Path, original: str, edit: Edit) -> None:
    assert digest(write(tmp_path, edited(edit))) != original


@pytest.mark.parametrize("edit", BLIND, ids=[edit.says for edit in BLIND])
def test_an_edit_that_cannot_change_the_result_changes_nothing(tmp_path: Path, original: str, edit: Edit) -> None:
    files = edited(edit)
    if edit.says.startswith("a function moved"):
        files[edit.file] += edit.old
    function = "prepare_all" if "prepare_all" in edit.new else "prepare"
    assert digest(write(tmp_path, files), function) == original


def test_the_tables_are_as_long_as_was_asked() -> None:
    assert len(CHANGING) >= 30
    assert len(BLIND) >= 30


def test_every_edit_of_the_tables_gives_another_fingerprint_than_the_others(tmp_path: Path) -> None:
    digests = {digest(write(tmp_path / str(number), edited(edit))) for number, edit in enumerate(CHANGING)}
    assert len(digests) == len(CHANGING)


def test_the_fingerprint_names_the_files_it_was_taken_of(tmp_path: Path) -> None:
    found = fingerprint_function(write(tmp_path, PROJECT) / "steps.py", "prepare", tmp_path)
    assert found.paths == (
        "steps.py",
        "features/scaling.py",
        "features/tables.py",
        "features/weighing.py",
        "helpers.py",
        "lazy.py",
        "settings.py",
        "shapes/circle.py",
    )
    assert (found.method, found.function, found.unresolved) == ("function", "prepare", ())


def test_the_fingerprint_is_the_same_in_another_folder_and_module(tmp_path: Path, original: str) -> None:
    files = PROJECT | {"src/work/jobs.py": PROJECT["steps.py"]}
    root = write(tmp_path, {name: text for name, text in files.items() if name != "steps.py"})
    assert fingerprint_function(root / "src/work/jobs.py", "prepare", root).digest == original


def test_two_helpers_that_exchange_their_definitions_change_the_fingerprint(tmp_path: Path) -> None:
    one = {"a.py": "def f():\n    return 1\n", "b.py": "def f():\n    return 2\n"}
    steps = {"steps.py": "import a\nimport b\n\n\ndef prepare():\n    return a.f() - b.f()\n"}
    other = {"a.py": one["b.py"], "b.py": one["a.py"]}
    assert digest(write(tmp_path / "1", one | steps)) != digest(write(tmp_path / "2", other | steps))


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("def prepare():\n    exec('x')\n", "steps.py: exec"),
        ("def prepare():\n    return mystery()\n", "steps.py: the name 'mystery'"),
        ("import importlib\n\n\ndef prepare(x):\n    return importlib.import_module(x)\n", "steps.py: importlib.import_module"),
        ("from . import gone\n\n\ndef prepare():\n    return gone.f()\n", "steps.py: the name '.gone'"),
        ("import part\n\n\ndef prepare():\n    return part.made_later()\n", "steps.py: the name 'part.made_later'"),
        ("import subprocess\n\n\ndef prepare():\n    subprocess.run(['make'])\n", "steps.py: subprocess.run"),
        ("import sys\n\nsys.path.insert(0, 'lib')\n\n\ndef prepare():\n    return sys\n", "steps.py: sys.path.insert"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_listed(tmp_path: Path, text: str, note: str) -> None:
    root = write(tmp_path, {"steps.py": text, "part.py": "X = 1\n"})
    assert fingerprint_function(root / "steps.py", "prepare", root).unresolved == (note,)


def test_a_module_imported_by_a_name_that_is_spelled_out_counts_as_a_whole(tmp_path: Path) -> None:
    text = "import importlib\n\n\ndef prepare():\n    return importlib.import_module('part').X\n"
    root = write(tmp_path, {"steps.py": text, "part.py": "X = 1\n"})
    before = fingerprint_function(root / "steps.py", "prepare", root)
    write(tmp_path, {"part.py": "X = 2\n"})
    assert (before.unresolved, before.digest != digest(root)) == ((), True)


def test_a_module_passed_on_as_a_whole_counts_as_a_whole(tmp_path: Path) -> None:
    root = write(
        tmp_path, {"steps.py": "import part\n\n\ndef prepare():\n    return vars(part)\n", "part.py": "X = 1\n"}
    )
    before = digest(root)
    write(tmp_path, {"part.py": "X = 1\nY = 2\n"})
    assert digest(root) != before


def test_a_function_inside_a_function_counts_with_all_that_is_around_it(tmp_path: Path) -> None:
    text = (
        "def make(k):\n    def one(x):\n        return x + k\n    def two(x):\n        return x\n    return one, two\n"
    )
    root = write(tmp_path, {"steps.py": text})
    assert digest(root, "make.<locals>.one") == digest(root, "make.one") != digest(root, "make.two")
    before = digest(root, "make.one")
    write(tmp_path, {"steps.py": text.replace("def make(k)", "def make(k=1)")})
    assert digest(root, "make.one") != before


def test_a_function_that_is_not_in_the_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no function 'absent'"):
        fingerprint_function(write(tmp_path, PROJECT) / "steps.py", "absent", tmp_path)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no code at"):
        fingerprint_function(tmp_path / "steps.py", "prepare", tmp_path)


def test_a_file_that_cannot_be_parsed_counts_byte_for_byte_and_says_so(tmp_path: Path) -> None:
    root = write(tmp_path, {"steps.py": "def prepare(:\n"})
    found = fingerprint_function(root / "steps.py", "prepare", root)
    write(tmp_path, {"steps.py": "def prepare(:  # worse\n"})
    assert (found.unresolved, found.digest != digest(root)) == (("steps.py: cannot be parsed",), True)


def test_modules_that_import_each_other_do_not_hang(tmp_path: Path) -> None:
    files = {
        "steps.py": "from a import f\n\n\ndef prepare():\n    return f(missing)\n",
        "a.py": "from b import *\nfrom b import f\n",
        "b.py": "from a import *\nfrom a import f\n",
    }
    notes = fingerprint_function(write(tmp_path, files) / "steps.py", "prepare", tmp_path).unresolved
    assert notes == ("steps.py: the name 'a.f'", "steps.py: the name 'missing'")


def test_an_expression_of_thousands_of_terms_is_read(tmp_path: Path) -> None:
    text = "from part import f\n\n\ndef prepare():\n    return " + " + ".join(["f(1)"] * 1500) + "\n"
    root = write(tmp_path, {"steps.py": text, "part.py": "def f(x):\n    return x\n"})
    before = digest(root)
    write(tmp_path, {"part.py": "def f(x):\n    return -x\n"})
    assert digest(root) != before


def test_a_name_that_a_class_binds_for_itself_is_no_unknown_name(tmp_path: Path) -> None:
    text = "class A:\n    @property\n    def x(self):\n        return 1\n    @x.setter\n    def x(self, v):\n        pass\n"
    root = write(tmp_path, {"steps.py": text + "\n\ndef prepare():\n    return A()\n"})
    assert fingerprint_function(root / "steps.py", "prepare", root).unresolved == ()


def test_a_class_attribute_made_from_a_global_of_its_name_depends_on_that_global(tmp_path: Path) -> None:
    text = "rate = 1\n\n\nclass A:\n    rate = rate * 2\n\n\ndef prepare():\n    return A()\n"
    before = digest(write(tmp_path, {"steps.py": text}))
    assert digest(write(tmp_path, {"steps.py": text.replace("rate = 1", "rate = 3")})) != before


def test_a_module_beside_one_of_a_package_does_not_stand_for_the_standard_library_s(tmp_path: Path) -> None:
    files = {
        "work/__init__.py": "",
        "work/random.py": "def random():\n    return 4\n",
        "work/steps.py": "import random\n\n\ndef prepare():\n    return random.random()\n",
    }
    found = fingerprint_function(write(tmp_path, files) / "work/steps.py", "prepare", tmp_path)
    assert (found.paths, found.unresolved) == (("work/steps.py",), ())


def test_a_module_named_like_the_package_that_it_imports_does_not_import_itself(tmp_path: Path) -> None:
    files = {"work/__init__.py": "", "work/numpy.py": "import numpy\n\n\ndef prepare():\n    return numpy.dtype(int)\n"}
    found = fingerprint_function(write(tmp_path, files) / "work/numpy.py", "prepare", tmp_path)
    assert (found.paths, found.unresolved) == (("work/numpy.py",), ())
