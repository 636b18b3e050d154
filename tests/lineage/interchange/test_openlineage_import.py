"""Events of others become runs, whole and once, and are asked like those that were recorded here."""

import json
import random
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.errors import DatamonError, Invalid
from datamon.lineage.binding import parse_input, parse_output
from datamon.lineage.checking import check_runs
from datamon.lineage.interchange.datasets import allowed, repo_name
from datamon.lineage.interchange.importing import Imported, import_events
from datamon.lineage.interchange.openlineage import lines
from datamon.lineage.interchange.openlineage_names import namespace_of, run_of_uuid
from datamon.lineage.interchange.story import tell
from datamon.lineage.interchange.survey import selected
from datamon.lineage.records import Run
from datamon.lineage.secrets import Redactor
from datamon.lineage.testing.bench import Bench, every_byte
from datamon.lineage.testing.chain import Chain
from datamon.lineage.testing.openlineage_schema import faults
from datamon.query.engine import ask
from datamon.store.names import check_name
from datamon.store.opening import Store, memory_store
from datamon.store.repos import create_repo

SPACE = UUID("0d6a3a0e-8a37-4c9c-9a58-6f2e1d0b7c11")
Event = dict[str, Any]


def uuid(name: str) -> UUID:
    return uuid5(SPACE, name)


def dataset(name: str, version: str | None = None, **facets: Any) -> Event:
    told = {"version": {"datasetVersion": version}} if version else {}
    return {"namespace": "s3://lake", "name": name, "facets": {**told, **facets}}


def event(run: str, kind: str, minute: int, **changes: Any) -> Event:
    facets = changes.pop("facets", {})
    return {
        "eventTime": f"2026-01-01T00:{minute:02}:00Z",
        "eventType": kind,
        "producer": "https://example.org/scheduler",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": str(uuid(run)), "facets": facets},
        "job": {"namespace": "s3 jobs", "name": f"load/{run}"},
        **changes,
    }


def history() -> list[Event]:
    """`a` writes orders, `b` reads them and writes a report, `a2` writes orders again, `c` fails, `d` never ends."""
    return [
        event("a", "START", 0),
        event("a", "COMPLETE", 5, outputs=[dataset("orders")]),
        event("b", "START", 10, inputs=[dataset("orders")]),
        event("b", "RUNNING", 11, outputs=[dataset("report")]),
        event("b", "COMPLETE", 15, facets={"custom_x": {"_producer": "p", "n": 1}}),
        event("a2", "START", 20),
        event("a2", "COMPLETE", 25, outputs=[dataset("orders")]),
        event("c", "START", 30, inputs=[dataset("orders")]),
        event("c", "FAIL", 31, facets={"errorMessage": {"message": "no room"}, "parent": _parent("b")}),
        event("d", "START", 40),
    ]


def _parent(run: str) -> Event:
    return {"run": {"runId": str(uuid(run))}, "job": {"namespace": "n", "name": "j"}}


def bring(store: Store, events: list[Event], directory: Path, **how: Any) -> Imported:
    directory.mkdir(exist_ok=True, parents=True)
    file = directory / "events.ndjson"
    file.write_text("".join(f"{json.dumps(each)}\n" for each in events))
    return import_events(store, [file], **how)


def runs(store: Store) -> dict[str, Run]:
    """The imported runs by the last word of their jobs."""
    known = selected_all(store)
    return {str((run.opened.foreign or {})["name"]).rpartition("/")[2]: run for run in known}


def selected_all(store: Store) -> list[Run]:
    bench = Bench(Path(), store)
    return [run for run in bench.runs() if run.opened.how == "imported"]


def shape(store: Store) -> dict[str, tuple[object, ...]]:
    """All that matters of the imported runs."""
    return {
        name: (
            run.id,
            run.status,
            run.opened.started_ns,
            run.ended_ns,
            run.opened.parent,
            {(each.repo_name, each.bundle, each.content) for each in run.inputs},
            {(each.repo_name, each.bundle, each.content) for each in run.outputs},
            json.dumps(run.opened.foreign, sort_keys=True),
        )
        for name, run in runs(store).items()
    }


