"""Sessions: many writers make one bundle, and what it holds is a function of the completions and the mode."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamon.errors import Conflict, Corrupt, Invalid
from datamon.store import layout
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author, Bundle
from datamon.store.check.check import check
from datamon.store.chunk_store import read_file
from datamon.store.entries import NO_CONTENT, TreeEntry
from datamon.store.gc.collect import GcRequest, collect
from datamon.store.ids import ContentId
from datamon.store.log_state import RepoState
from datamon.store.manifest import iter_entries, read_manifest
from datamon.store.opening import Store, store_on
from datamon.store.repos import create_repo
from datamon.store.sessions.add import AddRequest, add_split
from datamon.store.sessions.commit import SessionCommit, commit_session
from datamon.store.sessions.joint import MODES, JointSession
from datamon.store.sessions.merge import Merged, kept_aside, winners
from datamon.store.sessions.start import cancel_session, get_session, list_sessions, start_session
from datamon.store.testing.faults import WRITES, Fault, FaultKind, FaultyBackend, Killed

ADA = Author("Ada", "ada@example.org")


@pytest.fixture
def memory() -> MemoryBackend:
    memory = MemoryBackend()
    create_repo(store_on(memory, memory, ADA), "r", "")
    return memory


def fresh(memory: MemoryBackend) -> Store:
    """The store as another process sees it."""
    return store_on(memory, memory, ADA)


def tree(path: Path, files: Mapping[str, str]) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(content)
    return path


def contents(store: Store, bundle: Bundle) -> dict[str, str]:
    entries = iter_entries(store.metadata, read_manifest(store.metadata, bundle.manifest))
    return {
        e.path: b"".join(read_file(store.chunks, e.content, e.size_bytes, e.recipe)).decode()
        for e in entries
        if e.kind == "file"
    }


def two_splits(memory: MemoryBackend, tmp_path: Path) -> JointSession:
    started = start_session(fresh(memory), "r")
    for name, files in (("a", {"x": "1", "p/q": "z", "same": "s"}), ("b", {"x": "2", "p": "file", "same": "s"})):
        add_split(fresh(memory), AddRequest("r", started.id, tree(tmp_path / name, files), name))
    return get_session(fresh(memory), "r", started.id)


@pytest.mark.parametrize(("mode", "top"), [("with-conflicts", ".conflicts"), ("with-checkpoints", ".checkpoints")])
def test_a_losing_version_is_kept_under_the_split_that_wrote_it(
    memory: MemoryBackend, tmp_path: Path, mode: str, top: str
) -> None:
    """Defect of the original: it lay under the winner's name now and then."""
    session = two_splits(memory, tmp_path)
    made = commit_session(fresh(memory), SessionCommit("r", session.id, "m", next(m for m in MODES if m == mode)))
    kept = {f"{top}/a/x": "1", f"{top}/a/p/q": "z"}
    assert contents(fresh(memory), made.bundle) == {"x": "2", "p": "file", "same": "s", **kept}


def test_without_conflicts_a_conflict_refuses_and_leaves_the_session_open(
    memory: MemoryBackend, tmp_path: Path
) -> None:
    session = two_splits(memory, tmp_path)
    with pytest.raises(Conflict, match="x of a") as refused:
        commit_session(fresh(memory), SessionCommit("r", session.id, "m", "no-conflicts"))
    assert refused.value.code == "split-conflicts"
    assert get_session(fresh(memory), "r", session.id).is_open
    made = commit_session(fresh(memory), SessionCommit("r", session.id, "m", "ignore-conflicts"))
    assert contents(fresh(memory), made.bundle) == {"x": "2", "p": "file", "same": "s"}


def test_a_split_added_again_replaces_all_of_it_and_counts_as_the_last(memory: MemoryBackend, tmp_path: Path) -> None:
    session = two_splits(memory, tmp_path)
    add_split(fresh(memory), AddRequest("r", session.id, tree(tmp_path / "again", {"x": "3"}), "a"))
    made = commit_session(fresh(memory), SessionCommit("r", session.id, "m", "ignore-conflicts"))
    assert contents(fresh(memory), made.bundle) == {"x": "3", "p": "file", "same": "s"}


