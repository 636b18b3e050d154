"""Which edits count in projects of several modules: the tables are `cases/projects_count.txt` and `cases/projects_count_not.txt`.

Each case is a project, whose step is the function `step` in its only `steps.py`, and one edit of one file.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from datamon.lineage.fingerprint import fingerprint_function

CASES = Path(__file__).parent / "cases"


class Case(NamedTuple):
    """A project before an edit and after it: text by file."""

    says: str
    before: dict[str, str]
    after: dict[str, str]

    def __str__(self) -> str:
        return self.says


def read_cases(path: Path) -> list[Case]:
    return [_case(block) for block in path.read_text("utf-8").split("=== ")[1:]]


def _case(block: str) -> Case:
    says, *parts = block.rstrip("\n").split("\n--- ")
    named = dict(part.partition("\n")[::2] for part in parts)
    new = named.pop("to")
    [edit] = [name for name in named if name.startswith("edit ")]
    old, file = named.pop(edit), edit.removeprefix("edit ")
    assert old in named[file], f"the table is out of date: {says}"
    return Case(says, named, named | {file: named[file].replace(old, new)})


COUNTS = read_cases(CASES / "projects_count.txt")
COUNTS_NOT = read_cases(CASES / "projects_count_not.txt")


def digest(root: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    [steps] = root.rglob("steps.py")
    return fingerprint_function(steps, "step", root).digest


@pytest.mark.parametrize("case", COUNTS, ids=str)
def test_what_can_change_a_result_counts_wherever_it_stands(tmp_path: Path, case: Case) -> None:
    assert digest(tmp_path / "before", case.before) != digest(tmp_path / "after", case.after)


@pytest.mark.parametrize("case", COUNTS_NOT, ids=str)
def test_what_cannot_change_a_result_does_not_count_wherever_it_stands(tmp_path: Path, case: Case) -> None:
    assert digest(tmp_path / "before", case.before) == digest(tmp_path / "after", case.after)


def test_a_name_that_is_looked_up_while_it_runs_is_listed_as_not_followed(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text("def h(): return 1\ndef step(): return globals()['h']()\n")
    assert fingerprint_function(tmp_path / "steps.py", "step", tmp_path).unresolved == ("steps.py: globals",)


if sys.version_info >= (3, 12):  # whose syntax it is

    @pytest.mark.parametrize(
        ("old", "new"), [("type N = int", "type N = str"), ("[T: int]", "[T: str]"), ("class A[S]", "class A[S: int]")]
    )
    def test_type_parameters_and_aliases_count_where_they_are_used(tmp_path: Path, old: str, new: str) -> None:
        text = "type N = int\nclass A[S]: pass\ndef h[T: int](x: T) -> T: return x\ndef step(): return N.__value__, A, h(1)\n"
        before, after = {"steps.py": text}, {"steps.py": text.replace(old, new)}
        assert digest(tmp_path / "before", before) != digest(tmp_path / "after", after)
