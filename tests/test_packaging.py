"""The wheel, built through the sdist, holds the tree: links, folders and files."""

import importlib
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


def test_the_wheel_built_through_the_sdist_holds_every_file_of_the_tree(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
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

    built = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(tree)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]

    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if name.startswith("datamon/")}
    expected = {f"datamon/{path.name}" for path in (tree / "src" / "datamon").iterdir() if path.is_file()}
    for layer in LAYERS:
        for path in (tree / layer).rglob("*"):
            if path.is_file():
                expected.add(f"datamon/{layer}/{path.relative_to(tree / layer).as_posix()}")
    assert inside == expected
