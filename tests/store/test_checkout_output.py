"""Outputs of runs: cleared when they are datamon's own last output and nothing else."""

import os
from pathlib import Path

import pytest

from datamon.errors import Conflict, Invalid
from datamon.store.checkout import changed_paths, checkout, clear_output, remember_output
from datamon.store.opening import Store
from datamon.store.put_tree import TreeSource, put_tree
from datamon.store.testing.trees import snapshot, upload_tree, write_files


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output directory that is not there yet."""
    return tmp_path / "out" / "features"


def produce(store: Store, output: Path, files: dict[str, str]) -> None:
    """What a run does: clear, write, keep, remember."""
    clear_output(store, output, keep=False)
    write_files(output, files)
    manifest = put_tree(store, TreeSource(output)).manifest
    remember_output(store, output, manifest)


def test_an_absent_and_an_empty_directory_are_ready(store: Store, output: Path) -> None:
    clear_output(store, output, keep=False)
    assert list(output.iterdir()) == []
    clear_output(store, output, keep=False)
    clear_output(store, output, keep=True)


def test_the_last_output_is_cleared_again_and_again(store: Store, output: Path) -> None:
    for number in range(3):
        produce(store, output, {f"{number}/x.csv": "1", "y": str(number)})
        assert set(snapshot(output)) == {str(number), f"{number}/x.csv", "y"}
    clear_output(store, output, keep=False)
    assert list(output.iterdir()) == []


def test_the_last_output_is_left_when_it_is_to_be_kept(store: Store, output: Path) -> None:
    produce(store, output, {"x": "1"})
    before = snapshot(output)
    clear_output(store, output, keep=True)
    assert snapshot(output) == before


@pytest.mark.parametrize("keep", [False, True])
def test_an_output_that_somebody_edited_is_not_cleared(store: Store, output: Path, keep: bool) -> None:
    produce(store, output, {"x": "1", "y": "2"})
    status = (output / "x").stat()
    write_files(output, {"x": "X"})
    os.utime(output / "x", ns=(status.st_mtime_ns, status.st_mtime_ns))
    with pytest.raises(Conflict, match="'x'") as caught:
        clear_output(store, output, keep=keep)
    assert caught.value.code == "local-edits"
    assert (output / "x").read_text() == "X"


@pytest.mark.parametrize("keep", [False, True])
def test_what_others_put_there_is_not_cleared(store: Store, output: Path, keep: bool) -> None:
    write_files(output, {"mine": "mine"})
    with pytest.raises(Conflict) as caught:
        clear_output(store, output, keep=keep)
    assert caught.value.code == "destination-not-empty"


def test_an_input_that_was_checked_out_is_not_cleared_as_output(store: Store, output: Path, tmp_path: Path) -> None:
    checkout(store, upload_tree(store, write_files(tmp_path / "in", {"a": "1"})), output)
    with pytest.raises(Conflict) as caught:
        clear_output(store, output, keep=False)
    assert caught.value.code == "destination-not-empty"


def test_an_output_can_be_the_input_of_the_next_step_and_an_output_again(
    store: Store, output: Path, tmp_path: Path
) -> None:
    produce(store, output, {"x": "1"})
    bundle = upload_tree(store, output)
    inode = (output / "x").stat().st_ino
    checkout(store, bundle, output)
    assert (output / "x").stat().st_ino == inode
    checkout(store, upload_tree(store, write_files(tmp_path / "other", {"y": "2"})), output)
    produce(store, output, {"z": "3"})
    assert set(snapshot(output)) == {"z"}


def test_what_an_ignore_file_left_out_of_the_output_is_cleared_with_it_unless_edited(
    store: Store, output: Path
) -> None:
    files = {".datamonignore": "*.tmp", "x": "1", "cache.tmp": "t", "deep/c.tmp": "t"}
    produce(store, output, files)
    assert changed_paths(store, output) == []
    produce(store, output, files)
    write_files(output, {"cache.tmp": "mine"})
    with pytest.raises(Conflict, match=r"cache\.tmp"):
        clear_output(store, output, keep=False)


def test_what_a_failed_run_left_can_be_noted_without_a_manifest_and_cleared(store: Store, output: Path) -> None:
    clear_output(store, output, keep=False)
    write_files(output, {"half/x.csv": "1"})
    (output / "link").symlink_to("nowhere")
    remember_output(store, output, None)
    assert changed_paths(store, output) == []
    clear_output(store, output, keep=False)
    assert list(output.iterdir()) == []


def test_what_was_written_after_the_output_was_kept_is_an_edit(store: Store, output: Path) -> None:
    clear_output(store, output, keep=False)
    write_files(output, {"x": "1"})
    manifest = put_tree(store, TreeSource(output)).manifest
    write_files(output, {"x": "2"})
    remember_output(store, output, manifest)
    with pytest.raises(Conflict, match="'x'"):
        clear_output(store, output, keep=False)


def test_a_clearing_that_was_cut_short_is_finished_by_the_next(
    store: Store, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    produce(store, output, {"a": "1", "b": "2", "c": "3"})
    unlink, count = os.unlink, 0

    def unlink_once(path: str, *, dir_fd: int | None = None) -> None:
        nonlocal count
        count += 1
        if count > 1:
            raise KeyboardInterrupt
        unlink(path, dir_fd=dir_fd)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", unlink_once)
        with pytest.raises(KeyboardInterrupt):
            clear_output(store, output, keep=False)
    assert len(list(output.iterdir())) == 2
    clear_output(store, output, keep=False)
    assert list(output.iterdir()) == []


def test_an_output_that_is_a_file_is_bad(store: Store, tmp_path: Path) -> None:
    write_files(tmp_path, {"file": "mine"})
    with pytest.raises(Invalid) as caught:
        clear_output(store, tmp_path / "file", keep=False)
    assert caught.value.code == "bad-path"
