"""The public Python API: what `import datamon` gives, what it costs, and that it records what the command line records."""

import subprocess
import sys
from pathlib import Path

import pytest

import datamon
from datamon.cli.environment import process_environment
from datamon.cli.testing import KEPT
from datamon.errors import Conflict, NotFound

FOLDERS = {"cli", "lineage", "query", "store"}
SCRIPT = """\
from pathlib import Path
import datamon

@datamon.step(inputs={"src": "raw"}, outputs={"dst": "features"}, pipeline="p")
def prepare(src: Path, dst: Path, scale: float = 2.0) -> int:
    text = (src / "x.txt").read_text()
    (dst / "y.txt").write_text(text * int(scale))
    return len(text)

if __name__ == "__main__":
    assert prepare(scale=3.0) == 4
    with datamon.run("train", pipeline="p", params={"rounds": 10}) as run:
        features = run.input("features")
        (run.output("model") / "m").write_text((features / "y.txt").read_text())
        run.metric("auc", 0.93)
    rows = list(datamon.ask("SELECT step, status, how FROM runs ORDER BY started"))
    assert rows == [
        {"step": "prepare", "status": "succeeded", "how": "decorator"},
        {"step": "train", "status": "succeeded", "how": "context"},
    ], rows
    assert list(datamon.ask("WHAT IS STALE")) == []
    (made,) = datamon.ask("WHAT PRODUCED $ref", ref="model")
    assert made["step"] == "train"
    print("well")
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, in this process."""
    monkeypatch.setenv("DATAMON_HOME", str(tmp_path / "home"))
    for name in ("DATAMON_CONFIG", "DATAMON_CONTEXT", "DATAMON_METADATA", "DATAMON_BLOB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_importing_datamon_loads_nothing_of_it() -> None:
    code = "import sys; before = set(sys.modules); import datamon; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['datamon']\n"


def test_no_public_name_is_a_folders_name() -> None:
    assert not FOLDERS & set(datamon.__all__)
    for name in datamon.__all__:
        assert getattr(datamon, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = datamon.nothing  # type: ignore[attr-defined]


def test_the_same_settings_give_the_same_open_store(home: Path) -> None:
    assert datamon.open_store() is datamon.open_store()
    other = datamon.open_store(home / "other")
    assert other.id != datamon.open_store().id
    assert datamon.open_store(home / "other") is other
    (home / "my.yaml").write_text("contexts: {mine: {metadata: ./other}}\n")
    assert datamon.open_store(context="mine", config=home / "my.yaml").id == other.id
    with pytest.raises(NotFound, match="there is no context 'x'"):
        datamon.open_store(context="x")


def test_a_repo_is_made_and_filled_from_python(home: Path) -> None:
    datamon.create_repo("raw", description="first")
    with pytest.raises(Conflict):
        datamon.create_repo("raw")
    (home / "raw").mkdir()
    (home / "raw" / "x.txt").write_text("abc\n")
    bundle = datamon.upload("raw", "raw", message="m", label="v1")
    answer = datamon.ask("SELECT id, message FROM bundles WHERE repo = $repo", repo="raw")
    assert answer.rows == [(bundle.id, "m")]
    assert answer.arrow().num_rows == 1
    (label,) = datamon.ask("SELECT name, bundle FROM labels")
    assert label == {"name": "v1", "bundle": bundle.id}


def test_a_script_records_steps_and_blocks_and_asks_about_them(home: Path) -> None:
    for repo in ("raw", "features", "model"):
        datamon.create_repo(repo)
    (home / "raw").mkdir()
    (home / "raw" / "x.txt").write_text("abc\n")
    datamon.upload("raw", "raw", message="m")
    (home / "script.py").write_text(SCRIPT)
    kept = {name: value for name, value in process_environment().items() if name in KEPT}
    environment = {**kept, "DATAMON_HOME": str(home / "home"), "HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "script.py"], env=environment, cwd=home, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "well\n"), done.stderr
