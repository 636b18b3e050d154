"""Bulk export and import of runs: what goes out comes in, once, whatever the order, and bad lines cost only themselves."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import Conflict, Invalid
from datamon.lineage.bulk.documents import digest_of, events_of, read_document, run_in
from datamon.lineage.bulk.export import Selection, export_runs
from datamon.lineage.bulk.load import Imported, Listener, Refusal, check_lines, import_runs, read_lines
from datamon.lineage.bulk.schema import check_by, faults, run_schema
from datamon.lineage.records import RUN_ABANDONED
from datamon.lineage.testing.bench import Bench
from datamon.query.index import open_index
from datamon.store.ids import RunId, new_ksuid
from datamon.store.journal import ObjectJournal
from datamon.store.opening import Store, memory_store
from datamon.store.testing.clocks import START_NS

ROOT = Path(__file__).parents[2]
EVERYTHING = Selection()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Runs that succeeded with inputs, outputs, params and streams, that failed, and one that was abandoned."""
    bench = Bench.make(tmp_path_factory.mktemp("bulk"))
    from datamon.lineage.binding import parse_input, parse_output

    inputs, outputs = (parse_input("raw=in"),), (parse_output("features=out"),)
    for number in range(2):
        outcome = bench.record(
            "sh", "-c", f"echo {number}; cp in/a out/b{number}", inputs=inputs, outputs=outputs, params=(f"n={number}",)
        )
        assert outcome.status == "succeeded", outcome
    bench.record("false")
    left = json.loads(lines_of(bench.store)[0])
    left["run"] |= {"id": new_ksuid(START_NS, b"0" * 16), "started": START_NS}
    left |= {"close": None, "abandoned": START_NS}
    assert import_runs(bench.store, [json.dumps(left).encode()]) == Imported(added=1)
    return bench


def lines_of(store: Store) -> list[bytes]:
    return list(export_runs(store, EVERYTHING))


def ended_lines(store: Store) -> list[bytes]:
    """The lines of the runs that succeeded."""
    return [line for line in lines_of(store) if b'"status":"succeeded"' in line]


def told(store: Store) -> list[Any]:
    """Every run's document, wherever it was recorded."""
    documents = [json.loads(line) for line in lines_of(store)]
    for document in documents:
        document["run"]["how"] = "?"
    return documents


def changed(line: bytes, change: Callable[[Any], object]) -> bytes:
    document = json.loads(line)
    change(document)
    return json.dumps(document).encode()


def test_what_is_exported_is_imported_whole_and_once(bench: Bench) -> None:
    store = memory_store()
    lines = lines_of(bench.store)
    assert import_runs(store, lines) == Imported(added=4)
    assert told(store) == told(bench.store)
    assert {json.loads(line)["run"]["how"] for line in lines_of(store)} == {"imported"}
    before = store.journal.read({})
    assert import_runs(store, lines) == Imported(known=4)
    assert import_runs(store, lines_of(store)) == Imported(known=4)
    assert import_runs(bench.store, lines_of(store)) == Imported(known=4)
    assert store.journal.read({}) == before


@given(order=st.permutations(range(4)), cut=st.integers(0, 4))
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_lines_and_of_the_imports_does_not_matter(bench: Bench, order: list[int], cut: int) -> None:
    lines = lines_of(bench.store)
    shuffled = [lines[at] for at in order]
    store = memory_store()
    import_runs(store, shuffled[:cut])
    import_runs(store, shuffled)
    assert told(store) == told(bench.store)


def test_two_imports_at_once_count_once(bench: Bench) -> None:
    [line, *_] = ended_lines(bench.store)
    document = read_document(line)
    events = events_of(document, digest_of(run_in(document)))
    assert events == events_of(read_document(line), digest_of(run_in(document)))
    store = memory_store()
    store.journal.append_many(events * 2)
    assert len(lines_of(store)) == 1
    with open_index(store).connect() as connection:
        assert connection.execute("SELECT count(*), any_value(how) FROM runs").fetchall() == [(1, "imported")]


