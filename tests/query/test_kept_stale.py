"""A judgement that is kept answers as the engine does, and no longer than it stands."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from datamon.lineage.capture.git import find_root
from datamon.lineage.fingerprint import fingerprint_script
from datamon.lineage.records import CodeVersion, EnvironmentPart, Param
from datamon.query.engine import ask
from datamon.query.place import Place
from datamon.query.quick import kept_stale
from datamon.query.quick.of_store import answer
from datamon.query.testing.events import HOST
from datamon.query.testing.playing import play
from datamon.query.testing.random_histories import random_history
from datamon.query.testing.worlds import Doing, World
from datamon.store.bundle import Author
from datamon.store.opening import Places, Store, open_store
from datamon.store.refs import set_label
from datamon.store.testing.clocks import SteppingClock

AUTHOR = Author("Ada", "ada@example.org")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of this machine, which the recorded runs are of: a script and its parameters."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "prepare.py").write_text("import sys\n\nprint(sys.argv)\n")
    (tree / "params.yaml").write_text("prepare:\n  scale: 2.0\n")
    monkeypatch.chdir(tree)
    monkeypatch.setattr("datamon.query.quick.kept_stale.RACY_NS", -(10**12))
    return tree


def local(tmp_path: Path, name: str = "store") -> Store:
    """A store on this machine's disk."""
    place = str(tmp_path / name)
    return open_store(Places(place, place, tmp_path / f"{name}-state"), AUTHOR, clock=SteppingClock())


def here(host: str | None = None) -> Place:
    """This working directory."""
    return Place(Path.cwd(), host or os.uname().nodename, None, dict(os.environ))


def questions(store: Store) -> Iterator[str]:
    """Of staleness, with quick answers."""
    yield from (
        "WHAT IS STALE",
        "STALE",
        "SELECT count(*) FROM STALE",
        "WHAT IS STALE IN 'feat'",
        "WHAT IS STALE IN 'none'",
    )
    for repo in store.logs.store().repos.values():
        for ref in store.logs.repo(repo.id).refs:
            yield f"WHY IS '{repo.name}@{ref}' STALE"


def compared(store: Store, index_dir: Path, place: Place) -> int:
    """How many questions have quick answers, all of which are the engine's."""
    count = 0
    for text in questions(store):
        quick = answer(store, text, index_dir=index_dir, place=lambda: place)
        if quick is not None:
            slow = ask(store, text, place=place)
            assert (quick.columns, quick.types, quick.notes) == (slow.columns, slow.types, slow.notes), text
            assert list(quick.rows) == list(slow.rows), text
            count += 1
    return count


def test_generated_histories_are_judged_as_the_engine_judges_them(tmp_path: Path, tree: Path) -> None:
    count = 0
    for seed in range(40, 43):
        world = World(local(tmp_path, f"store-{seed}"))
        for event in random_history(seed):
            play(world, event)
        count += compared(world.store, tmp_path / "index", here())
        play(world, next(random_history(seed + 1)))
        count += compared(world.store, tmp_path / "index", here())
    assert count > 36


def recorded(tmp_path: Path, tree: Path) -> World:
    """A store with a run of the tree's script as it is now."""
    world = World(local(tmp_path))
    world.upload("raw", {"a": "1"})
    found = fingerprint_script(tree / "prepare.py", tree)
    code = CodeVersion(host_path=str(tree), fingerprint=found.digest, method="script", paths=found.paths)
    params = (Param("scale", 2.0, "file", "params.yaml", "prepare.scale"),)
    world.run(Doing("prepare", ("raw",), {"features": {"f": "1"}}, params=params, code=code))
    return world


def is_kept(store: Store, index_dir: Path) -> bool:
    """Whether a judgement stands for this directory and host."""
    size = (Path(store.metadata.url) / "journal" / "log").stat().st_size
    kept = kept_stale.open_kept(str(index_dir / store.id / "graph"), kept_stale.Seen(store.id, size, os.environ))
    return kept is not None


