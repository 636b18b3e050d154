"""Finding a step again in a working tree that has moved on."""

from pathlib import Path

import pytest

from datamon.lineage.fingerprint import (
    Fingerprint,
    current,
    fingerprint_cell,
    fingerprint_function,
    fingerprint_paths,
    fingerprint_script,
    is_judged_in_tree,
)
from datamon.lineage.locate import StepName
from datamon.lineage.records import CodeVersion

PREPARE = StepName("default", "prepare")
STEPS = 'import datamon\n\n\n@datamon.step(outputs={"dst": "features"})\ndef prepare(dst):\n    return dst\n'


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


def version(found: Fingerprint) -> CodeVersion:
    return CodeVersion(
        fingerprint=found.digest,
        method=found.method,
        paths=found.paths,
        function=found.function,
        unresolved=found.unresolved,
    )


@pytest.fixture
def code(tmp_path: Path) -> CodeVersion:
    write(tmp_path, {"steps.py": STEPS})
    return version(fingerprint_function(tmp_path / "steps.py", "prepare", tmp_path))


def test_a_function_that_was_not_edited_has_its_fingerprint_now(tmp_path: Path, code: CodeVersion) -> None:
    assert current(code, tmp_path, PREPARE) == code.fingerprint


def test_a_function_that_was_edited_has_another(tmp_path: Path, code: CodeVersion) -> None:
    write(tmp_path, {"steps.py": STEPS.replace("return dst", "return None")})
    assert current(code, tmp_path, PREPARE) not in (None, code.fingerprint)


def renamed(function: str = "prepare", **said: str) -> str:
    """The steps with another function name, and with more said in the decorator."""
    words = "".join(f'{name}="{value}", ' for name, value in said.items())
    return STEPS.replace("def prepare", f"def {function}").replace("(outputs", f"({words}outputs")


def decorated(name: str, imported: str) -> str:
    """The steps with the decorator imported otherwise."""
    return STEPS.replace("datamon.step(", f"{name}(").replace("import datamon", imported)


MOVED = {
    "to another file": {"src/work/jobs.py": STEPS},
    "to another name": {"steps.py": renamed("make", name="prepare")},
    "with datamon under another name": {"a.py": decorated("dm.step", "import datamon as dm")},
    "with the decorator imported alone": {"a.py": decorated("step", "from datamon import step")},
    "with a bare decorator": {"a.py": STEPS.replace('@datamon.step(outputs={"dst": "features"})', "@datamon.step")},
    "with a decorator of the project's": {
        "a.py": decorated("mark", "from ours import mark"),
        "ours.py": "from datamon.lineage import make_step\n\nmark = make_step()\n",
    },
}


@pytest.mark.parametrize("moved", MOVED.values(), ids=MOVED)
def test_a_step_that_moved_is_found_by_the_name_its_decorator_gives_it(
    tmp_path: Path, code: CodeVersion, moved: dict[str, str]
) -> None:
    (tmp_path / "steps.py").unlink()
    write(tmp_path, moved)
    assert current(code, tmp_path, PREPARE) == code.fingerprint


def test_a_step_of_another_pipeline_is_another_step(tmp_path: Path, code: CodeVersion) -> None:
    (tmp_path / "steps.py").unlink()
    write(tmp_path, {"a.py": renamed(pipeline="other")})
    assert current(code, tmp_path, PREPARE) is None
    assert current(code, tmp_path, StepName("other", "prepare")) == code.fingerprint


def test_the_name_of_the_decorator_goes_before_the_function_s_own_name(tmp_path: Path, code: CodeVersion) -> None:
    write(
        tmp_path, {"steps.py": renamed("make", name="prepare") + "\n\ndef prepare(dst):\n    return 'a helper now'\n"}
    )
    assert current(code, tmp_path, PREPARE) == code.fingerprint


