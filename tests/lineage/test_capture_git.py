"""The git state of the code."""

import subprocess
from pathlib import Path

import pytest

from datamon.lineage.capture.git import (
    LARGEST_UNTRACKED_BYTES,
    GitState,
    capture_git,
    find_root,
    find_top,
    redact_remote,
)


def git(directory: Path, *words: str) -> str:
    settings = ["-c", "user.name=Ada", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(directory), *settings, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "code"
    (top / "sub").mkdir(parents=True)
    git(top, "init", "-q", "-b", "main")
    (top / "a.py").write_text("a = 1\n")
    (top / ".gitignore").write_text("*.log\n")
    git(top, "add", ".")
    git(top, "commit", "-q", "-m", "first")
    return top


def state(directory: Path, *without: Path) -> GitState:
    found = capture_git(directory, without)
    assert found is not None
    return found


def test_a_clean_tree_has_a_commit_a_root_and_no_dirty_hash(tree: Path) -> None:
    first = git(tree, "rev-parse", "HEAD")
    (tree / "a.py").write_text("a = 2\n")
    git(tree, "commit", "-q", "-am", "second")
    found = state(tree / "sub")
    assert found.top.samefile(tree)
    assert (found.root, found.dirty, found.remote) == (first, None, None)
    assert found.commit == git(tree, "rev-parse", "HEAD") != first
    assert find_root(tree) == first
    assert find_top(tree / "sub") == found.top


def test_outside_of_git_there_is_no_state(tmp_path: Path) -> None:
    assert capture_git(tmp_path) is None


def test_every_way_of_being_dirty_gives_another_hash_and_undoing_it_gives_none(tree: Path) -> None:
    seen = {state(tree).dirty}
    (tree / "a.py").write_text("a = 2\n")
    seen.add(state(tree).dirty)
    git(tree, "add", "a.py")
    (tree / "new.py").write_text("x")
    seen.add(state(tree).dirty)
    (tree / "new.py").write_text("y")
    seen.add(state(tree).dirty)
    (tree / "new.py").rename(tree / "newer.py")
    seen.add(state(tree).dirty)
    assert len(seen) == 5
    (tree / "newer.py").unlink()
    git(tree, "reset", "-q", "--hard")
    (tree / "ignored.log").write_text("x")
    assert state(tree).dirty is None


def test_the_dirty_hash_depends_on_the_whole_tree_and_not_on_the_directory_asked_from(tree: Path) -> None:
    (tree / "new.py").write_text("x")
    assert state(tree).dirty == state(tree / "sub").dirty is not None


def test_data_directories_of_the_run_do_not_make_the_code_dirty(tree: Path) -> None:
    odd = tree / "sub" / "in [*]"
    odd.mkdir()
    (odd / "big.csv").write_text("1,2")
    assert state(tree).dirty is not None
    assert state(tree, odd, tree.parent / "elsewhere").dirty is None


def test_a_huge_untracked_file_counts_by_its_size(tree: Path) -> None:
    with (tree / "huge").open("wb") as file:
        file.truncate(LARGEST_UNTRACKED_BYTES + 1)
    before = state(tree).dirty
    with (tree / "huge").open("r+b") as file:
        file.truncate(LARGEST_UNTRACKED_BYTES + 2)
    assert state(tree).dirty != before


def test_before_the_first_commit_everything_is_dirty(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert state(tmp_path).dirty is None
    (tmp_path / "a.py").write_text("1")
    untracked = state(tmp_path)
    git(tmp_path, "add", "a.py")
    assert (untracked.commit, untracked.root) == (None, None)
    assert untracked.dirty == state(tmp_path).dirty is not None


def test_the_first_commit_of_a_shallow_clone_is_not_known(tree: Path, tmp_path: Path) -> None:
    git(tree, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{tree}", "shallow")
    found = state(tmp_path / "shallow")
    assert found.root is None
    assert found.commit is not None


def test_the_remote_is_kept_without_user_name_and_password(tree: Path) -> None:
    git(tree, "remote", "add", "upstream", "https://ada:hunter2@example.org/x.git")
    assert state(tree).remote == "https://example.org/x.git"
    git(tree, "remote", "add", "origin", "ssh://git@example.org/y.git")
    assert state(tree).remote == "ssh://git@example.org/y.git"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://token@example.org/x", "https://example.org/x"),
        ("ssh://git:pw@example.org/x", "ssh://example.org/x"),
        ("git@example.org:x.git", "git@example.org:x.git"),
        ("/srv/x.git", "/srv/x.git"),
    ],
)
def test_a_remote_never_has_a_password(url: str, kept: str) -> None:
    assert redact_remote(url) == kept
