"""Many records at once: the rows that DuckDB makes of them are those that Python makes one by one."""

import copy
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import duckdb
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Invalid
from datamon.lineage.records import (
    RUN_MOVES,
    Capture,
    CodeVersion,
    EnvironmentPart,
    InputRecord,
    Metric,
    OutputRecord,
    Param,
    ParamValue,
    PlannedOutput,
)
from datamon.query.graph import file as graph_file
from datamon.query.graph import from_tables
from datamon.query.graph.check import check_graph
from datamon.query.graph.file import GraphFile
from datamon.query.index import open_index
from datamon.query.index.bulk import staging
from datamon.query.index.parts import read_parts
from datamon.query.testing.events import Told, read_of, write_of
from datamon.query.testing.recorded import recorded
from datamon.query.testing.relations import KEPT_TABLES, Content, content_of, rebuilt
from datamon.store import layout
from datamon.store.bundle import Bundle, Repo
from datamon.store.codec import Record, encode, stamped
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.ids import BundleId, ContentId, ManifestId, RepoId
from datamon.store.manifest import Manifest
from datamon.store.opening import Store, memory_store
from datamon.store.repos import create_repo
from datamon.store.testing.listeners import Heard


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fewest records are many."""
    monkeypatch.setattr(staging, "WORTHWHILE", 1)
    monkeypatch.setattr(graph_file, "LEAST_BY_TABLES", 1)


def agreed(store: Store) -> Content:
    """What an index says that is made at once: the same as one that is made record by record."""
    with open_index(store).connect() as connection:
        said = content_of(connection)
    made = rebuilt(store)
    assert {name: (said[name], made[name]) for name in made if said[name] != made[name]} == {}
    return said


def by_sql(store: Store) -> int:
    """How many of the runs of the store get their rows by SQL."""
    found = 0
    made = staging.Staging()
    for part in read_parts(store):
        rows = made.staged(part).rows.get("runs")
        found += 0 if rows is None else rows.num_rows
    made.close()
    return found


def committed(store: Store, repo: Repo, text: str) -> Bundle:
    """A bundle of the repo."""
    digest = blake3(text.encode()).hexdigest()
    manifest = Manifest(ManifestId(digest), ContentId(digest), 1, 1, ())
    return commit_bundle(store, repo, CommitRequest(manifest, f"bundle {text}", None, branch="main"))


@pytest.fixture
def told(store: Store) -> Told:
    """A run that tells much."""
    repo = create_repo(store, "orders", "")
    read, written = committed(store, repo, "a"), committed(store, repo, "b")
    return Told(
        1,
        inputs=(read_of(repo, read),),
        outputs=(write_of(repo, written),),
        params=(Param("rate", 0.5), Param("depth", 3, "default"), Param("name", "x", "file", "p.yaml", "a.b")),
        metrics=(Metric("auc", 0.5), Metric("lost", float("nan"))),
        code=CodeVersion(commit="0123456789abcdef", dirty="77", method="script", paths=("a.py",)),
        policy=(EnvironmentPart("gpu", "1"),),
        environment="e" * 64,
    )


@pytest.mark.parametrize("seed", range(6))
def test_random_histories_give_equal_tables_and_graphs(seed: int, tmp_path: Path) -> None:
    store = recorded(seed, late=seed % 2 == 1).world.store
    agreed(store)
    assert by_sql(store) >= 3 or seed % 2
    assert GraphFile(store, tmp_path / store.id / "graph").rebuild()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(graph_file, "LEAST_BY_TABLES", 10**9)
        assert check_graph(store, tmp_path) == []


def test_without_tables_the_graph_is_made_record_by_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = recorded(1).world.store

    def failing(file: sqlite3.Connection, *_: object) -> None:
        file.execute("CREATE TABLE runs (half INTEGER)")
        raise duckdb.IOException("no room")

    monkeypatch.setattr(from_tables, "fill", failing)
    graph = GraphFile(store, tmp_path / store.id / "graph")
    assert graph.rebuild()
    assert check_graph(store, tmp_path) == []
    assert len(list((tmp_path / store.id / "graph").glob("graph-*.sqlite"))) == 1


def test_a_graph_from_tables_knows_which_records_counted(
    store: Store, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = {**told.events()[1], "event": Told(9).events()[1]["event"], "time": told.started_ns - 1}
    others = [Told(2, status="running"), Told(3, status="abandoned"), Told(4)]
    store.journal.append_many([*told.events(), again, *(event for each in others for event in each.events())])
    store.journal.append_many(Told(5).events()[1:])
    said = []
    for least in (1, 10**9):
        monkeypatch.setattr(graph_file, "LEAST_BY_TABLES", least)
        graph = GraphFile(store, tmp_path / str(least) / "graph")
        assert graph.rebuild()
        with graph.opened() as file:
            assert file is not None
            asked = ("SELECT id, opened, closed FROM runs ORDER BY id", "SELECT event, run FROM waiting ORDER BY event")
            said.append([file.execute(each).fetchall() for each in asked])
    assert said[0] == said[1]
    assert said[0][0][0][2] == f"{again['time']:020d} {again['event']}"
    assert len(said[0][1]) == 1 + 2 + 1


def test_filling_a_graph_tells_how_far_it_is(
    store: Store, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_file, "LEAST_PACKED", 1)
    store.journal.append_many(told.events())
    heard = Heard()
    assert GraphFile(store, tmp_path / store.id / "graph", heard).rebuild()
    assert heard.ended == ["index", "index", "graph", "arrays"]
    assert all(heard.size_bytes[stage] > 0 for stage in heard.ended)


def test_what_a_run_tells_is_the_same_by_sql(store: Store, told: Told) -> None:
    for event in told.events():
        store.journal.append(event)
    said = agreed(store)
    assert by_sql(store) == 1
    assert said["main.runs"], said["main.params"]
    assert "'0123456789+dirty'" in said["main.runs"][0]


VALUES: tuple[ParamValue, ...] = (
    0, -1, 2**53 + 1, 2**63 - 1, 2**64, -(2**70), 0.1, 3.0, 1e-05, 1e-4, 1e16, 1e22, 1.5e300, -0.0, 5e-324, 123456789012345680.0,
    True, False, None, "", "1", "null", "true", '"', "[1]", "{", 'it\'s "x"\n\t\\', "é 😀 \u2028", "\x00", "\x1f",
    [], [1, 2.0, "é"], {}, {"b": 1, "a": [None]},
)  # fmt: skip


def test_a_param_of_every_kind_is_the_same_by_sql(told: Told) -> None:
    store = memory_store()
    for number, value in enumerate(VALUES):
        store.journal.append_many(told.but(number=number, params=(Param("p", value), Param("q", value))).events())
    assert len(agreed(store)["main.params"]) == 2 * len(VALUES)
    assert by_sql(store) > len(VALUES) / 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False)
        | st.integers()
        | st.text(st.characters(exclude_categories=["Cs"])),
        min_size=30,
        max_size=60,
    )
)
def test_any_numbers_and_texts_are_the_same_by_sql(values: list[ParamValue]) -> None:
    store = memory_store()
    for event in Told(1, params=tuple(Param(f"p{n}", value) for n, value in enumerate(values))).events():
        store.journal.append(event)
    agreed(store)


WORDS: tuple[list[str], ...] = (
    ["a b", "it's", "", "é", "x=1", "a\tb", "$HOME", "'", "--p=a,b:c@d/e.f_g%h+i"],
    ["python"],
    [],
)


@pytest.mark.parametrize("argv", WORDS)
def test_a_command_is_quoted_as_a_shell_wants_it(store: Store, told: Told, argv: list[str]) -> None:
    opened, closed = told.events()
    opened["run"]["argv"] = argv
    store.journal.append_many([opened, closed])
    agreed(store)
    assert by_sql(store) == 1


def _changes() -> Iterator[tuple[str, Any]]:
    """What can be done to the opening and the close of a run, each with its name."""
    capture = Capture("strace", ("mmap",), ("/etc/x",), 1, ("/tmp/y",), 2, 3, 4, 5, 6, True, True).to_record()
    planned = PlannedOutput("other", "r" * 27, "r", "main").to_record()  # type: ignore[arg-type]
    yield "watched", lambda _, c: c["close"].update(capture=capture)
    yield "watched in part", lambda _, c: c["close"].update(capture={"method": "strace"})
    yield "read", lambda _, c: c["close"]["inputs"][0].update(read=["a", "b/"], absent=["c"])
    yield "read nothing", lambda _, c: c["close"]["inputs"][0].update(read=[])
    yield "changed", lambda _, c: c["close"]["inputs"][0].update(changed=["a"])
    yield "planned", lambda o, _: o["run"]["outputs"].append(planned)
    yield "a retry", lambda o, _: o["run"].update(retry_of="q" * 27, attempt=2)
    yield (
        "a pod",
        lambda o, _: o["run"].update(level="pod", keep=True, metrics_files=["m"], foreign={"environment": "x"}),
    )
    yield "a parent", lambda o, _: o["run"].update(parent="p" * 27)
    yield "an empty parent", lambda o, _: o["run"].update(parent="")
    yield "reused from nothing", lambda _, c: c["close"].update(reused="")
    yield "reused", lambda _, c: c["close"].update(reused="q" * 27)
    yield (
        "failed",
        lambda _, c: c["close"].update(status="failed", exit_code=None, signal="SIGKILL", error="it's", outputs=[]),
    )
    yield "no git", lambda o, _: o["run"].update(code={"fingerprint": "f" * 64})
    yield "no code", lambda o, _: o["run"].update(code={})
    yield "clean", lambda o, _: o["run"]["code"].update(dirty=None)
    yield "unknown fields", lambda o, c: (o["run"].update(new={"a": 1}), c.update(zeal=1), c["close"].update(new=[]))
    yield "another event", lambda o, _: o.update(extra=1)
    yield "no such part", lambda o, _: o["run"]["policy"]["parts"].append({"name": "x", "value": None})
    yield "no parts", lambda o, _: o["run"]["policy"].pop("parts")
    yield "without a key", lambda o, _: o["run"].pop("reuse_key")
    yield "sql", lambda _, c: c["close"].update(sql={"text": "SELECT 1", "read": [], "made": []})
    yield "sql of another kind", lambda _, c: c["close"].update(sql={"x": 1})
    yield "sql that is none", lambda _, c: c["close"].update(sql={})
    yield "a metric that is none", lambda _, c: c["close"]["metrics"].append({"name": "x", "value": "much"})
    yield "an infinite metric", lambda _, c: c["close"]["metrics"].append({"name": "x", "value": "-inf"})
    yield "a whole metric", lambda _, c: c["close"]["metrics"].append({"name": "x", "value": 12345678901234567890})
    yield "a name twice", lambda o, _: o["run"]["params"].append(o["run"]["params"][0])
    yield "a number for a name", lambda o, _: o["run"].update(pipeline=5)
    yield "a late close", lambda _, c: c["close"].update(ended=c["close"]["ended"] + 10**15)
    yield "a close before its time", lambda _, c: c["close"].update(ended=5)
    yield "an odd moment", lambda o, _: o["run"].update(started=1_750_000_000_123_456_789)


@pytest.mark.parametrize(("name", "change"), list(_changes()), ids=lambda each: each if isinstance(each, str) else "")
def test_what_few_runs_tell_is_the_same_by_sql(store: Store, told: Told, name: str, change: Any) -> None:
    opened, closed = copy.deepcopy(told.events())
    change(opened, closed)
    store.journal.append_many([opened, closed, *Told(2).events()])
    assert agreed(store)["main.runs"], name


def _paths(record: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a record."""
    pairs = record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    for key, value in pairs:
        yield (*path, key)
        yield from _paths(value, (*path, key))


