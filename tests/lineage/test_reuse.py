"""Reuse: what was computed is taken, what was not is never mistaken for it."""

import asyncio
import contextvars
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from datamon.errors import Invalid
from datamon.lineage.binding import parse_input, parse_output
from datamon.lineage.command import CommandOutcome
from datamon.lineage.decorators import make_step
from datamon.lineage.recording import Policy
from datamon.lineage.secrets import Redactor
from datamon.lineage.testing.bench import Bench, every_byte
from datamon.store import layout
from datamon.store.bundle import Author
from datamon.store.check.check import check
from datamon.store.encryption_key import new_key
from datamon.store.opening import Places, open_store, store_on
from datamon.store.refs import set_label
from datamon.store.repair.repair import Damaged, Sources, repair
from datamon.store.repos import find_repo
from datamon.store.retention.delete_bundles import DeleteRequest, delete_bundles

ADA = Author("Ada", "ada@example.org")
BOUND = {"inputs": (parse_input("raw=in"),), "outputs": (parse_output("features=out"),), "step": "copy"}
SCRIPT = """
import pathlib, sys
counted = pathlib.Path("counted")
counted.write_text(counted.read_text() + "x" if counted.exists() else "x")
pathlib.Path("out/all").write_text("".join(sorted(path.read_text() for path in pathlib.Path("in").iterdir())))
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench.make(tmp_path)
    (bench.work / "copy.py").write_text(SCRIPT)
    return bench


def again(bench: Bench, *words: str, **changes: object) -> CommandOutcome:
    return bench.record(sys.executable, "copy.py", *words, **{**BOUND, "reuse": True, **changes})


def counted(bench: Bench) -> int:
    """How often the script ran."""
    return len((bench.work / "counted").read_text())


def test_the_same_computation_is_not_run_again_and_the_graph_looks_as_if_it_were(bench: Bench) -> None:
    first = again(bench)
    second = again(bench, labels=("v1",))
    assert counted(bench) == 1
    assert (first.reused, second.reused, second.status, second.exit_code) == (None, first.run, "succeeded", 0)
    [one], [two] = first.outputs, second.outputs
    assert one.bundle != two.bundle
    assert one.content == two.content
    assert bench.refs() == {"main": two.bundle, "v1": two.bundle}
    assert bench.bundles()[two.bundle].parents == (one.bundle,)
    assert bench.bundles()[two.bundle].run == second.run
    recorded = bench.run_of(second)
    assert [each.content for each in recorded.inputs] == [each.content for each in bench.run_of(first).inputs]
    assert recorded.opened.reuse_key == bench.run_of(first).opened.reuse_key is not None
    assert (recorded.closed.reused if recorded.closed else None) == first.run
    assert any("reused the outputs of run" in note for note in second.notes)


def test_the_output_directory_has_the_files_and_can_be_written_to_by_the_next_run(bench: Bench) -> None:
    again(bench)
    (bench.work / "out" / "all").unlink()
    (bench.work / "out").rmdir()
    again(bench)
    assert (bench.work / "out" / "all").read_text() == "1"
    bench.upload("raw", a="2")
    assert again(bench).reused is None
    assert (bench.work / "out" / "all").read_text() == "2"


def test_a_run_that_was_not_asked_to_reuse_can_be_reused_and_always_runs_itself(bench: Bench) -> None:
    first = again(bench, reuse=False)
    assert again(bench, reuse=False).reused is None
    assert counted(bench) == 2
    assert again(bench).reused is not None
    assert counted(bench) == 2
    assert first.reused is None


@pytest.mark.parametrize("what", ["params", "words", "step", "pipeline", "input", "code", "output directory"])
def test_another_computation_is_run(bench: Bench, what: str) -> None:
    again(bench, params=("depth=1",))
    words: tuple[str, ...] = ()
    changes: dict[str, object] = {"params": ("depth=1",)}
    if what == "params":
        changes["params"] = ("depth=2",)
    elif what == "words":
        words = ("--fast",)
    elif what in ("step", "pipeline"):
        changes[what] = "other"
    elif what == "input":
        bench.upload("raw", a="2")
    elif what == "code":
        (bench.work / "copy.py").write_text(SCRIPT + "print(1)\n")
    else:
        (bench.work / "copy.py").write_text(SCRIPT)
        changes["outputs"] = (parse_output("features=there"),)
        (bench.work / "there").mkdir()
    outcome = again(bench, *words, **changes)
    assert outcome.reused is None
    assert any("nothing is reused: " in note for note in outcome.notes)


def test_comments_and_equal_contents_of_other_bundles_make_no_difference(bench: Bench) -> None:
    first = again(bench)
    bench.upload("raw", a="2")
    bench.upload("raw", a="1")
    (bench.work / "copy.py").write_text("# what it does\n" + SCRIPT)
    assert again(bench).reused == first.run


def test_what_a_failed_run_made_is_never_taken(bench: Bench) -> None:
    (bench.work / "copy.py").write_text(SCRIPT + "sys.exit(3)\n")
    assert again(bench).exit_code == 3
    assert again(bench).exit_code == 3
    assert counted(bench) == 2


def test_a_result_whose_bundle_was_deleted_is_dropped_and_computed_again(bench: Bench) -> None:
    first = again(bench)
    repo = find_repo(bench.store, "features")
    delete_bundles(bench.store, repo, DeleteRequest((first.outputs[0].bundle,), force=True))
    assert again(bench).reused is None
    assert counted(bench) == 2
    kept = [stored.key.rpartition("/")[2] for stored in bench.store.metadata.list(layout.RESULTS)]
    assert first.run not in kept


def test_a_result_whose_bytes_are_gone_is_computed_again(bench: Bench) -> None:
    (bench.work / "copy.py").write_text(SCRIPT + "pathlib.Path('out/more').write_text('much more')\n")
    before = {stored.key for stored in bench.store.blob.list(layout.PACKS)}
    first = again(bench)
    for stored in list(bench.store.blob.list(layout.PACKS)):
        if stored.key not in before:
            bench.store.blob.delete(stored.key)
    bench.store = store_on(bench.store.metadata, bench.store.blob, ADA)  # as another process, which remembers nothing
    outcome = again(bench)
    assert outcome.reused is None
    assert counted(bench) == 2
    assert any("is computed again" in note for note in outcome.notes)
    assert first.outputs[0].content == outcome.outputs[0].content


def test_a_damaged_result_is_passed_over_told_by_a_check_and_dropped_by_a_repair(bench: Bench) -> None:
    again(bench)
    metadata = bench.store.metadata
    [key] = [stored.key for stored in metadata.list(layout.RESULTS)]
    metadata.put(key, metadata.get(key)[:-9] + b"x" + metadata.get(key)[-8:])
    assert [(each.code, each.key) for each in check(bench.store) if each.is_damage] == [("bad-bytes", key)]
    assert again(bench).reused is None
    metadata.put(key, b"")
    repaired = repair(Damaged(metadata, bench.store.blob, ADA), Sources())
    assert [each.key for each in repaired.healed] == [key]
    assert repaired.left == ()
    assert not metadata.has(key)


def test_runs_of_one_computation_that_made_different_things_are_told_of(bench: Bench) -> None:
    (bench.work / "copy.py").write_text(SCRIPT + "import os\npathlib.Path('out/r').write_bytes(os.urandom(8))\n")
    again(bench, reuse=False)
    second = again(bench, reuse=False)
    outcome = again(bench)
    assert outcome.reused == second.run
    assert any("did not all make the same" in note for note in outcome.notes)


@pytest.mark.parametrize(
    ("words", "changes", "why"),
    [
        ((sys.executable, "copy.py"), {"outputs": ()}, "no declared output"),
        (("sh", "-c", "cp in/a out/all"), {}, "what its code is"),
        ((sys.executable, "open.py"), {}, "cannot be followed"),
    ],
)
def test_what_cannot_be_told_to_be_the_same_is_run_and_says_why(
    bench: Bench, words: tuple[str, ...], changes: dict[str, object], why: str
) -> None:
    (bench.work / "open.py").write_text("exec('x = 1')\n" + SCRIPT)
    (bench.work / "out").mkdir()
    for _ in range(2):
        outcome = bench.record(*words, **{**BOUND, "reuse": True, **changes})
        assert outcome.reused is None
        assert why in outcome.notes[0]
    assert list(bench.store.metadata.list(layout.RESULTS)) == []


def test_declared_code_is_followed_whatever_the_script_does(bench: Bench) -> None:
    (bench.work / "open.py").write_text("exec('x = 1')\n" + SCRIPT)
    for _ in range(2):
        outcome = bench.record(sys.executable, "open.py", **BOUND, code=(Path("open.py"),), reuse=True)
    assert outcome.reused is not None


def test_a_run_that_changed_its_inputs_is_not_reused(bench: Bench) -> None:
    (bench.work / "copy.py").write_text(SCRIPT + "pathlib.Path('in/a').write_text('edited')\n")
    again(bench)
    assert list(bench.store.metadata.list(layout.RESULTS)) == []


def test_secrets_are_in_no_result(bench: Bench) -> None:
    bench.policy = Policy(Redactor(values=("hunter2hunter2",)), variables=dict(os.environ))
    for _ in range(2):
        outcome = again(bench, "--key", "hunter2hunter2", params=("password=swordfish9",))
    assert outcome.reused is not None
    assert not any(b"hunter2" in each or b"swordfish9" in each for each in every_byte(bench.store))


def test_in_an_encrypted_store_too(tmp_path: Path) -> None:
    places = Places(str(tmp_path / "s"), str(tmp_path / "s"), state_dir=tmp_path / "state", key=new_key())
    bench = Bench.make(tmp_path, open_store(places, ADA))
    (bench.work / "copy.py").write_text(SCRIPT)
    again(bench)
    assert again(bench).reused is not None
    assert any("nothing is reused: unlike in run" in note for note in again(bench, params=("depth=2",)).notes)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    assert b"depth" not in kept
    assert b"copy" not in kept


def test_the_difference_from_the_last_run_here_is_told(tmp_path: Path) -> None:
    store = open_store(Places(str(tmp_path / "s"), str(tmp_path / "s"), state_dir=tmp_path / "state"), ADA)
    bench = Bench.make(tmp_path, store)
    (bench.work / "copy.py").write_text(SCRIPT)
    first = again(bench, params=("depth=1",))
    bench.upload("raw", a="2")
    [note] = [note for note in again(bench, params=("depth=2",)).notes if note.startswith("nothing is reused")]
    assert note == f"nothing is reused: unlike in run {first.run}, input 'raw' is another; param 'depth' is 2 and was 1"


RACER = """
import sys
from pathlib import Path
from datamon.lineage.binding import parse_input, parse_output
from datamon.lineage.command import CommandRequest, record_command
from datamon.lineage.recording import Policy
from datamon.store.bundle import Author
from datamon.store.opening import Places, open_store, store_on
import os
root, work = Path(sys.argv[1]), Path(sys.argv[2])
store = open_store(Places(str(root / "s"), str(root / "s"), state_dir=root / "state"), Author("Ada", "ada@example.org"))
request = CommandRequest((sys.executable, "copy.py"), work, step="copy", inputs=(parse_input("raw=in"),),
    outputs=(parse_output("features=out"),), code=(Path("copy.py"),), reuse=True, policy=Policy(variables=dict(os.environ)))
