"""Import of a store of the first datamon: what is whole comes byte for byte, what is not is told."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import NotFound
from datamon.store.bundle import Author
from datamon.store.check.check import check
from datamon.store.check.packs import Sample
from datamon.store.legacy.importing import Tally
from datamon.store.legacy.sources import LegacyStore
from datamon.store.manifest import iter_entries, read_manifest
from datamon.store.opening import Store, memory_store
from datamon.store.refs import find_ref, ref_history, set_label
from datamon.store.repos import find_repo, list_repos
from datamon.store.resolve import resolve
from datamon.store.retention.squash import Keeping, squash
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.legacy_imports import NOON_S, bundles_of, files_of, ksuid, moment, opened, taken
from datamon.store.testing.legacy_writer import LegacyWriter, in_directories
from datamon.store.testing.trees import upload_tree, write_files


def assert_clean(store: Store) -> None:
    assert [finding for finding in check(store, Sample(100.0, 1)) if finding.is_damage] == []


@pytest.fixture
def writer(tmp_path: Path) -> LegacyWriter:
    return LegacyWriter(in_directories(tmp_path / "old"))


@pytest.fixture
def old(tmp_path: Path, writer: LegacyWriter) -> LegacyStore:
    return opened(tmp_path / "old")


def test_files_of_every_size_come_byte_for_byte(store: Store, writer: LegacyWriter, old: LegacyStore) -> None:
    leaf = writer.leaf_bytes
    sizes = (0, 5, leaf - 1, leaf, leaf + 1, 2 * leaf, 7 * leaf + 3, 300 * leaf)
    files: dict[str | bytes, bytes] = {f"by size/{size}.bin": random_bytes(str(size), size) for size in sizes}
    writer.repo("orders", "Orders, each night")
    writer.bundle("orders", ksuid(1), files)

    found, tally = taken(store, old)

    assert found == []
    [bundle] = bundles_of(store, "orders")
    assert files_of(store, bundle) == files
    assert (tally.repos, tally.bundles, tally.files, tally.size_bytes) == (1, 1, len(sizes), sum(sizes))
    assert_clean(store)


def test_a_leaf_of_2_mib_comes_too(store: Store, old: LegacyStore, writer: LegacyWriter) -> None:
    writer.leaf_bytes = 2 * 2**20
    content = random_bytes("large", 2 * writer.leaf_bytes + 7)
    writer.repo("orders")
    writer.bundle("orders", ksuid(1), {"large": content})

    assert taken(store, old)[0] == []
    assert files_of(store, bundles_of(store, "orders")[0]) == {"large": content}


def test_ids_times_authors_and_messages_are_kept_in_the_order_of_times(
    store: Store, writer: LegacyWriter, old: LegacyStore
) -> None:
    writer.repo("orders", "Orders, each night", "2019-02-01T00:00:00.000000007Z")
    for number in (3, 1, 2):
        people = [("Bob", "bob@example.org"), ("Eve", "")] if number == 2 else []
        writer.bundle(
            "orders",
            ksuid(9 - number),
            {"a": b"%d" % number},
            time=moment(number),
            message=f"n° {number}",
            people=people,
        )

    assert taken(store, old)[0] == []
    repo = find_repo(store, "orders")
    bundles = bundles_of(store, "orders")
    assert (repo.description, repo.author, repo.created_ns) == (
        "Orders, each night",
        Author("Ada", "ada@example.org"),
        1_548_979_200 * 10**9 + 7,
    )
    assert [bundle.id for bundle in bundles] == [ksuid(8), ksuid(7), ksuid(6)]
    assert [bundle.time_ns for bundle in bundles] == [(NOON_S + number) * 10**9 + 500_000_000 for number in (1, 2, 3)]
    assert [bundle.message for bundle in bundles] == ["n° 1", "n° 2", "n° 3"]
    assert [bundle.author.name for bundle in bundles] == ["unknown", "Bob", "unknown"]
    assert [bundle.parents for bundle in bundles] == [(), (ksuid(8),), (ksuid(7),)]
    assert resolve(store, "orders").bundle.id == ksuid(6)
    assert resolve(store, "orders@main~2").bundle.id == ksuid(8)
    entries = store.logs.repo(repo.id).entries
    assert entries[1].record["origin"]["contributors"] == [{"name": "Eve", "email": "Eve"}]
    assert entries[1].record["origin"]["by"] == store.author.to_record()


def test_times_of_a_log_rise_and_the_old_ones_are_not_lost(
    store: Store, writer: LegacyWriter, old: LegacyStore
) -> None:
    writer.repo("orders")
    writer.bundle("orders", ksuid(1), {"a": b"1"}, time=moment(5))
    writer.bundle("orders", ksuid(2), {"a": b"2"}, time="2199-01-01T00:00:00Z")
    writer.label("orders", "v1", ksuid(1), moment(4))
    taken(store, old)

    entries = store.logs.repo(find_repo(store, "orders").id).entries
    times = [entry.time_ns for entry in entries]
    assert times == sorted(set(times))
    assert times[0] == entries[0].bundles[0].time_ns
    assert times[-1] < 2**62 // 2
    assert entries[1].bundles[0].time_ns > times[-1]
    assert find_ref(store, find_repo(store, "orders"), "v1", "label").time_ns == (NOON_S + 4) * 10**9 + 500_000_000


def test_parents_that_are_named_are_kept_and_those_that_are_not_here_told(
    store: Store, writer: LegacyWriter, old: LegacyStore
) -> None:
    writer.repo("orders")
    writer.bundle("orders", ksuid(1), {"a": b"1"}, time=moment(1))
    writer.bundle("orders", ksuid(2), {"a": b"2"}, time=moment(2))
    writer.bundle("orders", ksuid(3), {"a": b"3"}, time=moment(3), parents=[ksuid(1), ksuid(77)])

    found, _ = taken(store, old)

    assert bundles_of(store, "orders")[2].parents == (ksuid(1),)
    assert [(finding.code, finding.severity, finding.bundle) for finding in found] == [
        ("parent-missing", "notice", ksuid(3))
    ]


def test_more_than_a_thousand_files_stand_in_several_lists(
    store: Store, writer: LegacyWriter, old: LegacyStore
) -> None:
    files: dict[str | bytes, bytes] = {f"d{n % 7}/{n}.txt": b"%d" % (n % 500) for n in range(2_345)}
    writer.repo("orders")
    writer.bundle("orders", ksuid(1), files)

    assert taken(store, old)[0] == []
    assert files_of(store, bundles_of(store, "orders")[0]) == files


def test_modes_that_were_never_kept_become_usual_ones(store: Store, writer: LegacyWriter, old: LegacyStore) -> None:
    writer.repo("orders")
    writer.bundle("orders", ksuid(1), {"d/a.txt": b"1"}, time=moment(1))
    taken(store, old)

    entries = list(iter_entries(store.metadata, read_manifest(store.metadata, bundles_of(store, "orders")[0].manifest)))
    assert [(entry.path, entry.kind, entry.mode, entry.executable) for entry in entries] == [
        ("d", "dir", 0o755, False),
        ("d/a.txt", "file", 0o644, False),
    ]
    assert {entry.mtime_ns for entry in entries} == {(NOON_S + 1) * 10**9 + 500_000_000}


def test_odd_names_come_as_they_are(store: Store, writer: LegacyWriter, old: LegacyStore) -> None:
    names = [
        "no",
        "null",
        "~",
        "=",
        "1.0",
        "0x1f",
        "12:30:45",
        "2019-03-01",
        " a ",
        "é",
        "数据/données.csv",
        "a\tb",
        "a\nb",
    ]
    names += [
        '"q"',
        "'",
        "#x",
        "- a",
        "a: b",
        "%",
        "\N{PILE OF POO}",
        "x\x85y",
        "!!binary",
        "&a",
        "*a",
        "{}",
        "?",
        "\x01",
    ]
    writer.repo("données-1", 'é: "x"\n- y\n')
    writer.bundle("données-1", ksuid(1), {name: name.encode() for name in names}, message="- a: \n b'\"")

    assert taken(store, old)[0] == []
    [bundle] = bundles_of(store, "données-1")
    assert files_of(store, bundle) == {name: name.encode() for name in names}
    assert bundle.message == "- a: \n b'\""
    assert find_repo(store, "données-1").description == 'é: "x"\n- y\n'


def test_names_of_a_mount_begin_with_a_slash_and_mean_the_same(
    store: Store, writer: LegacyWriter, old: LegacyStore
) -> None:
    writer.repo("orders")
    writer.bundle("orders", ksuid(1), {"/d/a": b"1", "./b": b"2"})

    assert taken(store, old)[0] == []
    assert files_of(store, bundles_of(store, "orders")[0]) == {"d/a": b"1", "b": b"2"}


@pytest.mark.parametrize(
    "files",
    [
        {"../a": b""},
        {"a//b": b""},
        {"a": b"", "a/b": b""},
        {"/a": b"", "a": b""},
        {"": b""},
        {"a\0b": b""},
        {b"\xff": b""},
    ],
)
def test_names_that_form_no_tree_leave_their_bundle_out(
    store: Store, writer: LegacyWriter, old: LegacyStore, files: Mapping[str | bytes, bytes]
) -> None:
    writer.repo("orders")
    writer.bundle("orders", ksuid(1), files)
    writer.bundle("orders", ksuid(2), {"a": b"1"})

    found, tally = taken(store, old)

    assert [(finding.code, finding.bundle, finding.is_damage) for finding in found] == [("bad-name", ksuid(1), True)]
    assert [bundle.id for bundle in bundles_of(store, "orders")] == [ksuid(2)]
    assert (tally.bundles, tally.left_out) == (1, 1)


def test_several_repos_or_those_that_are_named(store: Store, writer: LegacyWriter, old: LegacyStore) -> None:
    for number, repo in enumerate(("orders", "parts", "prices")):
        writer.repo(repo)
        writer.bundle(repo, ksuid(number), {"a": repo.encode()})

    with pytest.raises(NotFound, match="it has orders, parts, prices"):
        taken(store, old, "order")
    taken(store, old, "parts", "prices")
    assert [repo.name for repo in list_repos(store)] == ["parts", "prices"]
    taken(store, old)
    assert [files_of(store, bundles_of(store, repo)[0]) for repo in ("orders", "parts", "prices")] == [
        {"a": b"orders"},
        {"a": b"parts"},
        {"a": b"prices"},
    ]


def test_a_try_out_tells_and_writes_nothing(store: Store, writer: LegacyWriter, old: LegacyStore) -> None:
    writer.repo("orders")
    writer.bundle("orders", ksuid(1), {"a": b"1", "../b": b"2"})
    writer.bundle("orders", ksuid(2), {"a": b"1", "b": b"22"})
    writer.label("orders", "v1", ksuid(2))
    before = [stored.key for stored in store.metadata.list("")]

    found, tally = taken(store, old, dry_run=True)

    assert [finding.code for finding in found] == ["bad-name"]
    assert tally == Tally(repos=1, bundles=1, files=2, size_bytes=3, moves=1, here=0, left_out=1)
    assert [stored.key for stored in store.metadata.list("")] == before


def test_labels_come_and_those_that_cannot_be_are_told(store: Store, writer: LegacyWriter, old: LegacyStore) -> None:
    writer.repo("orders")
    writer.bundle("orders", ksuid(1), {"a": b"1"})
    for label in ("v1", "a/b", "main", "gone"):
        writer.label("orders", label, ksuid(7 if label == "gone" else 1), people=[("Bob", "bob@example.org")])

    found, tally = taken(store, old)

    assert sorted((finding.code, finding.key, finding.is_damage) for finding in found) == [
        ("bad-name", "labels/orders/a/b/label.yaml", True),
        ("bad-name", "labels/orders/main/label.yaml", True),
        ("move-left", "labels/orders/gone/label.yaml", True),
    ]
    assert tally.moves == 1
    v1 = find_ref(store, find_repo(store, "orders"), "v1", "label")
    assert (v1.bundle, v1.author, v1.time_ns) == (
        ksuid(1),
        Author("Bob", "bob@example.org"),
        1_551_484_800 * 10**9,
    )


def test_a_label_that_was_moved_here_stays_and_a_new_one_of_the_old_store_comes(
    store: Store, writer: LegacyWriter, old: LegacyStore
) -> None:
    writer.repo("orders")
    for number in (1, 2):
        writer.bundle("orders", ksuid(number), {"a": b"%d" % number}, time=moment(number))
    writer.label("orders", "v1", ksuid(1), moment(1))
    writer.label("orders", "v2", ksuid(1), moment(1))
    taken(store, old)
    repo = find_repo(store, "orders")
    set_label(store, repo, "v1", bundles_of(store, "orders")[1].id)
    assert taken(store, old)[0] == []

    writer.bundle("orders", ksuid(3), {"a": b"3"}, time=moment(3))
    writer.label("orders", "v1", ksuid(3), moment(3))
    writer.label("orders", "v2", ksuid(3), moment(3))
    found, tally = taken(store, old)

    assert [(finding.code, finding.severity, finding.key) for finding in found] == [
        ("move-left", "notice", "labels/orders/v1/label.yaml")
    ]
    assert (tally.bundles, tally.here, tally.moves) == (1, 2, 1)
    assert resolve(store, "orders@v1").bundle.id == ksuid(2)
    assert resolve(store, "orders@v2").bundle.id == ksuid(3)
    assert [move.new for _, move in ref_history(store, repo, "v2")] == [ksuid(1), ksuid(3)]
    assert resolve(store, "orders").bundle.id == ksuid(3)


def test_a_branch_that_somebody_here_went_on_with_stays(
    store: Store, writer: LegacyWriter, old: LegacyStore, tmp_path: Path
) -> None:
    writer.repo("raw")
    writer.bundle("raw", ksuid(1), {"a": b"1"})
    mine = upload_tree(store, write_files(tmp_path / "tree", {"mine.txt": "mine"}))

    assert taken(store, old)[0] == []
    assert resolve(store, "raw").bundle == mine
    assert [bundle.id for bundle in bundles_of(store, "raw")] == [mine.id, ksuid(1)]


def test_a_squash_after_the_import_keeps_as_many_as_it_says(
    store: Store, writer: LegacyWriter, old: LegacyStore
) -> None:
    writer.repo("orders")
    for number in range(1, 5):
        writer.bundle("orders", ksuid(number), {"a": b"%d" % number}, time=moment(number))
    taken(store, old)

    squashed = squash(store, find_repo(store, "orders"), Keeping(last=3))

    assert [bundle.id for bundle in squashed.bundles] == [ksuid(1)]


class Watching:
    """Adds up, stage by stage, what was announced and what was done."""

    def __init__(self) -> None:
        self.stages: dict[str, list[int]] = {}

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
        self.stages[what] = [files or 0, size_bytes or 0, 0, 0]
        self._now = self.stages[what]

    def advance(self, files: int, size_bytes: int) -> None:
        self._now[2] += files
        self._now[3] += size_bytes

    def end(self) -> None:
        assert self._now[:2] == self._now[2:]


def test_a_watcher_sees_all_files_and_bytes_go_by(store: Store, writer: LegacyWriter, old: LegacyStore) -> None:
    writer.repo("orders")
    tree: dict[str | bytes, bytes] = {"a": b"1", "b": b"1", "c": random_bytes("c", 5_000), "d": b""}
    writer.bundle("orders", ksuid(1), tree, time=moment(1))
    writer.bundle("orders", ksuid(2), {**tree, "e": random_bytes("e", 1_024)}, time=moment(2))
    watching = Watching()

    taken(store, old, progress=watching)

    assert watching.stages == {
        "lists of orders": [2, 0, 2, 0],
        "import orders": [9, 11_028, 9, 11_028],
    }


def test_what_never_ended_is_told_and_not_imported(store: Store, writer: LegacyWriter, old: LegacyStore) -> None:
    writer.repo("orders")
    writer.bundle("orders", ksuid(1), {"a": b"1"})
    writer.bundle("orders", ksuid(2), {"a": b"2"}, is_finished=False)
    writer.diamond("orders", ksuid(3), is_done=False)
    writer.diamond("orders", ksuid(4), is_done=True)

    found, _ = taken(store, old)

    assert [(finding.code, finding.severity) for finding in found] == [
        ("upload-unfinished", "notice"),
        ("session-unfinished", "notice"),
    ]
    assert found[1].key == f"diamonds/orders/{ksuid(3)}"
    assert [bundle.id for bundle in bundles_of(store, "orders")] == [ksuid(1)]


def test_a_bundle_that_the_first_datamon_made_unreadable_by_deleting_a_file_comes(
    store: Store, writer: LegacyWriter, old: LegacyStore
) -> None:
    writer.list_files = 999
    files: dict[str | bytes, bytes] = {f"{n}.txt": b"" for n in range(1_500)}
    writer.repo("orders")
    writer.bundle("orders", ksuid(1), files)

    found, _ = taken(store, old)

    assert [(finding.code, finding.severity) for finding in found] == [("list-short", "notice")]
    assert files_of(store, bundles_of(store, "orders")[0]) == files


def test_names_that_are_written_alike_here_are_told(store: Store, writer: LegacyWriter, old: LegacyStore) -> None:
    composed, decomposed = "\u00e9", "e\u0301"
    for repo in (composed, decomposed):
        writer.repo(repo)
    writer.bundle(decomposed, ksuid(1), {"a": b"1"})
    for label in (composed, decomposed):
        writer.label(decomposed, label, ksuid(1))

    found, _ = taken(store, old)

    assert [(finding.code, finding.key) for finding in found] == [
        ("bad-name", f"labels/{decomposed}/{composed}/label.yaml"),
        ("bad-name", f"repos/{composed}/repo.yaml"),
    ]
    assert find_ref(store, find_repo(store, composed), composed, "label").bundle == ksuid(1)


def test_a_repo_without_a_record_comes_only_when_it_is_named(
    store: Store, writer: LegacyWriter, old: LegacyStore, tmp_path: Path
) -> None:
    writer.bundle("orders", ksuid(1), {"a": b"1"})
    writer.repo("parts")
    writer.put("metadata", "repos/parts/repo.yaml", b"name: [")
    writer.bundle("parts", ksuid(2), {"a": b"1"})
    writer.repo("_x")

    found, _ = taken(store, old)

    assert [(finding.code, finding.repo) for finding in found] == [
        ("bad-name", "_x"),
        ("missing-bytes", "orders"),
        ("bad-record", "parts"),
    ]
    assert [repo.name for repo in list_repos(store)] == ["parts"]
    assert len(bundles_of(store, "parts")) == 1
    assert taken(store, old, "orders")[0] == []
    assert len(bundles_of(store, "orders")) == 1


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.lists(st.sampled_from(["a", "b c", "é", "no", "d.csv", "-"]), min_size=1, max_size=3).map("/".join),
        st.builds(random_bytes, st.sampled_from("xyz"), st.integers(0, 200)),
        max_size=8,
    ),
    st.integers(1, 70),
)
def test_random_trees_come_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str | bytes, bytes], leaf_bytes: int
) -> None:
    above = {path[:at] for path in map(str, files) for at, character in enumerate(path) if character == "/"}
    tree = {path: content for path, content in files.items() if path not in above}
    root = tmp_path_factory.mktemp("old")
    writer = LegacyWriter(in_directories(root), leaf_bytes=leaf_bytes)
    writer.repo("orders")
    writer.bundle("orders", ksuid(1), tree)
    store = memory_store()

    assert taken(store, opened(root))[0] == []
    assert files_of(store, bundles_of(store, "orders")[0]) == tree
