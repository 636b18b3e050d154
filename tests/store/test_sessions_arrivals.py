"""In whatever order splits are completed, and completed again, the committed bundle is the splits laid over each other."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datamon.errors import Conflict
from datamon.store.chunk_store import read_file
from datamon.store.manifest import iter_entries, read_manifest
from datamon.store.opening import Store, memory_store
from datamon.store.repos import create_repo
from datamon.store.sessions.add import AddRequest, add_split
from datamon.store.sessions.commit import SessionCommit, commit_session
from datamon.store.sessions.joint import MODES, ConflictMode
from datamon.store.sessions.start import start_session
from datamon.store.testing.trees import write_files

Tree = dict[str, str]
"""What a split holds: the text of each file, by path."""
TOPS = {"with-conflicts": ".conflicts", "with-checkpoints": ".checkpoints"}

PATHS = st.lists(st.sampled_from(["a", "b", "a-"]), min_size=1, max_size=3).map("/".join)


def that_can_be(files: Tree) -> Tree:
    """Those of the files that can lie beside each other."""
    return {path: text for path, text in files.items() if not any(other.startswith(path + "/") for other in files)}


TREES = st.dictionaries(PATHS, st.sampled_from(["x", "y", "z" * 70_000]), max_size=6).map(that_can_be)
ARRIVALS = st.lists(st.tuples(st.sampled_from(["north", "south", "west"]), TREES), min_size=1, max_size=6)


def laid_over(trees: list[tuple[str, Tree]], lead: str = "") -> tuple[Tree, Tree]:
    """The outcome, and what of each split is not as in it, by split. Of each name the last split that has it says whether
    it is a file, and which, or a directory: then what all splits have in that directory is laid over each other in turn."""
    now, lost = Tree(), Tree()
    for name in sorted({path.partition("/")[0] for _, tree in trees for path in tree}):
        having = [(split, below(tree, name)) for split, tree in trees if below(tree, name)]
        _, last = having[-1]
        is_file = list(last) == [""]
        alike = [(split, here) for split, here in having if (list(here) == [""]) == is_file]
        beneath, beneath_lost = ({"": last[""]}, Tree()) if is_file else laid_over(alike, f"{lead}{name}/")
        now |= {joined(name, rest): text for rest, text in beneath.items()}
        lost |= beneath_lost
        for split, here in having:
            if is_file or (split, here) not in alike:
                aside = {joined(f"{split}/{lead}{name}", rest): text for rest, text in here.items()}
                lost |= {} if here == last else aside
    return now, lost


def below(tree: Tree, name: str) -> Tree:
    """What the tree has under a name: a file's text under the empty path, or a directory's files."""
    own = {"": tree[name]} if name in tree else {}
    return own | {path.removeprefix(f"{name}/"): text for path, text in tree.items() if path.startswith(f"{name}/")}


def joined(lead: str, rest: str) -> str:
    return f"{lead}/{rest}" if rest else lead


def committed(store: Store, session: str, mode: ConflictMode) -> Tree:
    bundle = commit_session(store, SessionCommit("r", session, "all", mode)).bundle
    entries = iter_entries(store.metadata, read_manifest(store.metadata, bundle.manifest))
    return {
        each.path: b"".join(read_file(store.chunks, each.content, each.size_bytes, each.recipe)).decode()
        for each in entries
        if each.kind == "file"
    }


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ARRIVALS, st.sampled_from(MODES))
def test_in_any_order_of_completion_the_bundle_is_the_splits_laid_over_each_other(
    tmp_path: Path, arrivals: list[tuple[str, Tree]], mode: ConflictMode
) -> None:
    store = memory_store()
    create_repo(store, "r", "")
    session = start_session(store, "r").id
    for name, tree in arrivals:
        shutil.rmtree(tmp_path / "split", ignore_errors=True)
        (tmp_path / "split").mkdir()
        write_files(tmp_path / "split", tree)
        add_split(store, AddRequest("r", session, tmp_path / "split", name))
    # Of a split that was completed again only the last counts, in the place of its last completion.
    last = {name: number for number, (name, _) in enumerate(arrivals)}
    now, lost = laid_over([arrivals[number] for number in sorted(last.values())])
    if mode == "no-conflicts" and lost:
        with pytest.raises(Conflict) as refused:
            committed(store, session, mode)
        assert refused.value.code == "split-conflicts"
        assert committed(store, session, "ignore-conflicts") == now  # the session is still open
        return
    aside = {f"{TOPS[mode]}/{where}": text for where, text in lost.items()} if mode in TOPS else {}
    assert committed(store, session, mode) == now | aside