def test_of_two_steps_of_one_name_the_one_in_the_recorded_file_is_meant(tmp_path: Path, code: CodeVersion) -> None:
    write(tmp_path, {"a.py": STEPS.replace("return dst", "return None")})
    assert current(code, tmp_path, PREPARE) == code.fingerprint


def test_a_function_without_decorator_is_found_by_its_qualified_name_where_it_was(tmp_path: Path) -> None:
    write(tmp_path, {"work/steps.py": "def prepare():\n    return 1\n", "other.py": "def prepare():\n    return 2\n"})
    code = version(fingerprint_function(tmp_path / "work/steps.py", "prepare", tmp_path))
    assert current(code, tmp_path, PREPARE) == code.fingerprint


def test_a_function_whose_module_moved_is_found_by_module_and_name(tmp_path: Path) -> None:
    write(tmp_path, {"work/steps.py": "def prepare():\n    return 1\n"})
    code = version(fingerprint_function(tmp_path / "work/steps.py", "prepare", tmp_path))
    (tmp_path / "work/steps.py").unlink()
    write(
        tmp_path,
        {"src/work/steps.py": "def prepare():\n    return 1\n", "old/steps.py": "def prepare():\n    return 2\n"},
    )
    assert current(code, tmp_path, PREPARE) == code.fingerprint


def test_a_function_that_is_nowhere_is_not_found(tmp_path: Path, code: CodeVersion) -> None:
    write(tmp_path, {"steps.py": "import datamon\n", "b.py": "def prepare():\n    return 1\n"})
    assert current(code, tmp_path, PREPARE) is None


def test_code_that_tools_left_about_is_not_the_project_s(tmp_path: Path, code: CodeVersion) -> None:
    (tmp_path / "steps.py").unlink()
    write(
        tmp_path,
        {".venv/lib/steps.py": STEPS, "env/pyvenv.cfg": "", "env/steps.py": STEPS, "node_modules/steps.py": STEPS},
    )
    assert current(code, tmp_path, PREPARE) is None


def test_a_script_is_found_at_its_path_and_nowhere_else(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": "x = 1\n"})
    code = version(fingerprint_script(tmp_path / "train.py", tmp_path))
    assert current(code, tmp_path) == code.fingerprint
    (tmp_path / "train.py").rename(tmp_path / "fit.py")
    assert current(code, tmp_path) is None


def test_declared_paths_are_found_as_long_as_one_of_them_is_there(tmp_path: Path) -> None:
    write(tmp_path, {"a/x.py": "x = 1\n", "b.sql": "SELECT 1"})
    code = version(fingerprint_paths([tmp_path / "a", tmp_path / "b.sql"], tmp_path))
    assert current(code, tmp_path) == code.fingerprint
    (tmp_path / "b.sql").unlink()
    assert current(code, tmp_path) not in (None, code.fingerprint)
    (tmp_path / "a/x.py").unlink()
    (tmp_path / "a").rmdir()
    assert current(code, tmp_path) is None


def test_a_working_tree_cannot_say_what_a_cell_is_now(tmp_path: Path) -> None:
    cell = version(fingerprint_cell("x = 1"))
    assert not is_judged_in_tree(cell)
    assert not is_judged_in_tree(CodeVersion())
    assert current(cell, tmp_path) is None


def test_a_clone_elsewhere_gives_the_same_fingerprints(tmp_path: Path) -> None:
    one, other = write(tmp_path / "one", {"steps.py": STEPS}), write(tmp_path / "other/deep", {"steps.py": STEPS})
    code = version(fingerprint_function(one / "steps.py", "prepare", one))
    assert current(code, other, PREPARE) == code.fingerprint


def test_a_code_root_reached_through_a_link_is_the_same_code_root(tmp_path: Path, code: CodeVersion) -> None:
    link = tmp_path.with_name("link")
    link.symlink_to(tmp_path)
    found = fingerprint_function(link / "steps.py", "prepare", tmp_path)
    assert version(found) == code
    assert current(code, link, PREPARE) == code.fingerprint
