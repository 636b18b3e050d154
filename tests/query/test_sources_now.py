"""STALE where now matters: code and parameter files in a working tree, and bytes that are gone."""

from pathlib import Path

import pytest

from datamon.lineage.fingerprint import fingerprint_script
from datamon.lineage.records import CodeVersion, Param
from datamon.query.engine import ask
from datamon.query.place import NOWHERE, Place
from datamon.query.testing.events import HOST
from datamon.query.testing.worlds import Did, Doing, World
from datamon.store.opening import Store

SCRIPT = "import sys\n\nprint(sys.argv)\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A working tree with a script and its parameters, in no git repository."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "prepare.py").write_text(SCRIPT)
    (tree / "params.yaml").write_text("prepare:\n  scale: 2.0\n")
    return tree


@pytest.fixture
def world(store: Store) -> World:
    made = World(store)
    made.upload("raw", {"a": "1"})
    return made


def recorded(world: World, tree: Path) -> Did:
    """A run of the tree's script as it is now."""
    found = fingerprint_script(tree / "prepare.py", tree)
    code = CodeVersion(host_path=str(tree), fingerprint=found.digest, method="script", paths=found.paths)
    params = (Param("scale", 2.0, "file", "params.yaml", "prepare.scale"), Param("depth", 3))
    return world.run(Doing("prepare", ("raw",), {"features": {"f": "1"}}, params=params, code=code))


def causes(world: World, place: Place) -> list[tuple[object, ...]]:
    return list(ask(world.store, "SELECT cause, subject, old, new FROM STALE ORDER BY cause", place=place).rows)


def test_an_unchanged_tree_makes_nothing_stale(world: World, tree: Path) -> None:
    recorded(world, tree)
    assert causes(world, Place(tree, HOST.name)) == []


def test_comments_do_not_count_and_code_does(world: World, tree: Path) -> None:
    did = recorded(world, tree)
    (tree / "prepare.py").write_text("# a comment\n" + SCRIPT)
    assert causes(world, Place(tree, HOST.name)) == []
    (tree / "prepare.py").write_text(SCRIPT + "print(1)\n")
    now = fingerprint_script(tree / "prepare.py", tree).digest
    assert causes(world, Place(tree, HOST.name)) == [("code", "default/prepare", did.told.code.fingerprint, now)]
    assert causes(world, NOWHERE) == [], "elsewhere now is the newest run"
    assert causes(world, Place(tree, "another host")) == []


def test_a_parameter_file_counts_and_a_value_given_is_pinned(world: World, tree: Path) -> None:
    recorded(world, tree)
    (tree / "params.yaml").write_text("prepare:\n  scale: 3.5\ndepth: 9\n")
    assert causes(world, Place(tree, HOST.name)) == [("param", "scale", "2.0", "3.5")]
    (tree / "params.yaml").write_text("prepare: {}\n")
    assert causes(world, Place(tree, HOST.name)) == [("param", "scale", "2.0", None)]


def test_a_deleted_bundle_that_a_ref_still_holds_is_missing(world: World, tree: Path) -> None:
    did = recorded(world, tree)
    gone = did.outputs[0]
    world.store.logs.append(gone.repo, lambda _: {"kind": "delete", "bundles": [gone.bundle], "reason": "a test"})
    assert causes(world, NOWHERE) == [("missing", gone.bundle, gone.content, None)]
    assert ask(world.store, "WHAT IS STALE BECAUSE missing").rows[0][0] == gone.bundle