def test_each_run_that_ended_is_there_with_what_its_events_said(tmp_path: Path) -> None:
    store = memory_store()
    done = bring(store, history(), tmp_path)
    told = runs(store)

    assert (done.events, done.runs, done.unended, done.bad_lines) == (10, 4, 1, 0)
    assert {name: run.status for name, run in told.items()} == {
        **dict.fromkeys(("a", "b", "a2"), "succeeded"),
        "c": "failed",
    }
    assert told["c"].closed is not None
    assert (told["c"].closed.error, told["c"].opened.parent) == ("no room", run_of_uuid(uuid("b")))
    foreign = told["b"].opened.foreign
    assert foreign is not None
    assert (foreign["namespace"], foreign["name"], foreign["run_facets"]["custom_x"]["n"]) == ("s3 jobs", "load/b", 1)
    assert {run.opened.how for run in told.values()} == {"imported"}
    assert {each.how for run in told.values() for each in run.inputs} == {"imported"}


def test_a_dataset_without_a_version_is_read_as_it_was_written_last_before(tmp_path: Path) -> None:
    store = memory_store()
    bring(store, history(), tmp_path)
    told = runs(store)

    assert told["b"].inputs[0].bundle == told["a"].outputs[0].bundle
    assert told["c"].inputs[0].bundle == told["a2"].outputs[0].bundle
    assert told["a"].outputs[0].content != told["a2"].outputs[0].content


def test_a_version_is_one_bundle_whoever_names_it(tmp_path: Path) -> None:
    store = memory_store()
    orders = [dataset("orders", "7", schema={"fields": [{"name": "id"}]})]
    events = [
        event("w", "COMPLETE", 5, outputs=orders),
        event("r", "COMPLETE", 9, inputs=[dataset("orders", "7")], outputs=[dataset("orders", "8")]),
    ]
    bring(store, events, tmp_path)
    told = runs(store)

    assert told["r"].inputs[0].bundle == told["w"].outputs[0].bundle
    assert told["r"].outputs[0].bundle != told["w"].outputs[0].bundle
    [row] = ask(store, "SELECT count(*) FROM bundles").rows
    assert row == (2,)


def test_lineage_is_asked_across_imported_and_recorded_runs(tmp_path: Path) -> None:
    bench = Bench.make(tmp_path)
    bring(bench.store, history(), tmp_path / "events")
    report = repo_name(("s3://lake", "report"))
    bench.record(
        *("sh", "-c", "cp in/* out/"),
        step="train",
        inputs=(parse_input(f"{report}=in"),),
        outputs=(parse_output("features=out"),),
    )
    head = bench.refs()["main"]
    own = {
        "namespace": namespace_of(bench.store.id),
        "name": "features",
        "facets": {"version": {"datasetVersion": head}},
    }
    bring(bench.store, [event("z", "COMPLETE", 50, inputs=[own], outputs=[dataset("board")])], tmp_path / "later")
    board = repo_name(("s3://lake", "board"))

    above = [row[2] for row in ask(bench.store, f"UPSTREAM OF '{board}' AT run").rows]
    assert above == [
        f"{allowed('s3 jobs')}/{allowed('load/z')}",
        "default/train",
        f"{allowed('s3 jobs')}/{allowed('load/b')}",
        f"{allowed('s3 jobs')}/{allowed('load/a')}",
    ]
    [produced] = ask(bench.store, f"WHAT PRODUCED '{board}'").rows
    assert produced[0] == run_of_uuid(uuid("z"))
    closure = selected(bench.store, [board], closure=True)
    assert [closure[0], closure[1], closure[3]] == [run_of_uuid(uuid(each)) for each in ("a", "b", "z")]
    assert list(check_runs(bench.store)) == []


