"""What a working tree says of runs whose code root it is."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from datamon.lineage.fingerprint import fingerprint_cell, fingerprint_function, fingerprint_script
from datamon.lineage.records import CodeVersion, Host, Param, RunOpened
from datamon.lineage.working_tree import Now, WorkingTree, look
from datamon.store.bundle import Author
from datamon.store.ids import RunId

STEPS = "import datamon\n\n\n@datamon.step\ndef prepare(src, scale=2.0):\n    return scale\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


def opened(name: str, code: CodeVersion, *params: Param) -> RunOpened:
    return RunOpened(
        id=RunId(name),
        pipeline="default",
        step="prepare",
        parent=None,
        started_ns=1,
        author=Author("A", "a@example.org"),
        host=Host("here", "boot", 1, 1, "Linux", "x86_64", 1),
        argv=("python",),
        cwd=".",
        code=code,
        params=params,
        policy_env=(),
        environment=None,
        inputs=(),
        outputs=(),
        labels=(),
        how="command",
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path.resolve() / "work", {"steps.py": STEPS, "p.yaml": "rate: 1\n", "sub/x.txt": ""})


@pytest.fixture
def run(root: Path) -> RunOpened:
    found = fingerprint_function(root / "steps.py", "prepare", root)
    code = CodeVersion(
        host_path=str(root), fingerprint=found.digest, method="function", paths=found.paths, function="prepare"
    )
    params = (Param("scale", 2.0, "default"), Param("rate", 1, "file", "p.yaml", "rate"), Param("given", 1))
    return opened("run", code, *params)


def test_the_tree_says_the_fingerprint_and_the_values_of_now(root: Path, run: RunOpened) -> None:
    now = look(WorkingTree(root, "here"), [run])
    assert now == Now({"run": run.code.fingerprint}, {("run", "scale"): "2.0", ("run", "rate"): "1"})


def test_edits_are_seen_and_what_is_gone_is_none(root: Path, run: RunOpened) -> None:
    write(root, {"steps.py": STEPS.replace("scale=2.0", "scale=3.0"), "p.yaml": "other: 1\n"})
    now = look(WorkingTree(root, "here"), [run])
    assert now.code["run"] not in (None, run.code.fingerprint)
    assert now.params == {("run", "scale"): "3.0", ("run", "rate"): None}
    (root / "steps.py").unlink()
    assert look(WorkingTree(root, "here"), [run]).code == {"run": None}


def test_code_outside_a_repository_is_known_by_host_and_path(root: Path, run: RunOpened) -> None:
    assert look(WorkingTree(root / "sub", "here"), [run]).code == {"run": run.code.fingerprint}
    assert look(WorkingTree(root, "elsewhere"), [run]) == Now()
    assert look(WorkingTree(root.parent, "here"), [run]) == Now()


def test_code_in_a_repository_is_known_by_its_first_commit(root: Path, run: RunOpened, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    first = commit(root)
    subprocess.run(["git", "clone", "-q", str(root), str(clone)], check=True)
    tracked = replace(run, code=replace(run.code, root=first, host_path="/gone"))
    assert look(WorkingTree(clone / "sub", "elsewhere"), [tracked]).code == {"run": run.code.fingerprint}
    other = write(tmp_path / "other", {"steps.py": STEPS})
    commit(other)
    assert look(WorkingTree(other, "here"), [tracked]) == Now()
    assert look(WorkingTree(tmp_path, "here"), [tracked]) == Now()


def commit(root: Path) -> str:
    git = ["git", "-C", str(root), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", f"first of {root.name}"], check=True)
    asked = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return asked.stdout.strip()


def test_of_cells_and_of_code_without_fingerprint_the_tree_says_nothing(root: Path, run: RunOpened) -> None:
    cell = fingerprint_cell("x = 1")
    nothing = CodeVersion(host_path=str(root))
    runs = [
        opened("cell", replace(nothing, fingerprint=cell.digest, method="cell")),
        opened("none", nothing),
    ]
    assert look(WorkingTree(root, "here"), runs) == Now()


def test_a_script_is_judged_too(root: Path) -> None:
    write(root, {"go.sh": "echo one\n"})
    found = fingerprint_script(root / "go.sh", root)
    code = CodeVersion(host_path=str(root), fingerprint=found.digest, method="script", paths=found.paths)
    write(root, {"go.sh": "echo two\n"})
    now = look(WorkingTree(root, "here"), [opened("run", code)])
    assert now.code["run"] not in (None, found.digest)
