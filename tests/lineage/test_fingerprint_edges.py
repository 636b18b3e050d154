"""Which edits count, form by form of the language: the tables are `cases/counts.txt` and `cases/counts_not.txt`.

Each case is a small project of its own whose step is the function `step` in `steps.py`, and one edit of it: in `steps.py` (or in
`lib.py`), the text under `old` becomes that under `new`.
"""

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
    head, *parts = block.rstrip("\n").split("\n--- ")
    says, _, steps = head.partition("\n")
    named = dict(part.partition("\n")[::2] for part in parts)
    before = {"steps.py": steps, "lib.py": named.get("lib.py", "")}
    file, old = ("steps.py", named["old"]) if "old" in named else ("lib.py", named["old in lib.py"])
    assert old in before[file], f"the table is out of date: {says}"
    return Case(says, before, before | {file: before[file].replace(old, named["new"], 1)})


COUNTS = read_cases(CASES / "counts.txt")
COUNTS_NOT = read_cases(CASES / "counts_not.txt")


def digest(root: Path, files: dict[str, str]) -> str:
    for file, text in files.items():
        root.mkdir(exist_ok=True)
        (root / file).write_bytes(text.encode())
    return fingerprint_function(root / "steps.py", "step", root).digest


@pytest.mark.parametrize("case", COUNTS, ids=str)
def test_what_can_change_a_result_counts(tmp_path: Path, case: Case) -> None:
    assert digest(tmp_path / "before", case.before) != digest(tmp_path / "after", case.after)


@pytest.mark.parametrize("case", COUNTS_NOT, ids=str)
def test_what_cannot_change_a_result_does_not_count(tmp_path: Path, case: Case) -> None:
    assert digest(tmp_path / "before", case.before) == digest(tmp_path / "after", case.after)


@pytest.mark.parametrize(
    "text", ["\ufeffdef step():\n    return 1", "def step():\r\n    return 1", "def step():\n\treturn 1"]
)
def test_how_lines_begin_and_end_does_not_count(tmp_path: Path, text: str) -> None:
    assert digest(tmp_path / "before", {"steps.py": "def step():\n    return 1\n"}) == digest(
        tmp_path / "after", {"steps.py": text}
    )


@pytest.mark.parametrize("case", [*COUNTS, *COUNTS_NOT], ids=str)
def test_every_case_is_python_and_an_edit(case: Case) -> None:
    assert case.before != case.after
    for text in (*case.before.values(), *case.after.values()):
        compile(text, case.says, "exec")