WHOLE = Told(
    1,
    inputs=(InputRecord("in", RepoId("r" * 27), "r", None, "id", BundleId("b" * 27), ContentId("c" * 64)),),
    outputs=(OutputRecord("out", RepoId("r" * 27), "r", "main", BundleId("d" * 27), ContentId("d" * 64)),),
    params=(Param("rate", 0.5),),
    metrics=(Metric("auc", 0.5),),
    code=CodeVersion(commit="0123456789abcdef"),
    policy=(EnvironmentPart("gpu", "1"),),
)


def _whole(number: int) -> list[Record]:
    opened, closed = copy.deepcopy(WHOLE.but(number=number).events())
    closed["close"]["inputs"][0].update(read=["a"], absent=["b"], changed=["c"])
    closed["close"]["moves"] = [
        {"repo": "r" * 27, "ref": "v1", "ref_kind": "label", "old": None, "new": "d" * 27},
        {"repo": "r" * 27, "ref": "v2", "ref_kind": "label", "old": "b" * 27, "new": "d" * 27},
    ]
    opened["run"]["code"]["paths"] = ["a.py"]
    closed["close"]["capture"] = Capture("strace", ("mmap",), ("/etc/x",), 1, ("/tmp/y",), 1).to_record()
    return [opened, closed]