def test_an_ended_session_takes_nothing_more_and_names_its_bundle(memory: MemoryBackend, tmp_path: Path) -> None:
    session = two_splits(memory, tmp_path)
    made = commit_session(fresh(memory), SessionCommit("r", session.id, "m"))
    with pytest.raises(Conflict, match=made.bundle.id):
        commit_session(fresh(memory), SessionCommit("r", session.id, "m"))
    with pytest.raises(Conflict, match=made.bundle.id):
        add_split(fresh(memory), AddRequest("r", session.id, tmp_path / "a", "c"))
    other = start_session(fresh(memory), "r")
    with pytest.raises(Invalid) as empty:
        commit_session(fresh(memory), SessionCommit("r", other.id, "m"))
    assert empty.value.code == "session-empty"
    cancel_session(fresh(memory), "r", other.id)
    with pytest.raises(Conflict, match="cancelled"):
        add_split(fresh(memory), AddRequest("r", other.id, tmp_path / "a", "c"))
    assert [each.state for each in list_sessions(fresh(memory), "r")] == ["committed", "cancelled"]


def test_gc_keeps_the_splits_of_open_sessions_and_frees_those_of_cancelled_ones(
    memory: MemoryBackend, tmp_path: Path
) -> None:
    """Defect of the original: purge deleted all that open diamonds had."""
    session = two_splits(memory, tmp_path)
    assert collect(fresh(memory), GcRequest(0)).swept.packs == 0
    assert not [finding for finding in check(fresh(memory)) if finding.is_damage]
    cancel_session(fresh(memory), "r", session.id)
    assert collect(fresh(memory), GcRequest(0)).swept.packs == 2


