"""What the relations of the index say, row by row."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from blake3 import blake3

from datamon.lineage.records import CodeVersion, Environment, Metric, Param
from datamon.query.index import Index, open_index
from datamon.query.testing.events import Told, read_of, write_of
from datamon.query.testing.relations import rebuilt
from datamon.store import layout
from datamon.store.bundle import Bundle, Repo
from datamon.store.codec import encode
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.ids import ContentId, ManifestId, RunId
from datamon.store.manifest import Manifest
from datamon.store.opening import Store
from datamon.store.refs import create_branch, delete_label, set_label
from datamon.store.repos import create_repo, runs_repo

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def index(store: Store) -> Index:
    """The index of the store in memory."""
    return open_index(store)


def ask(index: Index, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a SELECT."""
    with index.connect() as connection:
        return connection.execute(sql).fetchall()


def commit(store: Store, repo: Repo, letter: str, branch: str | None = "main", run: RunId | None = None) -> Bundle:
    """A bundle whose content is named by a letter."""
    digest = blake3(letter.encode()).hexdigest()
    manifest = Manifest(ManifestId(digest), ContentId(digest), 3, 1234, ())
    role = repo.name if run else None
    return commit_bundle(
        store, repo, CommitRequest(manifest, f"holds {letter}", None, branch=branch, run=run, role=role)
    )


def tell(store: Store, told: Told) -> None:
    """The run's records stand in the journal."""
    for event in told.events():
        store.journal.append(event)


def test_a_bundle_has_its_place_in_the_log_its_parents_and_its_author(store: Store, index: Index) -> None:
    repo = create_repo(store, "orders", "what was ordered")
    first = commit(store, repo, "a")
    second = commit(store, repo, "b")
    rows = ask(
        index, "SELECT id, repo, position, parents, author, email, message, entries, bytes, run, deleted FROM bundles"
    )
    assert sorted(rows, key=lambda row: row[2]) == [
        (first.id, "orders", 1, [], "Ada", "ada@example.org", "holds a", 3, 1234, None, False),
        (second.id, "orders", 2, [first.id], "Ada", "ada@example.org", "holds b", 3, 1234, None, False),
    ]