def _put(value: Any) -> tuple[Store, int]:
    """A store in which each field of a run's records is this value once, or is missing ("gone"), and one run is whole, which is
    the last; and how many runs there are."""
    store = memory_store()
    paths = [
        path for event in _whole(0) for path in _paths(event) if path[0] in ("run", "close") and path != ("run", "id")
    ]
    for number, path in enumerate(paths):
        events = _whole(number)
        part: Any = events["close" in path]
        for key in path[:-1]:
            part = part[key]
        if value == "gone":
            del part[path[-1]]
        else:
            part[path[-1]] = value
        store.journal.append_many(events)
    store.journal.append_many(_whole(len(paths)))
    return store, len(paths) + 1


@pytest.mark.parametrize("value", ["gone", None])
def test_runs_that_lack_something_are_told_of_as_one_by_one(value: str | None) -> None:
    store, runs = _put(value)
    said = agreed(store)
    assert 10 < by_sql(store) <= len(said["main.runs"]) < runs


@pytest.mark.parametrize("value", [5, -1.5, True, "7", "", [], ["y"], {}, {"z": 1}], ids=repr)
@pytest.mark.parametrize("by_sql", [True, False])
def test_a_field_of_another_kind_spoils_no_other_run(value: Any, by_sql: bool) -> None:
    store, runs = _put(value)
    whole = Told(runs - 1).run
    with open_index(store).connect() as connection:
        said = content_of(connection) if by_sql else rebuilt(store)
    alone = memory_store()
    alone.journal.append_many(_whole(runs - 1))
    told = agreed(alone)
    for table in KEPT_TABLES:
        assert [row for row in said[table] if whole in row] == [row for row in told[table] if whole in row], table
    assert len(said["main.runs"]) > runs / 3