def test_what_read_an_older_version_than_there_is_now_is_stale(tmp_path: Path) -> None:
    store = memory_store()
    bring(store, history(), tmp_path)

    answer = ask(store, f"WHY IS '{repo_name(('s3://lake', 'report'))}' STALE")
    causes = [row["cause"] for row in answer]
    assert causes == ["input"]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(), doubled=st.integers(min_value=0, max_value=9), cut=st.integers(min_value=0, max_value=10))
def test_order_doubles_and_the_cut_into_files_change_nothing(
    seed: int, doubled: int, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plain, shuffled = memory_store(), memory_store()
    events = history()
    bring(plain, events, tmp_path_factory.mktemp("plain"))
    mixed = [*events, *events[:doubled]]
    random.Random(seed).shuffle(mixed)
    directory = tmp_path_factory.mktemp("mixed")
    for name, part in (("1", mixed[:cut]), ("2", mixed[cut:])):
        (directory / name).write_text("".join(f"{json.dumps(each)}\n" for each in part))
    import_events(shuffled, [directory / "1", directory / "2"])

    assert shape(shuffled) == shape(plain)


def test_importing_again_adds_nothing(tmp_path: Path) -> None:
    store = memory_store()
    bring(store, history(), tmp_path)
    before = {stored.key for stored in store.metadata.list("")}
    done = bring(store, history(), tmp_path)

    assert (done.runs, done.known) == (0, 4)
    assert {stored.key for stored in store.metadata.list("")} == before


def test_what_was_stopped_halfway_is_whole_and_the_next_import_adds_the_rest(tmp_path: Path) -> None:
    whole = memory_store()
    bring(whole, history(), tmp_path)
    for at in range(1, 8):
        store = memory_store()
        stopping = Stopping(store, at)
        with pytest.raises(KeyboardInterrupt):
            bring(stopping.store, history(), tmp_path)
        assert all(run.closed for run in selected_all(store))
        bring(store, history(), tmp_path)
        assert shape(store) == shape(whole)


class Stopping:
    """A store whose journal is interrupted at its append of this number."""

    def __init__(self, store: Store, at: int) -> None:
        self.store = store
        append = store.journal.append
        left = [at]

        def counted(record: Event) -> None:
            if record["kind"].startswith("run-"):
                left[0] -= 1
                if left[0] == 0:
                    store.journal.append = append  # type: ignore[method-assign]
                    raise KeyboardInterrupt
            append(record)

        store.journal.append = counted  # type: ignore[method-assign]


BAD = [
    b"nothing",
    b"[]",
    b"7",
    b"{}",
    b'{"eventTime": "2026-01-01T00:00:00Z"}',
    json.dumps({**event("x", "COMPLETE", 1), "eventTime": "soon"}).encode(),
    json.dumps({**event("x", "COMPLETE", 1), "eventTime": "9999-01-01T00:00:00Z"}).encode(),
    json.dumps({**event("x", "COMPLETE", 1), "run": {"runId": "7"}}).encode(),
    json.dumps({**event("x", "COMPLETE", 1), "run": "7"}).encode(),
    json.dumps({**event("x", "COMPLETE", 1), "job": {"name": "n"}}).encode(),
    json.dumps({**event("x", "COMPLETE", 1), "eventType": "DONE"}).encode(),
    json.dumps({**event("x", "COMPLETE", 1), "inputs": [7]}).encode(),
    json.dumps({**event("x", "COMPLETE", 1), "inputs": 7}).encode(),
    json.dumps({**event("x", "COMPLETE", 1), "inputs": [{"namespace": "n", "name": 7}]}).encode(),
    json.dumps({**event("x", "COMPLETE", 1), "job": {"namespace": "\ud800", "name": "n"}}).encode(),
    b'{"eventTime":' * 5000,
    json.dumps(event("x", "COMPLETE", 1, facets={"a": json.loads("[" * 150 + "]" * 150)})).encode(),
    b"\xff\xfe",
]


@pytest.mark.parametrize("line", BAD)
def test_a_line_that_is_no_event_is_told_of_by_its_number_and_the_rest_comes_in(line: bytes, tmp_path: Path) -> None:
    good = [json.dumps(each).encode() for each in history()[:2]]
    (tmp_path / "e").write_bytes(b"\n".join([good[0], line, b"", good[1]]))
    store = memory_store()
    done = import_events(store, [tmp_path / "e"])

    assert (done.runs, done.bad_lines, [bad.line for bad in done.bad]) == (1, 1, [2])


def test_strict_takes_nothing_in_when_a_line_is_bad(tmp_path: Path) -> None:
    (tmp_path / "e").write_text(f"{json.dumps(history()[1])}\n{{\n")
    store = memory_store()

    with pytest.raises(Invalid) as caught:
        import_events(store, [tmp_path / "e"], strict=True)
    assert (caught.value.code, caught.value.line) == ("bad-events", 2)
    assert selected_all(store) == []
    assert store.logs.store().repos == {}


def test_events_of_jobs_and_datasets_are_no_runs(tmp_path: Path) -> None:
    others = [{"eventTime": "2026-01-01T00:00:00Z", "dataset": dataset("d")}, {"eventTime": "x", "job": {}}]

    assert bring(memory_store(), others, tmp_path).others == 2


def test_what_was_exported_here_is_known_here(tmp_path: Path) -> None:
    chain = Chain.make(tmp_path)
    events = [json.loads(line) for line in lines(tell(chain.store, [chain.features, chain.model]))]

    assert bring(chain.store, events, tmp_path / "events").known == 2


def test_what_was_exported_comes_into_another_store_with_its_lineage(tmp_path: Path) -> None:
    chain, other = Chain.make(tmp_path), memory_store()
    events = [json.loads(line) for line in lines(tell(chain.store, [chain.model, chain.features]))]
    bring(other, events, tmp_path / "events")
    features, model = sorted(selected_all(other), key=lambda run: run.opened.started_ns)

    assert model.inputs[0].bundle == features.outputs[0].bundle
    assert {param.name: param.value for param in features.opened.params} == {"scale": "2.0", "words": "été"}
    again = [json.loads(line) for line in lines(tell(other, [features.id, model.id]))]
    assert [faults(each) for each in again] == [[]] * 4
    assert {each["run"]["runId"] for each in again} == {each["run"]["runId"] for each in events}
    assert {(each["job"]["namespace"], each["job"]["name"]) for each in again} == {
        (each["job"]["namespace"], each["job"]["name"]) for each in events
    }


def test_secrets_in_facets_do_not_come_in(tmp_path: Path) -> None:
    store = memory_store()
    variables = [{"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "LANG", "value": "C"}]
    facets = {"environmentVariables": {"environmentVariables": variables}, "x_y": {"text": "say s3cr3t aloud"}}
    outputs = [dataset("o", None, z_z={"password": "hunter2", "note": "s3cr3t"})]
    bring(
        store,
        [event("a", "COMPLETE", 1, facets=facets, outputs=outputs)],
        tmp_path,
        redactor=Redactor(("*password*",), ("s3cr3t",)),
    )

    held = b"".join(every_byte(store))
    assert b"hunter2" not in held
    assert b"s3cr3t" not in held
    assert b"LANG" in held


@given(text=st.text(min_size=1, max_size=300))
def test_any_text_becomes_an_allowed_name(text: str) -> None:
    assert check_name("step", allowed(text)) == allowed(text)
    assert check_name("repo", repo_name((text, text)))


@given(first=st.text(max_size=9), second=st.text(max_size=9))
def test_two_texts_never_have_one_name(first: str, second: str) -> None:
    assert (allowed(first) == allowed(second)) == (first == second)
    assert repo_name((first, second + "x")) != repo_name((first + second, "x")) or not second


def test_a_repo_of_someone_else_is_not_written_to(tmp_path: Path) -> None:
    bench = Bench.make(tmp_path)
    create_repo(bench.store, repo_name(("s3://lake", "orders")), "mine")
    with pytest.raises(DatamonError) as caught:
        bring(bench.store, history(), tmp_path / "e")
    assert caught.value.code == "repo-exists"
