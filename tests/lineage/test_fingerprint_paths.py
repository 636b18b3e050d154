"""Declared paths have one fingerprint, with git and without, clean or dirty, read or known: git only spares work."""

import shutil
import subprocess
from pathlib import Path

import pytest

from datamon.lineage.fingerprint import fingerprint_paths
from datamon.lineage.known_texts import KnownTexts


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """So many files that git is asked."""
    root = tmp_path / "project"
    for number in range(100):
        place = root / "src" / f"p{number % 3}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"m{number}.py").write_text(f"N = {number}\n")
        (place / f"q{number}.sql").write_text(f"select {number}\n")
    (root / ".gitignore").write_text("*.local\n")
    (root / "src/settings.local").write_text("a\n")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "m")
    return root


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=root, check=True)


def digest(root: Path, texts: KnownTexts | None = None) -> str:
    return fingerprint_paths([root / "src"], root, texts=texts).digest


def without_git(root: Path) -> str:
    copy = root.with_name("copy")
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns(".git"))
    try:
        return digest(copy)
    finally:
        shutil.rmtree(copy)


def test_one_tree_has_one_fingerprint_clean_dirty_staged_reverted_and_without_git(tree: Path, tmp_path: Path) -> None:
    place, edited = tmp_path / "texts", tree / "src/p0/m0.py"
    clean = digest(tree, KnownTexts(place))
    assert {clean} == {digest(tree), digest(tree, KnownTexts(place)), without_git(tree)}
    edited.write_text("N = 9\n")
    dirty = digest(tree, KnownTexts(place))
    assert dirty != clean
    git(tree, "add", "-A")
    assert {dirty} == {digest(tree), digest(tree, KnownTexts(place)), without_git(tree)}
    git(tree, "rm", "-q", "--cached", "src/p0/m0.py")
    assert digest(tree, KnownTexts(place)) == dirty
    edited.write_text("N = 0\n")
    assert digest(tree, KnownTexts(place)) == clean


class Telling(KnownTexts):
    """Tells what was found out anew."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.told: list[str] = []

    def put(self, key: str, digest: str) -> None:
        self.told.append(key)
        super().put(key, digest)


def test_what_git_knows_not_to_have_changed_is_not_read_again(tree: Path, tmp_path: Path) -> None:
    first = Telling(tmp_path / "texts")
    before = digest(tree, first)
    second = Telling(tmp_path / "texts")
    assert digest(tree, second) == before
    assert len(first.told) == 201
    [ignored] = second.told
    assert not ignored.startswith("git:")


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_file_at_which_git_was_told_not_to_look_is_read(tree: Path, tmp_path: Path, flag: str) -> None:
    place = tmp_path / "texts"
    before = digest(tree, KnownTexts(place))
    git(tree, "update-index", flag, "src/p0/m0.py")
    (tree / "src/p0/m0.py").write_text("N = 9\n")
    after = digest(tree, KnownTexts(place))
    assert before != after == without_git(tree)


def test_what_git_ignores_counts(tree: Path) -> None:
    before = digest(tree)
    (tree / "src/settings.local").write_text("b\n")
    assert digest(tree) != before


def test_a_comment_in_python_or_sql_does_not_count_and_one_in_a_text_does(tree: Path, tmp_path: Path) -> None:
    place = tmp_path / "texts"
    before = digest(tree, KnownTexts(place))
    (tree / "src/p0/m0.py").write_text("N = 0  # none\n")
    assert digest(tree, KnownTexts(place)) == before
    sql = tree / "src/p0/q0.sql"
    sql.write_text(f"-- none\n{sql.read_text()}")
    assert digest(tree, KnownTexts(place)) == before
    (tree / "src/p0/notes.txt").write_text("select 0 -- none\n")
    assert digest(tree, KnownTexts(place)) != before


def test_one_content_under_two_endings_counts_as_what_each_is(tree: Path, tmp_path: Path) -> None:
    for text, name in (
        ("N = 5\n", "a.py"),
        ("N = 5\n", "a.txt"),
        ("N = 5  # five\n", "b.py"),
        ("N = 5  # five\n", "b.txt"),
    ):
        (tree / "src" / name).write_text(text)
    assert digest(tree, KnownTexts(tmp_path / "texts")) == digest(tree) == without_git(tree)


@pytest.mark.parametrize("damage", [b"", b"x", b"x" * 5000])
def test_a_damaged_file_of_what_is_known_counts_as_none(tree: Path, tmp_path: Path, damage: bytes) -> None:
    place = tmp_path / "texts"
    before = digest(tree, KnownTexts(place))
    place.write_bytes(damage or place.read_bytes().replace(b"git:", b"got:", 1))
    assert digest(tree, KnownTexts(place)) == before