def test_what_comes_twice_or_late_or_alone_is_the_same_by_sql(store: Store, told: Told) -> None:
    opened, closed = told.events()
    again = {**closed, "event": Told(9).events()[1]["event"], "time": closed["time"] - 1}
    moved = stamped(
        RUN_MOVES, {"event": Told(8).events()[0]["event"], "time": closed["time"], "run": told.run, "moves": []}
    )
    third = Told(3).events()
    for several in (
        [opened, closed, opened, closed],
        [closed, *Told(2).events(), again],
        [*third, moved, *Told(4, status="running").events(), *Told(5, status="abandoned").events()],
        [Told(4).events()[1], {**third[0], "run": {**third[0]["run"], "step": "other"}}],
        [{**Told(6).events()[0], "event": third[0]["event"]}, Told(6).events()[1]],
        [{**Told(7).events()[0], "event": Told(2).events()[0]["event"]}, Told(7).events()[1]],
    ):
        store.journal.append_many(several)
        agreed(store)


def test_runs_that_are_told_of_in_two_parts_are_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [event for number in range(40) for event in Told(number).events()]
    for event in (*events, *events[10:20]):
        store.journal.append(event)
    whole = agreed(store)
    monkeypatch.setattr("datamon.query.index.opening.read_parts", lambda store, **_: read_parts(store, most=7))
    assert agreed(store) == whole


