"""The wheel, built through the sdist, holds the tree: links, folders and files."""

import importlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("cli", "lineage", "query", "store")


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_is_the_folder_at_the_root(layer: str) -> None:
    module = importlib.import_module(f"datamon.{layer}")

    assert module.__file__ is not None
    assert Path(module.__file__).resolve() == ROOT / layer / "__init__.py"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the project alone."""
    tree = tmp_path_factory.mktemp("packaging") / "tree"
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    for name in filter(None, tracked):
        source, target = ROOT / name, tree / name
        if source.is_symlink() or source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    return tree


def built(tree: Path, to: Path, *, search: str | None = None) -> Path:
    """The wheel that is built through the sdist, with the programs on the path `search`."""
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(to), str(tree)],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": os.environ["PATH"] if search is None else search},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (wheel,) = to.glob("*.whl")
    return wheel


@pytest.mark.parametrize("with_compiler", [True, False], ids=["a compiler", "no compiler"])
def test_the_wheel_built_through_the_sdist_holds_every_file_of_the_tree(
    tree: Path, tmp_path: Path, *, with_compiler: bool
) -> None:
    wheel = built(tree, tmp_path / "dist", search=None if with_compiler else str(tmp_path))
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if name.startswith("datamon/")}
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
    tools = {name for name in inside if "/trace/built/" in name}
    can_compile = sys.platform == "linux" and with_compiler and any(map(shutil.which, ("cc", "gcc", "clang")))
    assert len(tools) == can_compile
    assert all(modes[name] & 0o111 for name in tools)
    inside -= tools
    expected = {f"datamon/{path.name}" for path in (tree / "src" / "datamon").iterdir() if path.is_file()}
    for layer in LAYERS:
        for path in (tree / layer).rglob("*"):
            if path.is_file():
                expected.add(f"datamon/{layer}/{path.relative_to(tree / layer).as_posix()}")
    assert inside == expected


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and cc")
def test_what_was_compiled_by_the_install_is_used_without_a_compiler(tree: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(built(tree, tmp_path / "dist")) as archive:
        archive.extractall(tmp_path / "site")
    [tool] = (tmp_path / "site").rglob("built/*")
    tool.chmod(0o755)
    asks = (
        "from pathlib import Path; from datamon.lineage.capture.trace.choosing import choose; "
        f"print(choose('seccomp', Path({str(tmp_path)!r}, 'tools'), Path({str(tmp_path)!r}), '/nowhere')[0].name)"
    )
    told = subprocess.run(
        [sys.executable, "-c", asks],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
    )
    assert told.stdout == "seccomp\n", told.stderr
    assert not (tmp_path / "tools").exists()
