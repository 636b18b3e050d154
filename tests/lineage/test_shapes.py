"""Steps that are async, yield, are tried again, or return a value that is kept."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from datamon.errors import Invalid
from datamon.lineage.carrying import carry
from datamon.lineage.context import make_run
from datamon.lineage.decorators import Step, make_step
from datamon.lineage.nesting import PARENT_VARIABLE, here
from datamon.lineage.records import Run
from datamon.lineage.testing.bench import Bench
from datamon.lineage.testing.where import tell_where
from datamon.store.opening import Store


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench.make(tmp_path / "bench")


@pytest.fixture
def store(bench: Bench) -> Store:
    return bench.store


@pytest.fixture
def step(store: Store) -> Step:
    return make_step(lambda: store)


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def carrying() -> None:
    carry(_environment)


def only(bench: Bench, step: str) -> Run:
    [run] = [run for run in bench.runs() if run.opened.step == step]
    return run


def test_an_async_step_is_recorded_until_it_has_been_awaited(bench: Bench, step: Step) -> None:
    seen: list[str] = []

    @step()
    async def inner() -> None:
        await asyncio.sleep(0)

    @step(outputs={"dst": "features"})
    async def outer(dst: Path, scale: int) -> int:
        await asyncio.gather(inner(), inner())
        seen.extend(run.status for run in bench.runs() if run.opened.step == "outer")
        (dst / "f").write_text(str(scale))
        return scale

    assert asyncio.run(outer(scale=3)) == 3
    run = only(bench, "outer")
    assert (seen, run.status, len(run.outputs)) == (["running"], "succeeded", 1)
    inners = [each.opened.parent for each in bench.runs() if each.opened.step == "inner"]
    assert inners == [run.id, run.id]


def test_steps_that_run_at_once_in_one_loop_are_not_parts_of_each_other(bench: Bench, step: Step) -> None:
    @step()
    async def slow(met: asyncio.Barrier) -> None:
        await met.wait()

    async def both() -> None:
        met = asyncio.Barrier(2)
        await asyncio.gather(slow(met), slow(met))

    asyncio.run(both())
    assert [(run.opened.parent, run.status) for run in bench.runs()] == [(None, "succeeded")] * 2


def test_a_cancelled_async_step_is_a_failed_run(bench: Bench, step: Step) -> None:
    @step()
    async def forever() -> None:
        await asyncio.Event().wait()

    async def cancelled() -> None:
        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    run = only(bench, "forever")
    assert run.closed is not None
    assert (run.status, run.closed.error) == ("failed", "CancelledError")


def test_a_generator_is_recorded_until_it_is_exhausted(bench: Bench, step: Step) -> None:
    @step()
    def part() -> None:
        pass

    @step(outputs={"dst": "features"})
    def pieces(dst: Path, count: int) -> Iterator[int]:
        for number in range(count):
            part()
            yield number
        (dst / "done").write_text("1")

    given = []
    for number in pieces(count=2):
        given.append(number)
        assert here() is None, "the consumer's own code is not inside the run"
        assert only(bench, "pieces").status == "running"
    run = only(bench, "pieces")
    assert (given, run.status, len(run.outputs)) == ([0, 1], "succeeded", 1)
    assert {each.opened.parent for each in bench.runs() if each.opened.step == "part"} == {run.id}


def test_a_generator_that_is_closed_before_its_end_is_a_failed_run_that_commits_nothing(
    bench: Bench, step: Step
) -> None:
    tidied = []

    @step(outputs={"dst": "features"})
    def pieces(dst: Path) -> Generator[int, None, None]:
        (dst / "half").write_text("1")
        try:
            yield 1
            yield 2
        finally:
            tidied.append(True)

    work = pieces()
    assert next(work) == 1
    work.close()
    run = only(bench, "pieces")
    assert run.closed is not None
    assert (run.status, run.closed.error, run.outputs, tidied) == ("failed", "GeneratorExit", (), [True])
    assert bench.refs("features") == {}


def test_what_is_sent_and_thrown_into_a_generator_reaches_it(bench: Bench, step: Step) -> None:
    @step()
    def echo() -> Any:
        heard: list[object] = []
        while len(heard) < 2:
            try:
                heard.append((yield len(heard)))
            except KeyError as error:
                heard.append(error.args[0])
        return heard

    work = echo()
    assert [next(work), work.send("a")] == [0, 1]
    with pytest.raises(StopIteration) as end:
        work.throw(KeyError("b"))
    assert end.value.value == ["a", "b"]
    assert only(bench, "echo").status == "succeeded"


def test_an_async_generator_is_recorded_until_it_is_exhausted_or_closed(bench: Bench, step: Step) -> None:
    @step()
    async def pieces(count: int) -> AsyncGenerator[int, None]:
        for number in range(count):
            await asyncio.sleep(0)
            yield number

    async def use() -> list[int]:
        found = [each async for each in pieces(2)]
        cut = pieces(5)
        await anext(cut)
        await cut.aclose()
        return found

    assert asyncio.run(use()) == [0, 1]
    assert [run.status for run in bench.runs()] == ["succeeded", "failed"]


def test_each_attempt_is_a_run_that_says_which_it_repeats(bench: Bench, step: Step) -> None:
    left = [ValueError("first"), OSError("second")]

    @step(outputs={"dst": "features"}, retries=2, level="stage")
    def flaky(dst: Path, scale: int = 1) -> str:
        if left:
            raise left.pop(0)
        (dst / "f").write_text("x")
        return "done"

    assert flaky() == "done"
    runs = bench.runs()
    assert [(run.status, run.opened.attempt, run.opened.level) for run in runs] == [
        ("failed", 1, "stage"),
        ("failed", 2, "stage"),
        ("succeeded", 3, "stage"),
    ]
    assert [run.opened.retry_of for run in runs] == [None, runs[0].id, runs[1].id]
    assert {(p.name, p.source) for run in runs for p in run.opened.params} == {("scale", "default")}


def test_the_last_attempts_exception_goes_on_and_interrupts_are_not_tried_again(bench: Bench, step: Step) -> None:
    @step(retries=1)
    async def never(error: type[BaseException]) -> None:
        raise error

    with pytest.raises(ValueError):
        asyncio.run(never(ValueError))
    assert len(bench.runs()) == 2
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(never(KeyboardInterrupt))
    assert len(bench.runs()) == 3


def test_a_step_that_yields_cannot_be_tried_again_or_return_an_output(step: Step) -> None:
    def pieces() -> Iterator[int]:
        yield 1

    for decorator in (step(retries=1), step(outputs={"return": "features"})):
        with pytest.raises(Invalid):
            decorator(pieces)


def test_the_record_keeps_the_chain_of_exceptions_and_the_exit_code(bench: Bench, step: Step) -> None:
    @step()
    def wrapped() -> None:
        try:
            dict[str, int]()["a"]
        except KeyError as error:
            raise ValueError("no a") from error

    @step()
    def leaving() -> None:
        sys.exit(3)

    @step()
    def several() -> None:
        raise ExceptionGroup("two", [ValueError("x"), OSError("y")])

    for function, error in ((wrapped, ValueError), (leaving, SystemExit), (several, ExceptionGroup)):
        with pytest.raises(error):
            function()
    closes = [run.closed for run in bench.runs()]
    assert [close.error for close in closes if close] == [
        "ValueError: no a, caused by KeyError: 'a'",
        "SystemExit: 3",
        "ExceptionGroup: two (2 sub-exceptions) [ValueError: x; OSError: y]",
    ]
    assert [close.exit_code for close in closes if close] == [None, 3, None]


VALUES: list[Any] = [{"a": [1, None]}, [1, 2], "text\r\n", b"\x00\xff", 3, 0.5]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_returned_value_is_kept_and_read_again_as_it_was(bench: Bench, step: Step, value: Any) -> None:
    @step(outputs={"return": "features"})
    def make() -> Any:
        return value

    @step(inputs={"given": "features"})
    def take(given: dict[str, Any]) -> Any:
        return given

    assert make() == value
    assert take() == value
    [read] = only(bench, "take").inputs
    assert read.bundle == only(bench, "make").outputs[0].bundle


def test_a_table_and_a_path_are_kept_too(bench: Bench, step: Step, tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1, 2]}, index=["x", "y"])
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "f").write_text("1")

    @step(outputs={"return": "features"})
    def make() -> pd.DataFrame:
        return table

    @step(inputs={"given": "features"})
    def take(given: pd.DataFrame) -> pd.DataFrame:
        return given

    @step(outputs={"return": "other"})
    def point() -> Path:
        return tmp_path / "tree"

    assert make() is table
    assert take().equals(table)
    point()
    assert bench.bundles("other")[only(bench, "point").outputs[0].bundle].entries == 2


def test_a_returned_value_that_no_file_can_stand_for_fails_the_run_unless_a_writer_is_given(
    bench: Bench, step: Step
) -> None:
    def write(value: Any, directory: Path) -> None:
        (directory / "set.txt").write_text(",".join(sorted(value)))

    @step(outputs={"return": "features"})
    def refused() -> set[str]:
        return {"a"}

    @step(outputs={"return": "features"}, write=write)
    def written() -> set[str]:
        return {"b", "a"}

    with pytest.raises(Invalid):
        refused()
    assert only(bench, "refused").status == "failed"
    assert written() == {"a", "b"}
    assert bench.files(only(bench, "written").outputs[0].bundle) == {"set.txt": "a,b"}


def test_a_value_that_one_step_hands_to_another_is_an_input_and_its_param_says_whose_it_is(
    bench: Bench, step: Step
) -> None:
    @step(outputs={"return": "features"})
    def make(word: str) -> Any:
        return {"word": word} if word != "text" else "text"

    @step()
    def use(first: Any, rest: Any = (), scale: int = 2) -> None:
        pass

    one = make("one")
    use(one)
    use([one, make("two")], scale=3)
    use(make("text"))
    use("text")  # equal, and from nowhere
    makes = [run for run in bench.runs() if run.opened.step == "make"]
    uses = [run for run in bench.runs() if run.opened.step == "use"]
    first, second, third = (run.outputs[0].bundle for run in makes)
    read = [[(each.role, each.bundle, each.ref, each.ref_kind) for each in run.inputs] for run in uses]
    assert read == [
        [("first", first, "main", "branch")],
        [("first.0", first, None, "id"), ("first.1", second, "main", "branch")],
        [("first", third, "main", "branch")],
        [],
    ]
    told = [{p.name: (p.value, p.exact) for p in run.opened.params}["first"] for run in uses]
    assert told == [
        ("features@main", False),
        (["features@main", "features@main"], False),
        ("features@main", False),
        ("text", True),
    ]


def test_a_call_with_handed_values_is_reused_and_what_it_returned_is_known_again(bench: Bench, step: Step) -> None:
    made = []

    @step(outputs={"return": "features"})
    def make(word: str) -> dict[str, str]:
        return {"word": word}

    @step(outputs={"return": "other"}, reuse=True)
    def use(given: Any) -> dict[str, int]:
        made.append(given)
        return {"size": len(given["word"])}

    @step()
    def see(size: Any) -> None:
        pass

    for word in ("one", "one", "four"):
        see(use(make(word)))
    assert [each["word"] for each in made] == ["one", "four"]
    uses = [run for run in bench.runs() if run.opened.step == "use"]
    assert [run.closed.reused for run in uses if run.closed] == [None, uses[0].id, None]
    seen = [run.inputs[0].bundle for run in bench.runs() if run.opened.step == "see"]
    assert seen == [run.outputs[0].bundle for run in uses]


@pytest.mark.usefixtures("carrying")
def test_what_threads_of_a_run_record_is_part_of_it(bench: Bench, store: Store, step: Step) -> None:
    run = make_run(lambda: store)

    @step()
    def part(number: int) -> int:
        return number

    with ThreadPoolExecutor(1) as pool:
        with run("first") as first:
            assert list(pool.map(part, [1, 2])) == [1, 2]
            thread = threading.Thread(target=part, args=(3,))
            thread.start()
            thread.join()
        with run("second") as second:
            pool.submit(part, 4).result()
        pool.submit(part, 5).result()
    told = {run.opened.params[0].value: run.opened.parent for run in bench.runs() if run.opened.step == "part"}
    assert told == {1: first.id, 2: first.id, 3: first.id, 4: second.id, 5: None}


@pytest.mark.usefixtures("carrying")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_a_run_are_inside_it_however_they_are_started(store: Store, method: str) -> None:
    context: Any = get_context(method)
    run = make_run(lambda: store)
    queue = context.SimpleQueue()
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        with run("first") as first:
            assert pool.submit(here).result() == (store.id, first.id)
            process = context.Process(target=tell_where, args=(queue,))
            process.start()
            assert queue.get() == (store.id, first.id)
            process.join()
        assert pool.submit(here).result() is None
    assert process.exitcode == 0


@pytest.mark.usefixtures("carrying")
def test_commands_that_a_run_starts_are_told_of_it_and_no_others(store: Store) -> None:
    run = make_run(lambda: store)

    def told(**given: Any) -> object:
        line = f'printf %s "${{{PARENT_VARIABLE}-none}}"'
        return subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True, **given).stdout.strip()

    with run("first") as first:
        inside = f"{store.id}/{first.id}"
        assert told() == inside
        assert told(env={"A": "b"}) == inside
        assert told(env={PARENT_VARIABLE: "meant"}) == "meant"
    assert told(env={}) == "none"


def test_a_process_that_a_step_forks_off_neither_ends_its_run_nor_removes_its_files(bench: Bench, step: Step) -> None:
    @step(outputs={"dst": "features"})
    def forking(dst: Path) -> int:
        import os

        child = os.fork()
        if child:
            os.waitpid(child, 0)
            (dst / "f").write_text("parent")
        return child

    import os

    before = os.getpid()
    try:
        forking()
    finally:
        if os.getpid() != before:
            os._exit(0)
    run = only(bench, "forking")
    assert run.status == "succeeded"
    assert bench.files(run.outputs[0].bundle) == {"f": "parent"}