def _line(body: bytes) -> bytes:
    return b"\nDMJ1 %08x %08x %s\n" % (len(body), crc32(body), body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"kind":"run-opened"}',
        b"\xff\xfe",
        encode(Told(2).events()[0])[:-1],
        encode(Told(2).events()[0]).replace(b"python", b"\xff\xffthon"),
        encode(Told(2).events()[0]).replace(b'"step":', b'"step",'),
        encode(Told(2).events()[1]).replace(b'"error":', b'"error";'),
    ],
)
def test_a_record_that_is_none_is_passed_over_and_counted(local_store: Store, body: bytes) -> None:
    local_store.journal.append_many([event for number in (1, 2) for event in Told(number).events()])
    known = local_store.metadata.get(layout.JOURNAL_FILE)
    local_store.metadata.delete(layout.JOURNAL_FILE)
    local_store.metadata.append(layout.JOURNAL_FILE, known + _line(body))  # type: ignore[attr-defined]
    said = agreed(local_store)
    (cursor,) = (row for row in said["kept.state"] if "cursor" in row)
    assert json.loads(cursor.split("'")[3])["skipped"] == 1


def test_a_record_of_a_newer_format_stops_the_index(local_store: Store) -> None:
    store = local_store
    opened, closed = Told(1).events()
    store.journal.append_many([opened, closed])
    later: Record = {**Told(2).events()[0], "format": 9}
    store.journal._append(layout.JOURNAL_FILE, _line(encode(later)))  # type: ignore[attr-defined]
    with pytest.raises(Invalid, match="upgrade datamon"):
        open_index(store).connect()


def test_entries_of_every_kind_are_the_same_by_sql(store: Store) -> None:
    repo = create_repo(store, "orders", "")
    bundles = [committed(store, repo, text) for text in "abc"]
    copied = {**bundles[1].to_record(), "id": "z" * 27}
    moves = [{"ref": "v1", "ref_kind": "label", "old": None, "new": bundles[0].id, "frozen": True}]
    for record in (
        {"kind": "move", "moves": moves, "run": "q" * 27},
        {
            "kind": "commit",
            "bundle": {**bundles[2].to_record(), "id": "y" * 27, "run": "q" * 27, "role": "o"},
            "moves": [{**moves[0], "ref": "v2"}],
        },
        {"kind": "move", "moves": [{**moves[0], "old": bundles[0].id, "new": None, "frozen": False}]},
        {"kind": "delete", "bundles": [], "made": [copied], "moves": moves, "origin": {"time": 10**18}},
        {"kind": "delete", "bundles": [bundles[0].id], "reason": 'é \\ "x"'},
        {"kind": "condemn", "packs": ["p"], "keys": [], "fenced": []},
        {"kind": "swept", "packs": ["p"], "keys": []},
        {"kind": "delete", "bundles": []},
    ):
        store.logs.append(repo.id, lambda _, given=record: dict(given))  # type: ignore[misc]
        said = agreed(store)
    assert len(said["kept.log_entries"]) == 1 + 3 + 8
    made = staging.Staging()
    rows = [made.staged(part).rows for part in read_parts(store)]
    made.close()
    assert sum(each["log_entries"].num_rows for each in rows if "log_entries" in each) == 3 + 5


def test_a_failure_in_a_thread_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(staging.Staging, "staged", failing)
    with pytest.raises(MemoryError, match="no room"):
        open_index(store).connect()