def test_imported_runs_are_asked_like_others_and_their_bundles_stay_named(bench: Bench) -> None:
    store = memory_store()
    import_runs(store, lines_of(bench.store))
    with open_index(store).connect() as connection:
        statuses = connection.execute("SELECT status, count(*) FROM runs GROUP BY ALL ORDER BY ALL").fetchall()
        outputs = connection.execute("SELECT count(*) FROM outputs WHERE bundle IS NOT NULL").fetchall()
        bundles = connection.execute("SELECT count(*) FROM bundles").fetchall()
    assert statuses == [("abandoned", 1), ("failed", 1), ("succeeded", 2)]
    assert outputs == [(2,)]
    assert bundles == [(0,)]


def test_lines_that_hold_no_run_are_told_with_their_numbers_and_the_others_count(bench: Bench) -> None:
    good = ended_lines(bench.store)
    bad = [
        b"{",
        b"[]",
        b'{"format":1,"kind":"run"}',
        changed(good[0], lambda d: d.update(format=99)),
        changed(good[0], lambda d: d.update(kind="bundle")),
        changed(good[0], lambda d: d["run"].update(id="short")),
        changed(good[0], lambda d: d["run"].update(started=2**70)),
        changed(good[0], lambda d: d["run"].update(argv="ls")),
        changed(good[0], lambda d: d["run"]["host"].pop("boot")),
        changed(good[0], lambda d: d["close"].update(status="running")),
        changed(good[0], lambda d: d["close"].update(exit_code=2**40)),
        changed(good[0], lambda d: d["environment"].update(python="4")),
        changed(good[0], lambda d: d["run"].update(step="\ud800")),
        good[0].replace(b'"abandoned":null', b'"abandoned":NaN'),
        good[0].replace(b'"abandoned":null', b'"abandoned":1e999'),
    ]
    refused: list[Refusal] = []
    store = memory_store()
    imported = import_runs(store, [*bad, b"\n", good[1]], Listener(refused.append))
    assert imported == Imported(added=1, bad=len(bad))
    assert [refusal.line for refusal in refused] == list(range(1, len(bad) + 1))
    assert {refusal.error.code for refusal in refused} == {"bad-run-record"}
    assert refused[5].message.startswith("line 6: run.id is no KSUID")
    assert refused[8].message.startswith("line 9: run.host.boot is missing")
    with pytest.raises(Invalid, match="line 1: it is no JSON"):
        check_lines(memory_store(), [*bad])


def test_another_run_under_an_id_that_is_here_is_refused(bench: Bench) -> None:
    store = memory_store()
    [first, *_] = ended_lines(bench.store)
    import_runs(store, [first])
    for change in (
        lambda d: d["run"].update(step="other"),
        lambda d: d["close"].update(ended=5),
        lambda d: d.update(close=None),
        lambda d: d.update(close=None, abandoned=7),
    ):
        other = changed(first, change)
        assert import_runs(store, [other]) == Imported(differing=1)
        with pytest.raises(Conflict, match="line 1: the run"):
            check_lines(store, [other])
        assert import_runs(memory_store(), [first, other]) == Imported(added=1, differing=1)
    assert len(store.journal.read({})[0]) == 2


def test_a_run_that_had_not_ended_is_left_out(bench: Bench) -> None:
    store = memory_store()
    running = changed(ended_lines(bench.store)[0], lambda d: d.update(close=None))
    assert import_runs(store, [running]) == Imported(unfinished=1)
    assert lines_of(store) == []


def test_fields_of_a_newer_datamon_are_kept(bench: Bench) -> None:
    store = memory_store()
    newer = changed(ended_lines(bench.store)[0], lambda d: d["run"].update(novel={"a": 1}))
    assert import_runs(store, [newer]) == Imported(added=1)
    assert any(event.get("run", {}) for event in store.journal.read({})[0] if b"novel" in json.dumps(event).encode())