print(record_command(store, request).reused)
"""


def test_identical_runs_at_the_same_time_compute_once(tmp_path: Path) -> None:
    store = open_store(Places(str(tmp_path / "s"), str(tmp_path / "s"), state_dir=tmp_path / "state"), ADA)
    bench = Bench.make(tmp_path, store)
    places = [tmp_path / f"work-{number}" for number in range(3)]
    mark = tmp_path / "computed"
    script = SCRIPT + f"import time; time.sleep(0.5); open({str(mark)!r}, 'a').write('x')\n"
    for place in places:
        place.mkdir()
        (place / "copy.py").write_text(script)
    racers = [
        subprocess.Popen([sys.executable, "-c", RACER, tmp_path, place], stdout=subprocess.PIPE, text=True)
        for place in places
    ]
    said = [racer.communicate(timeout=120)[0].strip() for racer in racers]
    assert mark.read_text() == "x"
    assert said.count("None") == 1
    assert len({output.content for run in bench.runs() for output in run.outputs}) == 1
    assert len(bench.runs()) == 3
    assert not [path for path in (tmp_path / "state").rglob("*.lock") if path.parent.name == "computations"]


# -- functions


def test_a_function_is_not_called_again_and_what_it_returned_is_returned(bench: Bench) -> None:
    calls: list[float] = []

    @make_step(lambda: bench.store)(inputs={"src": "raw"}, outputs={"dst": "features"}, reuse=True)
    def scaled(src: Path, dst: Path, by: float = 2.0) -> dict[str, object]:
        calls.append(by)
        (dst / "a").write_text((src / "a").read_text() * int(by))
        return {"size": 3, "names": ["a", None]}

    assert scaled() == scaled() == {"size": 3, "names": ["a", None]}
    assert scaled(by=3.0) == {"size": 3, "names": ["a", None]}
    bench.upload("raw", a="5")
    scaled()
    assert calls == [2.0, 3.0, 2.0]
    assert bench.files(bench.refs()["main"]) == {"a": "55"}
    assert [run.closed.reused is not None for run in bench.runs() if run.closed] == [False, True, False, False]


def test_a_function_that_returns_what_json_cannot_say_is_called_again(bench: Bench) -> None:
    calls: list[int] = []

    @make_step(lambda: bench.store)(outputs={"dst": "features"}, reuse=True)
    def made(dst: Path) -> tuple[int, int]:
        calls.append(1)
        (dst / "a").write_text("x")
        return (1, 2)

    assert made() == made() == (1, 2)
    assert len(calls) == 2


def test_a_returned_value_that_is_an_output_is_reused_and_still_an_input_of_the_next_step(bench: Bench) -> None:
    @make_step(lambda: bench.store)(outputs={"return": "features"}, reuse=True)
    def made() -> dict[str, int]:
        return {"size": 3}

    @make_step(lambda: bench.store)(outputs={"dst": "other"})
    def used(value: dict[str, int], dst: Path) -> None:
        (dst / "a").write_text(str(value["size"]))

    made()
    used(made())
    last = bench.runs()[-1]
    assert [(each.repo_name, each.bundle) for each in last.inputs] == [("features", bench.refs()["main"])]


def test_what_the_policy_names_of_the_environment_makes_a_difference(bench: Bench) -> None:
    calls: list[int] = []

    def once(place: str) -> None:
        policy = Policy(variables={**os.environ, "PLACE": place})

        @make_step(lambda: bench.store, policy=lambda: policy)(
            outputs={"dst": "features"}, reuse=True, environment=["variable:PLACE"], name="made"
        )
        def made(dst: Path) -> None:
            calls.append(1)
            (dst / "a").write_text("x")

        made()

    once("here")
    once("here")
    assert len(calls) == 1
    once("there")
    assert len(calls) == 2


def test_a_label_that_is_frozen_stops_a_reused_run_as_any_other(bench: Bench) -> None:
    first = again(bench)
    set_label(bench.store, find_repo(bench.store, "features"), "v1", first.outputs[0].bundle, frozen=True)
    with pytest.raises(Exception, match="frozen"):
        again(bench, labels=("v1",))


def test_an_async_function_is_not_awaited_again_and_what_it_returned_is_returned(bench: Bench) -> None:
    calls: list[int] = []

    @make_step(lambda: bench.store)(inputs={"src": "raw"}, outputs={"dst": "features"}, reuse=True)
    async def scaled(src: Path, dst: Path, by: int = 2) -> dict[str, int]:
        calls.append(by)
        await asyncio.sleep(0)
        (dst / "a").write_text((src / "a").read_text() * by)
        return {"by": by}

    assert asyncio.run(scaled()) == asyncio.run(scaled()) == {"by": 2}
    assert asyncio.run(scaled(by=3)) == {"by": 3}
    assert calls == [2, 3]
    assert [run.closed.reused is not None for run in bench.runs() if run.closed] == [False, True, False]
    assert bench.files(bench.refs()["main"]) == {"a": "111"}


@pytest.fixture
def claiming(bench: Bench, tmp_path: Path) -> Bench:
    """A bench whose store keeps who computes what on this machine."""
    return replace(bench, store=replace(bench.store, state_dir=tmp_path / "state"))


def test_of_tasks_that_would_do_the_same_at_once_one_computes_and_the_others_let_it(claiming: Bench) -> None:
    bench = claiming
    calls: list[int] = []

    @make_step(lambda: bench.store)(outputs={"dst": "features"}, reuse=True)
    async def made(dst: Path) -> int:
        calls.append(1)
        await asyncio.to_thread((dst / "a").write_text, "x")
        return 7

    async def everything() -> list[int]:
        return list(await asyncio.gather(*(made() for _ in range(4))))

    assert asyncio.run(everything()) == [7, 7, 7, 7]
    assert len(calls) == 1
    assert [run.closed.status for run in bench.runs() if run.closed] == ["succeeded"] * 4


def test_a_task_that_is_cancelled_while_another_computes_the_same_records_nothing(claiming: Bench) -> None:
    bench = claiming

    @make_step(lambda: bench.store)(outputs={"dst": "features"}, reuse=True)
    async def made(dst: Path) -> None:
        second = asyncio.create_task(fresh(), context=contextvars.Context())
        await asyncio.sleep(0)  # it is at the claim now
        second.cancel()
        [ended] = await asyncio.gather(second, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError)
        (dst / "a").write_text("x")

    async def fresh() -> None:
        await made()

    asyncio.run(made())
    assert [run.closed.status for run in bench.runs() if run.closed] == ["succeeded"]
    assert len(bench.runs()) == 1


def test_a_call_that_makes_the_same_call_does_not_wait_for_itself(claiming: Bench) -> None:
    bench = claiming

    calls: list[int] = []

    @make_step(lambda: bench.store)(outputs={"dst": "features"}, reuse=True)
    def made(dst: Path) -> int:
        calls.append(1)
        (dst / "a").write_text("x")
        return 1 if len(calls) == 2 else made()

    assert made() == 1
    assert len(calls) == 2


def test_a_step_that_yields_is_not_reused_and_says_so(bench: Bench) -> None:
    with pytest.raises(Invalid, match="yields values"):

        @make_step(lambda: bench.store)(reuse=True)
        def several() -> Iterator[int]:
            yield 1