def test_times_are_utc_and_carry_no_zone(store: Store, index: Index) -> None:
    repo = create_repo(store, "orders", "")
    bundle = commit(store, repo, "a")
    [(created,)] = ask(index, "SELECT created FROM repos")
    [(time,)] = ask(index, "SELECT time FROM bundles")
    assert created == datetime(1970, 1, 1) + timedelta(microseconds=repo.created_ns // 1000)  # noqa: DTZ001
    assert time == datetime(1970, 1, 1) + timedelta(microseconds=bundle.time_ns // 1000)  # noqa: DTZ001


def test_labels_and_branches_show_the_present_and_ref_history_every_move(store: Store, index: Index) -> None:
    repo = create_repo(store, "orders", "")
    first, second = commit(store, repo, "a"), commit(store, repo, "b")
    set_label(store, repo, "v1", first.id, frozen=True)
    set_label(store, repo, "tmp", first.id)
    set_label(store, repo, "tmp", second.id)
    delete_label(store, repo, "tmp")
    create_branch(store, repo, "dev", first.id)
    assert ask(index, "SELECT repo, name, bundle, content, frozen, author FROM labels") == [
        ("orders", "v1", first.id, first.content, True, "Ada")
    ]
    assert ask(index, "SELECT name, bundle, content FROM branches ORDER BY name") == [
        ("dev", first.id, first.content),
        ("main", second.id, second.content),
    ]
    assert ask(index, "SELECT position, old, new FROM ref_history WHERE ref = 'tmp' ORDER BY position") == [
        (4, None, first.id),
        (5, first.id, second.id),
        (6, second.id, None),
    ]


def test_a_deleted_bundle_stays_as_a_tombstone(store: Store, index: Index) -> None:
    repo = create_repo(store, "orders", "")
    bundle = commit(store, repo, "a", branch=None)
    index.refresh()
    store.logs.append(repo.id, lambda _: {"kind": "delete", "bundles": [bundle.id], "reason": "private"})
    assert ask(index, "SELECT id, deleted FROM bundles") == [(bundle.id, True)]


def test_a_renamed_repo_has_its_new_name_everywhere(store: Store, index: Index) -> None:
    repo = create_repo(store, "orders", "")
    bundle = commit(store, repo, "a")
    tell(store, Told(1, inputs=(read_of(repo, bundle),)))
    index.refresh()
    store.logs.append(None, lambda _: {"kind": "repo-renamed", "repo": repo.id, "name": "sales"})
    for relation in ("bundles", "branches", "ref_history", "inputs"):
        assert ask(index, f"SELECT DISTINCT repo FROM {relation}") == [("sales",)], relation


def test_a_deleted_repo_keeps_its_row_and_loses_its_refs(store: Store, index: Index) -> None:
    repo = create_repo(store, "orders", "")
    commit(store, repo, "a")
    index.refresh()
    store.logs.append(None, lambda _: {"kind": "repo-deleted", "repo": repo.id})
    assert ask(index, "SELECT name, deleted IS NOT NULL FROM repos") == [("orders", True)]
    assert ask(index, "SELECT deleted FROM bundles") == [(True,)]
    assert ask(index, "SELECT * FROM branches") == []


def test_a_run_has_its_code_its_params_as_plain_text_and_its_metrics(store: Store, index: Index) -> None:
    told = Told(
        7,
        pipeline="churn",
        code=CodeVersion(
            root="r", commit=COMMIT, dirty="d1", method="script", paths=("train.py",), fingerprint="f" * 64
        ),
        params=(Param("scale", 3.0), Param("mode", "fast", "file", "p.yaml", "a.mode"), Param("on", True, "default")),
        metrics=(Metric("auc", 0.93), Metric("loss", float("inf"))),
    )
    tell(store, told)
    assert ask(index, "SELECT id, pipeline, step, status, duration_s, host, command, code, exit_code FROM runs") == [
        (told.run, "churn", "train", "succeeded", 2.0, "bench", "python 'my train.py'", "0123456789+dirty", 0)
    ]
    assert ask(index, "SELECT method, git_commit, dirty, fingerprint, root, paths FROM code") == [
        ("script", COMMIT, "d1", "f" * 64, "r", ["train.py"])
    ]
    assert ask(index, "SELECT name, value, source, file, key FROM params ORDER BY name") == [
        ("mode", "fast", "file", "p.yaml", "a.mode"),
        ("on", "true", "default", None, None),
        ("scale", "3.0", "explicit", None, None),
    ]
    assert ask(index, "SELECT name, value FROM metrics ORDER BY name") == [("auc", 0.93), ("loss", float("inf"))]


def test_code_without_git_is_shown_by_the_beginning_of_its_fingerprint(store: Store, index: Index) -> None:
    tell(store, Told(1, code=CodeVersion(fingerprint="abcdef0123456789", method="function")))
    assert ask(index, "SELECT code FROM runs") == [("abcdef012345",)]


@pytest.mark.parametrize("status", ["running", "succeeded", "failed", "abandoned"])
def test_a_run_is_what_its_journal_records_say(store: Store, index: Index, status: Any) -> None:
    tell(store, Told(1, status=status))
    assert ask(index, "SELECT status, ended IS NULL FROM runs") == [(status, status == "running")]


def test_a_close_that_arrives_before_its_opening_waits_for_it(store: Store, index: Index) -> None:
    opened, closed = Told(1).events()
    store.journal.append(closed)
    assert ask(index, "SELECT * FROM runs") == []
    store.journal.append(opened)
    assert ask(index, "SELECT status FROM runs") == [("succeeded",)]


def test_steps_count_their_runs_and_name_the_last_started(store: Store, index: Index) -> None:
    for number, status in ((3, "succeeded"), (9, "failed"), (5, "succeeded")):
        tell(store, Told(number, status=status))  # type: ignore[arg-type]
    assert ask(index, "SELECT pipeline, step, runs, succeeded, failed, last_run, last_status FROM steps") == [
        ("default", "train", 3, 2, 1, Told(9).run, "failed")
    ]


def test_inputs_and_outputs_are_the_edges(store: Store, index: Index) -> None:
    raw, model = create_repo(store, "raw", ""), create_repo(store, "model", "")
    source = commit(store, raw, "a")
    told = Told(1, inputs=(read_of(raw, source),))
    result = commit(store, model, "b", branch=None, run=told.run)
    tell(store, told.but(outputs=(write_of(model, result),)))
    assert ask(index, "SELECT role, repo, ref, ref_kind, bundle, path, how, changed FROM inputs") == [
        ("raw", "raw", "main", "branch", source.id, "", "declared", [])
    ]
    assert ask(index, "SELECT run, role, repo, branch, bundle, content FROM outputs") == [
        (told.run, "model", "model", "main", result.id, result.content)
    ]
    assert sorted(ask(index, "SELECT * FROM edges")) == [
        ("bundle", source.id, "run", told.run, "raw", "declared"),
        ("run", told.run, "bundle", result.id, "model", "declared"),
    ]


def test_a_bundle_of_a_run_that_never_closed_is_its_output(store: Store, index: Index) -> None:
    model = create_repo(store, "model", "")
    told = Told(1)
    result = commit(store, model, "b", branch=None, run=told.run)
    planned = told.but(outputs=(write_of(model, result),), status="running")
    tell(store, planned)
    assert ask(index, "SELECT run, role, branch, bundle FROM outputs") == [(told.run, "model", "main", result.id)]


def test_what_was_planned_and_not_written_is_no_output(store: Store, index: Index) -> None:
    model = create_repo(store, "model", "")
    unwritten = commit(store, model, "b")
    tell(store, Told(1, outputs=(write_of(model, unwritten),), status="running"))
    assert ask(index, "SELECT * FROM outputs") == []


def test_the_environment_of_a_run_is_its_packages_and_its_python(store: Store, index: Index) -> None:
    content = encode(Environment("3.11.7", "CPython", "Linux", {"numpy": "2.1.0"}, {}).to_record())
    digest = blake3(content).hexdigest()
    tell(store, Told(1, environment=digest))
    index.refresh()  # the record has not arrived yet
    store.metadata.put(layout.environment(digest), content)
    expected = [(Told(1).run, "numpy", "2.1.0"), (Told(1).run, "python", "3.11.7")]
    assert ask(index, "SELECT run, name, version FROM env ORDER BY name") == expected


def test_the_hidden_repo_shows_only_in_the_relations_with_system(store: Store, index: Index) -> None:
    run = Told(1).run
    streams = commit(store, runs_repo(store), "a", branch="main", run=run)
    tell(store, Told(1))
    for relation in ("repos", "bundles", "branches", "ref_history", "outputs", "edges"):
        assert ask(index, f"SELECT * FROM {relation}") == [], relation
        assert len(ask(index, f"SELECT * FROM with_system.{relation}")) == 1, relation
    assert ask(index, "SELECT run, repo, bundle FROM with_system.outputs") == [(run, "_runs", streams.id)]


def test_without_its_journal_a_store_still_gives_every_repo_bundle_and_ref(store: Store, index: Index) -> None:
    repo = create_repo(store, "orders", "")
    bundle = commit(store, repo, "a")
    set_label(store, repo, "v1", bundle.id)
    before = {name: ask(index, f"FROM {name}") for name in ("repos", "bundles", "labels", "branches", "ref_history")}
    for stored in list(store.metadata.list(layout.JOURNAL)):
        store.metadata.delete(stored.key)
    index.rebuild()
    assert {name: ask(index, f"FROM {name}") for name in before} == before
    assert before["labels"]


def test_a_record_that_cannot_be_understood_hides_its_run_and_no_other(store: Store, index: Index) -> None:
    tell(store, Told(1))
    opened = Told(2).events()[0]
    del opened["run"]["argv"]
    store.journal.append(opened)
    assert ask(index, "SELECT id FROM runs") == [(Told(1).run,)]
    with index.connect() as connection:
        assert connection.execute("SELECT value FROM kept.state WHERE name = 'broken'").fetchall() == [
            (f'["{Told(2).run}"]',)
        ]


def test_a_record_that_is_told_twice_counts_once(store: Store, index: Index) -> None:
    tell(store, Told(1, metrics=(Metric("auc", 0.5),)))
    index.refresh()
    tell(store, Told(1, metrics=(Metric("auc", 0.5),)))
    assert ask(index, "SELECT count(*) FROM runs") == [(1,)]
    assert ask(index, "SELECT count(*) FROM metrics") == [(1,)]
    assert rebuilt(store)["kept.journal_events"] == _kept(index)


def _kept(index: Index) -> list[str]:
    with index.connect() as connection:
        return sorted(map(repr, connection.execute("FROM kept.journal_events").fetchall()))


def test_text_of_every_kind_comes_back_as_it_was(store: Store, index: Index) -> None:
    told = Told(
        1,
        params=(Param("quote", 'it\'s "x"\n\t\u2028 é 😀 \x00'), Param("nothing", ""), Param("list", [1, {"a": None}])),
    )
    tell(store, told)
    assert ask(index, "SELECT name, value FROM params ORDER BY name") == [
        ("list", '[1, {"a": null}]'),
        ("nothing", ""),
        ("quote", 'it\'s "x"\n\t\u2028 é 😀 \x00'),
    ]


def test_a_journal_that_was_replaced_leads_to_a_rebuild(local_store: Store) -> None:
    index = open_index(local_store)
    for number in range(5):
        tell(local_store, Told(number))
    index.refresh()
    local_store.metadata.delete(layout.JOURNAL_FILE)
    tell(local_store, Told(9))
    assert ask(index, "SELECT id FROM runs") == [(Told(9).run,)]


def test_a_damaged_line_of_the_journal_loses_no_bundle(local_store: Store) -> None:
    index = open_index(local_store)
    repo = create_repo(local_store, "orders", "")
    index.refresh()
    known = len(local_store.metadata.get(layout.JOURNAL_FILE))
    bundle = commit(local_store, repo, "a")
    content = local_store.metadata.get(layout.JOURNAL_FILE)
    local_store.metadata.delete(layout.JOURNAL_FILE)
    local_store.metadata.put(layout.JOURNAL_FILE, content[:known] + content[known:].replace(b'"intent"', b'"inteXt"'))
    assert ask(index, "SELECT id FROM bundles") == [(bundle.id,)]


def test_a_new_process_reads_only_what_came_since(
    local_store: Store, reopen: Callable[[], Store], tmp_path: Path
) -> None:
    repo = create_repo(local_store, "orders", "")
    commit(local_store, repo, "a")
    open_index(local_store, index_dir=tmp_path / "index").refresh()
    commit(local_store, repo, "b")
    local_store.metadata.delete(layout.log_entry(repo.id, 1))  # only who reads it again would miss it
    again = open_index(reopen(), index_dir=tmp_path / "index")
    assert ask(again, "SELECT message FROM bundles ORDER BY position") == [("holds a",), ("holds b",)]


def test_a_connection_sees_one_state_until_it_is_closed(store: Store, index: Index) -> None:
    create_repo(store, "orders", "")
    with index.connect() as connection:
        create_repo(store, "parts", "")
        index.refresh()
        assert connection.execute("SELECT name FROM repos").fetchall() == [("orders",)]
    assert len(ask(index, "SELECT name FROM repos")) == 2


def test_an_index_connection_is_a_duckdb_connection(index: Index) -> None:
    with index.connect() as connection:
        assert isinstance(connection, duckdb.DuckDBPyConnection)