def test_without_marking_splits_a_gc_would_lose_them(
    memory: MemoryBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = two_splits(memory, tmp_path)
    monkeypatch.setattr("datamon.store.log_state.open_trees", lambda _: [])
    collect(fresh(memory), GcRequest(0))
    with pytest.raises(Corrupt) as lost:
        commit_session(fresh(memory), SessionCommit("r", session.id, "m"))
    assert lost.value.code == "missing-bytes"


def test_a_damaged_manifest_of_an_open_split_is_found(memory: MemoryBackend, tmp_path: Path) -> None:
    split = two_splits(memory, tmp_path).splits[0]
    key = layout.manifest(split.tree.manifest)
    memory.delete(key)
    assert key in {finding.key for finding in check(fresh(memory)) if finding.is_damage}


def test_a_split_that_was_killed_is_told_at_commit_and_a_retry_settles_it(
    memory: MemoryBackend, tmp_path: Path
) -> None:
    """Defect of the original: a split that still ran was left out without a word."""
    session = two_splits(memory, tmp_path)
    request = AddRequest("r", session.id, tree(tmp_path / "c", {"y": "1"}), "c")
    dying = FaultyBackend(memory, Fault(2, "killed-before"), methods=WRITES)
    with pytest.raises(Killed):
        add_split(store_on(dying, dying, ADA), request)
    other = AddRequest("r", session.id, tree(tmp_path / "d", {"w": "1"}), "d")
    dying = FaultyBackend(memory, Fault(2, "killed-before"), methods=WRITES)
    with pytest.raises(Killed):
        add_split(store_on(dying, dying, ADA), other)
    add_split(fresh(memory), request)
    made = commit_session(fresh(memory), SessionCommit("r", session.id, "m"))
    assert [begun.split for begun in made.unfinished] == ["d"]
    assert not list(memory.list(layout.SPLITS))


def test_killed_at_any_write_adding_and_committing_can_be_done_again(tmp_path: Path) -> None:
    first, second = tree(tmp_path / "a", {"x": "1"}), tree(tmp_path / "b", {"x": "2"})
    kinds: tuple[FaultKind, ...] = ("killed-before", "killed-after")
    for kind in kinds:
        for number in range(1, 40):
            memory = MemoryBackend()
            create_repo(fresh(memory), "r", "")
            session = start_session(fresh(memory), "r")
            add_split(fresh(memory), AddRequest("r", session.id, first, "a"))
            dying = FaultyBackend(memory, Fault(number, kind), methods=WRITES)
            store = store_on(dying, dying, ADA)
            try:
                add_split(store, AddRequest("r", session.id, second, "b"))
                commit_session(store, SessionCommit("r", session.id, "m"))
                assert number > 3
                break
            except Killed:
                pass
            state = fresh(memory).logs.repo(session.repo)
            if get_session(fresh(memory), "r", session.id).is_open:
                assert not state.bundles
                add_split(fresh(memory), AddRequest("r", session.id, second, "b"))
                commit_session(fresh(memory), SessionCommit("r", session.id, "m"))
            [bundle] = fresh(memory).logs.repo(session.repo).bundles.values()
            assert contents(fresh(memory), bundle) == {"x": "2", ".conflicts/a/x": "1"}
            assert not [finding for finding in check(fresh(memory)) if finding.is_damage]
        else:
            raise AssertionError("it never came to its end")


def test_a_summary_of_a_log_keeps_its_sessions(memory: MemoryBackend, tmp_path: Path) -> None:
    session = two_splits(memory, tmp_path)
    start_session(fresh(memory), "r", tag="t")
    commit_session(fresh(memory), SessionCommit("r", session.id, "m"))
    state = fresh(memory).logs.repo(session.repo)
    summary = state.summary(None)
    assert summary["format"] == 2
    again = RepoState(session.repo).resumed(summary, state.entries)  # type: ignore[arg-type]
    assert again.sessions == state.sessions


# -- the merge against an oracle

PATHS = ("a", "a/b", "a/b/c", "d")
Files = Mapping[str, str]


def as_tree(files: Files) -> list[TreeEntry]:
    """The entries of a tree with these files; a file below which there are others gives way to a directory."""
    directories = {above for path in files for above in _above(path)}
    leaves = [_file(path, text) for path, text in files.items() if path not in directories]
    return sorted([*leaves, *map(_directory, directories)], key=lambda entry: entry.path)


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def _file(path: str, text: str) -> TreeEntry:
    return TreeEntry(path, "file", 1, ContentId(text * 64), None, None, False, 0o644, 0)


def _directory(path: str) -> TreeEntry:
    return TreeEntry(path, "dir", 0, NO_CONTENT, None, None, False, 0o755, 0)


def oracle(trees: list[tuple[str, list[TreeEntry]]]) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """What stands, and which (split, path) lost, from the last split to the first, over whole trees in memory."""
    stands: dict[str, str] = {}
    lost: set[tuple[str, str]] = set()
    for name, entries in reversed(trees):
        before = dict(stands)
        for entry in entries:
            blocked = any(before.get(above, NO_CONTENT) != NO_CONTENT for above in _above(entry.path))
            if blocked or before.get(entry.path, entry.content) != entry.content:
                lost.add((name, entry.path))
            else:
                stands[entry.path] = entry.content
    return stands, lost


@given(st.lists(st.dictionaries(st.sampled_from(PATHS), st.sampled_from("12")), min_size=1, max_size=4))
def test_a_merge_is_what_an_oracle_says_in_every_order_and_mode(splits: list[Files]) -> None:
    trees = [(f"s{number}", as_tree(files)) for number, files in enumerate(splits)]
    merged = Merged()
    made = list(winners(trees, merged))
    stands, lost = oracle(trees)
    assert {entry.path: entry.content for entry in made} == stands
    assert [entry.path for entry in made] == sorted(stands)
    assert {(split, entry.path) for split, entry in merged.lost} == lost
    for mode in MODES:
        kept = {entry.path: entry for entry in kept_aside(merged.lost, mode)}
        versions = {path for path, entry in kept.items() if entry.kind == "file"}
        files = {(split, entry.path) for split, entry in merged.lost if entry.kind == "file"}
        top = {"with-conflicts": ".conflicts", "with-checkpoints": ".checkpoints"}.get(mode)
        assert versions == ({f"{top}/{split}/{path}" for split, path in files} if top else set())
        assert all(path.rpartition("/")[0] in {"", *kept} for path in kept)
