"""What runs use by path: every read is an input with the files that were opened, what is written an output, and nothing twice."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from datamon.errors import Invalid
from datamon.lineage.context import RunOpener, make_run
from datamon.lineage.decorators import Step, make_step
from datamon.lineage.finding import find_run
from datamon.lineage.path_use import InRuns, forget_use, place_of
from datamon.lineage.records import InputRecord, Run
from datamon.store.bundle import Author
from datamon.store.encryption_key import EncryptionKey
from datamon.store.opening import Places, Store, open_store
from datamon.store.paths.address import parse_address
from datamon.store.paths.files import PathReader, PathWriter
from datamon.store.paths.paths import Paths
from datamon.store.paths.surroundings import Alone
from datamon.store.repos import create_repo
from datamon.store.resolve import resolve
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.trees import upload_tree, write_files


@pytest.fixture
def store(local_store: Store, tmp_path: Path) -> Store:
    """A store on disk with the repo `raw`, which has two files, and the empty repo `made`."""
    upload_tree(local_store, write_files(tmp_path / "raw", {"a.csv": "1", "d/b.csv": "2"}))
    create_repo(local_store, "made", "for a test")
    return local_store


@pytest.fixture
def paths(store: Store) -> Paths:
    return Paths(store, InRuns(store, dict))


@pytest.fixture
def run(store: Store) -> RunOpener:
    return make_run(lambda: store)


@pytest.fixture
def step(store: Store) -> Step:
    return make_step(lambda: store)


def read(paths: Paths, path: str) -> bytes:
    with PathReader(paths.open(parse_address(path))) as file:
        return file.read()


def write(paths: Paths, path: str, content: bytes) -> None:
    address = parse_address(path)
    with PathWriter(paths, paths.writing(address), address.path) as file:
        file.write(content)


def inputs(store: Store, run: Any) -> list[InputRecord]:
    return list(recorded(store, run).inputs)


def recorded(store: Store, run: Any) -> Run:
    return find_run(store, run)


def test_what_is_read_is_an_input_and_what_is_written_an_output(store: Store, paths: Paths, run: RunOpener) -> None:
    head = resolve(store, "raw").bundle
    with run("work") as block:
        assert read(paths, "raw/d/b.csv") == b"2"
        assert read(paths, "raw/d/b.csv") == b"2"
        assert paths.entry(parse_address("raw/none")) is None
        write(paths, "made/x", b"one")
        write(paths, "made/y/z", b"two")
        assert read(paths, "made/x") == b"one"
        assert not store.logs.repo(resolve(store, "raw").repo.id).refs.get("made")
    [source] = inputs(store, block.id)
    assert (source.role, source.repo_name, source.ref, source.ref_kind) == ("raw", "raw", "main", "branch")
    assert (source.bundle, source.content, source.how) == (head.id, head.content, "observed")
    assert (source.read, source.absent) == (("d/b.csv",), ("none",))
    closed = recorded(store, block.id).closed
    assert closed is not None
    [output] = closed.outputs
    assert (output.role, output.branch) == ("made", "main")
    made = resolve(store, "made").bundle
    assert (made.id, made.run, made.role) == (output.bundle, block.id, "made")
    assert read(paths, "made/y/z") == b"two"
    assert not place_of(store, block.id).exists()


def test_a_directory_that_was_listed_is_read_with_all_that_it_will_have(
    store: Store, paths: Paths, run: RunOpener
) -> None:
    with run("work") as block:
        assert [each.path for each in paths.children(parse_address("raw/d"))] == ["d/b.csv"]
        assert [each.path for each in paths.below(parse_address("raw"))] == ["a.csv", "d", "d/b.csv"]
    assert [each.read for each in inputs(store, block.id)] == [("/", "d/")]


def test_outside_of_runs_nothing_is_told(store: Store, paths: Paths) -> None:
    assert read(paths, "raw/a.csv") == b"1"
    write(paths, "made/x", b"one")
    assert resolve(store, "made").bundle.run is None
    assert store.state_dir is not None
    assert not (store.state_dir / "paths").exists()


def test_a_run_that_fails_has_its_inputs_and_makes_nothing(store: Store, paths: Paths, run: RunOpener) -> None:
    with pytest.raises(ZeroDivisionError), run("work") as block:
        read(paths, "raw/a.csv")
        write(paths, "made/x", b"one")
        raise ZeroDivisionError
    assert [each.read for each in inputs(store, block.id)] == [("a.csv",)]
    assert not store.logs.repo(paths.store.logs.store().names["made"].id).bundles
    assert not place_of(store, block.id).exists()


def test_a_name_means_one_bundle_as_long_as_a_run_lasts(store: Store, paths: Paths, run: RunOpener) -> None:
    with run("work") as block:
        assert read(paths, "raw/a.csv") == b"1"
        outside = Paths(store, Alone())
        write(outside, "raw/a.csv", b"changed")
        assert read(outside, "raw/a.csv") == b"changed"
        assert read(paths, "raw/a.csv") == b"1"
    assert len(inputs(store, block.id)) == 1
    with run("again"):
        assert read(paths, "raw/a.csv") == b"changed"


def test_refs_of_one_repo_are_inputs_with_names_of_their_own(store: Store, paths: Paths, run: RunOpener) -> None:
    old = resolve(store, "raw").bundle
    write(paths, "raw/a.csv", b"changed")
    with run("work") as block:
        read(paths, "raw/a.csv")
        read(paths, f"raw@{old.id}/a.csv")
        read(paths, "raw@main~1/d/b.csv")
    found = {each.role: (each.ref_kind, each.read) for each in inputs(store, block.id)}
    assert found == {
        "raw@main": ("branch", ("a.csv",)),
        f"raw@{old.id}": ("id", ("a.csv",)),
        "raw@main~1": ("ancestor", ("d/b.csv",)),
    }


def test_a_declared_input_is_not_recorded_twice(store: Store, paths: Paths, run: RunOpener) -> None:
    with run("work") as block:
        block.input("raw")
        read(paths, "raw/a.csv")
    assert [(each.role, each.how) for each in inputs(store, block.id)] == [("raw", "declared")]


def test_a_step_inside_a_run_has_its_own_reads(store: Store, paths: Paths, run: RunOpener, step: Step) -> None:
    @step(outputs={"dst": "made"})
    def inner(dst: Path) -> None:
        (dst / "b").write_bytes(read(paths, "raw/d/b.csv"))

    with run("outer") as block:
        read(paths, "raw/a.csv")
        inner()
    [made] = store.logs.repo(store.logs.store().names["made"].id).bundles.values()
    assert made.run is not None
    assert [each.read for each in inputs(store, made.run)] == [("d/b.csv",)]
    assert [each.read for each in inputs(store, block.id)] == [("a.csv",)]


def test_threads_that_a_library_starts_by_itself_are_inside_the_only_run(
    store: Store, paths: Paths, run: RunOpener
) -> None:
    with ThreadPoolExecutor(1) as threads:
        threads.submit(lambda: None).result()  # the thread begins outside of the run
        with run("work") as block:
            assert threads.submit(read, paths, "raw/a.csv").result() == b"1"
    assert [each.read for each in inputs(store, block.id)] == [("a.csv",)]


def test_between_two_runs_beside_each_other_nothing_is_guessed(store: Store, paths: Paths, run: RunOpener) -> None:
    both = threading.Barrier(2, timeout=30)
    ended = threading.Barrier(3, timeout=30)
    ids: list[Any] = []

    def work() -> None:
        with run("work") as block:
            both.wait()
            read(paths, "raw/a.csv")
            ids.append(block.id)
            ended.wait()
            ended.wait()

    with ThreadPoolExecutor(2) as threads:
        jobs = [threads.submit(work) for _ in range(2)]
        ended.wait()
        assert read(paths, "raw/d/b.csv") == b"2"
        ended.wait()
        for job in jobs:
            job.result()
    assert [[each.read for each in inputs(store, one)] for one in ids] == [[("a.csv",)], [("a.csv",)]]


def test_what_read_by_path_is_not_reused(store: Store, paths: Paths, step: Step) -> None:
    """Its key says nothing of what it read."""
    calls = []

    @step(outputs={"dst": "made"}, reuse=True)
    def work(dst: Path) -> None:
        calls.append(1)
        (dst / "b").write_bytes(read(paths, "raw/a.csv"))

    work()
    work()
    assert len(calls) == 2


def test_one_branch_is_not_written_in_two_ways(store: Store, paths: Paths, run: RunOpener) -> None:
    with pytest.raises(Invalid, match="both as a directory and by path"), run("work") as block:
        (block.output("made") / "x").write_text("x")
        write(paths, "made/y", b"y")
    assert "main" not in store.logs.repo(store.logs.store().names["made"].id).refs


def test_another_branch_of_the_same_repo_has_a_role_of_its_own(store: Store, paths: Paths, run: RunOpener) -> None:
    with run("work") as block:
        (block.output("made") / "x").write_text("x")
        write(paths, "made@side/y", b"y")
    closed = recorded(store, block.id).closed
    assert closed is not None
    assert sorted(each.role for each in closed.outputs) == ["made", "made@side"]
    assert read(paths, "made@side/y") == b"y"


def test_more_reads_than_are_kept_are_all_of_it(
    store: Store, paths: Paths, run: RunOpener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datamon.lineage.path_use.KEPT_PATHS", 1)
    with run("work") as block:
        read(paths, "raw/a.csv")
        read(paths, "raw/d/b.csv")
    assert [each.read for each in inputs(store, block.id)] == [None]


def test_a_line_that_a_kill_cut_short_is_left_out(store: Store, paths: Paths, run: RunOpener) -> None:
    with run("work") as block:
        read(paths, "raw/a.csv")
        [told] = (place_of(store, block.id) / "reads").iterdir()
        told.write_bytes(told.read_bytes() + b'["read", "d/')
    assert [each.read for each in inputs(store, block.id)] == [("a.csv",)]


def test_forgetting_what_was_never_told_is_no_error(store: Store, run: RunOpener) -> None:
    with run("work") as block:
        pass
    forget_use(store, block.id)


def test_of_an_encrypted_store_nothing_is_told_in_plain(tmp_path: Path, clock: SteppingClock) -> None:
    key = EncryptionKey(bytes(range(32)))
    root = tmp_path / "hidden"
    author = Author("Ada", "ada@example.org")
    store = open_store(Places(str(root / "m"), str(root / "b"), state_dir=root / "s", key=key), author, clock=clock)
    upload_tree(store, write_files(tmp_path / "tree", {"secret-name.csv": "1"}), "secret-repo")
    paths, run = Paths(store, InRuns(store, dict)), make_run(lambda: store)
    with run("work") as block:
        assert read(paths, "secret-repo/secret-name.csv") == b"1"
        [told] = (place_of(store, block.id) / "reads").iterdir()
        assert b"secret" not in told.read_bytes()
        assert told.stat().st_size > 0
    assert [each.read for each in inputs(store, block.id)] == [("secret-name.csv",)]