def test_a_selection_is_of_runs_and_of_times(bench: Bench) -> None:
    runs = [json.loads(line)["run"] for line in lines_of(bench.store)]
    chosen = frozenset([RunId(runs[0]["id"]), RunId(runs[-1]["id"])])
    found = [json.loads(line)["run"]["id"] for line in export_runs(bench.store, Selection(chosen))]
    assert found == sorted(chosen)
    newest = max(run["started"] for run in runs)
    [line] = export_runs(bench.store, Selection(since_ns=newest))
    assert json.loads(line)["run"]["started"] == newest


def test_every_line_of_an_export_is_what_the_schema_in_docs_says(bench: Bench) -> None:
    published = json.loads((ROOT / "docs/run-records.schema.json").read_text())
    assert published == run_schema(), "write it anew: python docs/generate_schema.py"
    checker = jsonschema.Draft202012Validator(published)
    jsonschema.Draft202012Validator.check_schema(published)
    for line in lines_of(bench.store):
        checker.validate(json.loads(line))


def test_the_schema_names_every_field_that_is_stored(bench: Bench) -> None:
    runs = [run_in(json.loads(line)) for line in lines_of(bench.store)]
    schema = run_schema()["properties"]
    for run in runs:
        stored, told = run.opened.to_record().keys(), schema["run"]
        assert set(told["required"]) <= stored <= told["properties"].keys()
        if run.closed:
            stored, told = run.closed.to_record().keys(), schema["close"]["anyOf"][0]
            assert set(told["required"]) <= stored <= told["properties"].keys()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(place=st.integers(0, 10**6), value=_JSON, removes=st.booleans())
@settings(max_examples=300, deadline=None)
def test_our_check_and_that_of_jsonschema_find_the_same_documents_wrong(
    bench: Bench, place: int, value: object, removes: bool
) -> None:
    document = json.loads(lines_of_bench(bench)[place % 4])
    inside, name = _places(document)[place % len(_places(document))]
    if removes:
        del inside[name]
    else:
        inside[name] = value
    schema = run_schema()
    assert check_by(schema)(document) == jsonschema.Draft202012Validator(schema).is_valid(document)
    assert bool(list(faults(document, schema))) != jsonschema.Draft202012Validator(schema).is_valid(document)


_LINES: dict[int, list[bytes]] = {}


def lines_of_bench(bench: Bench) -> list[bytes]:
    return _LINES.setdefault(id(bench), lines_of(bench.store))


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every value inside a document, as what holds it and its name there."""
    names = list(document) if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    found = [(document, name) for name in names]
    return found + [place for name in names for place in _places(document[name])]


def test_a_run_is_the_same_whoever_tells_of_it(bench: Bench) -> None:
    for line in lines_of(bench.store):
        run = run_in(read_document(line))
        assert digest_of(run) == digest_of(run_in(json.loads(line)))
        kinds = [event["kind"] for event in events_of(json.loads(line), b"")]
        assert (RUN_ABANDONED in kinds) == (run.abandoned_ns is not None)


def test_a_line_without_end_costs_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datamon.lineage.bulk.load._LONGEST_LINE", 10)
    assert list(read_lines(io.BytesIO(b"123\n" + b"x" * 35 + b"\n456\n7"))) == [b"123\n", b"x" * 10, b"456\n", b"7"]
    assert list(read_lines(io.BytesIO(b"123456789\n4\n"))) == [b"123456789\n", b"4\n"]


def test_many_runs_go_into_an_object_journal_as_segments(bench: Bench) -> None:
    from dataclasses import replace

    inner = memory_store()
    store = replace(inner, journal=ObjectJournal(inner.metadata, new_ksuid(START_NS)))
    [line, *_] = ended_lines(bench.store)

    def numbered(number: int) -> bytes:
        return changed(line, lambda d: d["run"].update(id=new_ksuid(START_NS, number.to_bytes(16, "big"))))

    assert import_runs(store, map(numbered, range(700))) == Imported(added=700)
    assert len(list(store.metadata.list("journal/"))) == 1
    assert len(lines_of(store)) == 700