@pytest.fixture
def own_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine has the name of the one that runs are recorded of."""
    name = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((name.sysname, HOST.name, *name[2:])))


CHANGES = ("code", "param", "file", "removed", "folder", "record", "pack", "same size", "renamed over")


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_the_answer_is_that_of_now(tmp_path: Path, tree: Path, own_host: None, change: str) -> None:
    world = recorded(tmp_path, tree)
    index_dir = tmp_path / "index"
    assert compared(world.store, index_dir, here()) > 3
    assert is_kept(world.store, index_dir)
    _change(change, tree, world)
    assert not is_kept(world.store, index_dir)
    assert compared(world.store, index_dir, here()) > 3


def _change(change: str, tree: Path, world: World) -> None:
    script, params = tree / "prepare.py", tree / "params.yaml"
    times = (script.stat().st_atime_ns, script.stat().st_mtime_ns)
    match change:
        case "code":
            script.write_text("print(1)\n")
        case "param":
            params.write_text("prepare:\n  scale: 9.5\n")
        case "file":
            (tree / "sys.py").write_text("argv = 1\n")
        case "removed":
            params.unlink()
        case "folder":
            (tree / "package").mkdir()
        case "record":
            world.upload("raw", {"a": "2"})
        case "pack":
            (Path(world.store.blob.url) / "packs" / "00").mkdir(parents=True)
        case "same size":
            script.write_text(script.read_text().replace("argv", "path"))
            os.utime(script, ns=times)
        case "renamed over":
            other = tree.parent / "other.py"
            other.write_text(script.read_text().replace("argv", "path"))
            os.utime(other, ns=times)
            other.rename(script)


def test_a_repository_at_another_commit_is_judged_anew(tmp_path: Path, tree: Path) -> None:
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    world = World(local(tmp_path))
    world.upload("raw", {"a": "1"})
    found = fingerprint_script(tree / "prepare.py", tree)
    code = CodeVersion(root=find_root(tree), fingerprint=found.digest, method="script", paths=found.paths)
    world.run(Doing("prepare", ("raw",), {"features": {"f": "1"}}, code=code))
    assert compared(world.store, tmp_path / "index", here()) > 3
    assert is_kept(world.store, tmp_path / "index")
    git("checkout", "--quiet", "--orphan", "other")
    git("commit", "--quiet", "--message", "another first commit")
    assert not is_kept(world.store, tmp_path / "index")
    (tree / "prepare.py").write_text("print(1)\n")
    assert compared(world.store, tmp_path / "index", here()) > 3


def git(*words: str) -> None:
    """Runs git in the working directory, as Ada."""
    named = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *named, *words], check=True)


def test_nothing_is_kept_of_what_does_not_show_in_files(tmp_path: Path, tree: Path, own_host: None) -> None:
    world = recorded(tmp_path, tree)
    found = fingerprint_script(tree / "prepare.py", tree)
    code = CodeVersion(host_path=str(tree), fingerprint=found.digest, method="script", paths=found.paths)
    policy = (EnvironmentPart("HOME", "/home/ada"),)
    doing = Doing("other", ("raw",), {"more": {"f": "1"}}, code=code, policy=policy)
    world.run(doing)
    assert compared(world.store, tmp_path / "index", here()) == 0
    assert not is_kept(world.store, tmp_path / "index")


def test_nothing_is_kept_where_code_is_linked_from_elsewhere(tmp_path: Path, tree: Path, own_host: None) -> None:
    world = recorded(tmp_path, tree)
    (tree / "linked.py").symlink_to(tmp_path / "elsewhere.py")
    assert compared(world.store, tmp_path / "index", here()) == 0


def test_what_changed_a_moment_ago_may_change_again(
    tmp_path: Path, tree: Path, own_host: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = recorded(tmp_path, tree)
    monkeypatch.setattr("datamon.query.quick.kept_stale.RACY_NS", 3600 * 10**9)
    assert compared(world.store, tmp_path / "index", here()) == 0


def test_another_directory_has_a_judgement_of_its_own(
    tmp_path: Path, tree: Path, own_host: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = recorded(tmp_path, tree)
    (tree / "prepare.py").write_text("print(1)\n")
    assert compared(world.store, tmp_path / "index", here()) > 3
    monkeypatch.chdir(tmp_path)
    assert not is_kept(world.store, tmp_path / "index")
    assert compared(world.store, tmp_path / "index", here()) > 3


def test_a_frozen_label_is_left_to_the_engine(tmp_path: Path, tree: Path) -> None:
    world = World(local(tmp_path))
    world.upload("raw", {"a": "1"})
    world.run(Doing("prepare", ("raw",), {"features": {"f": "1"}}))
    head = world.store.logs.repo(world.repo("features").id).refs["main"].bundle
    set_label(world.store, world.repo("features"), "v1", head, frozen=True)
    world.upload("raw", {"a": "2"})
    assert answer(world.store, "WHY IS 'features@v1' STALE", index_dir=tmp_path / "index", place=here) is None
    assert compared(world.store, tmp_path / "index", here()) > 3


def test_a_damaged_file_is_made_again(tmp_path: Path, tree: Path) -> None:
    world = recorded(tmp_path, tree)
    assert compared(world.store, tmp_path / "index", here()) > 3
    kept = tmp_path / "index" / world.store.id / "graph" / kept_stale.NAME
    kept.write_bytes(kept.read_bytes()[:5_000])
    assert compared(world.store, tmp_path / "index", here()) > 3
    with sqlite3.connect(kept) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
