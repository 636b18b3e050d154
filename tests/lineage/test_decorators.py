"""`step`: the calls of a function as recorded runs."""

import linecache
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.errors import Conflict, DatamonError, Invalid, NotFound
from datamon.lineage.context import make_run
from datamon.lineage.decorators import make_step
from datamon.lineage.recording import Policy
from datamon.lineage.secrets import Redactor
from datamon.lineage.testing.bench import Bench
from datamon.store.opening import Store, memory_store
from datamon.store.refs import set_label
from datamon.store.repos import find_repo

SECRET = "hunter2-and-more"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench.make(tmp_path / "bench")


@pytest.fixture
def store(bench: Bench) -> Store:
    return bench.store


def test_a_call_of_a_step_is_a_run_with_its_inputs_outputs_and_params(bench: Bench, store: Store) -> None:
    step = make_step(lambda: store)
    seen: list[Path] = []

    @step(inputs={"src": "raw"}, outputs={"dst": "features"}, pipeline="churn", label="v1")
    def prepare(src: Path, dst: Path, scale: float = 2.0, mode: str = "fast") -> int:
        """Doc."""
        seen.extend([src, dst])
        assert list(dst.iterdir()) == []
        (dst / "b").write_text((src / "a").read_text() * int(scale))
        return 7

    assert prepare(scale=3.0) == 7
    [run] = bench.runs()
    assert (run.opened.pipeline, run.opened.step, run.opened.how, run.status) == (
        "churn",
        "prepare",
        "decorator",
        "succeeded",
    )
    assert [(p.name, p.value, p.source) for p in run.opened.params] == [
        ("scale", 3.0, "explicit"),
        ("mode", "fast", "default"),
    ]
    assert [(i.role, i.repo_name, i.ref, i.bundle) for i in run.inputs] == [
        ("raw", "raw", "main", bench.refs("raw")["main"])
    ]
    [output] = run.outputs
    assert bench.refs("features") == {"main": output.bundle, "v1": output.bundle}
    assert (run.opened.code.method, run.opened.code.paths[0].rpartition("/")[2]) == ("function", "test_decorators.py")
    assert str(run.opened.code.function).endswith("prepare")
    assert not any(path.exists() for path in seen)
    assert bench.marks() == []
    assert prepare.__doc__ == "Doc."


def test_arguments_may_be_given_by_position_since_directories_are_not_among_them(bench: Bench, store: Store) -> None:
    @make_step(lambda: store)(inputs={"src": "raw"})
    def prepare(src: Path, scale: float, *rest: int, flag: bool = False, **more: object) -> tuple[object, ...]:
        return (src.name, scale, rest, flag, more)

    returned = prepare(1.5, 2, 3, depth={"a": (1, None)}, flag=True)
    assert returned[1:] == (1.5, (2, 3), True, {"depth": {"a": (1, None)}})
    [run] = bench.runs()
    assert {p.name: p.value for p in run.opened.params} == {
        "scale": 1.5,
        "rest": [2, 3],
        "flag": True,
        "depth": {"a": [1, None]},
    }
    with pytest.raises(TypeError):
        prepare()
    assert len(bench.runs()) == 1


def test_a_function_that_raises_is_a_failed_run_and_its_exception_goes_on(bench: Bench, store: Store) -> None:
    @make_step(lambda: store, policy=lambda: Policy(Redactor(values=(SECRET,))))(outputs={"dst": "features"})
    def prepare(dst: Path) -> None:
        (dst / "half").write_text("x")
        raise ValueError(f"no {SECRET} here")

    with pytest.raises(ValueError, match=SECRET):
        prepare()
    [run] = bench.runs()
    assert run.closed is not None
    assert (run.status, run.closed.error, run.closed.moves) == ("failed", "ValueError: no *** here", ())
    assert run.closed.resources is not None
    assert bench.refs("features") == {}
    assert bench.marks() == []


def test_an_interrupted_function_is_a_failed_run(bench: Bench, store: Store) -> None:
    @make_step(lambda: store)()
    def prepare() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare()
    [run] = bench.runs()
    assert run.closed is not None
    assert (run.status, run.closed.signal, run.closed.error) == ("failed", "SIGINT", "interrupted")


def test_a_step_called_inside_a_step_is_a_part_of_it(bench: Bench, store: Store) -> None:
    step, run = make_step(lambda: store), make_run(lambda: store)

    @step()
    def inner() -> None:
        pass

    @step()
    def outer() -> None:
        inner()
        with run("block"):
            inner()
        inner()

    outer()
    inner()
    told = [(each.opened.step, each.opened.parent) for each in bench.runs()]
    outermost, block = (
        next(each.id for each in bench.runs() if each.opened.step == name) for name in ("outer", "block")
    )
    assert told == [
        ("outer", None),
        ("inner", outermost),
        ("block", outermost),
        ("inner", block),
        ("inner", outermost),
        ("inner", None),
    ]


def test_threads_and_other_stores_do_not_mix_up_parents(bench: Bench, store: Store) -> None:
    other = memory_store()

    @make_step(lambda: other)()
    def elsewhere() -> None:
        pass

    @make_step(lambda: store)()
    def outer(barrier: threading.Barrier | None) -> None:
        elsewhere()
        if barrier:
            barrier.wait(10)

    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=outer, args=(barrier,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [run.opened.parent for run in bench.runs() + Bench(Path(), other).runs()] == [None] * 4
    assert {run.status for run in bench.runs()} == {"succeeded"}


@pytest.mark.parametrize(
    "declare",
    [
        lambda step, f: step(inputs={"nope": "raw"})(f),
        lambda step, f: step(inputs={"src": "raw"}, outputs={"src": "features"})(f),
        lambda step, f: step(inputs={"src": "a b"})(f),
        lambda step, f: step(outputs={"src": "features:x"})(f),
        lambda step, f: step(name="a b")(f),
        lambda step, f: step(pipeline="")(f),
        lambda step, f: step(f),
    ],
)
def test_a_wrong_declaration_is_refused_where_it_is_written(
    bench: Bench, store: Store, declare: Callable[..., object]
) -> None:
    def function(src: Path) -> None:
        raise AssertionError("it ran")

    with pytest.raises(Invalid):
        declare(make_step(lambda: store), function)


def test_a_caller_may_not_give_the_directories(bench: Bench, store: Store, tmp_path: Path) -> None:
    @make_step(lambda: store)(inputs={"src": "raw"})
    def prepare(src: Path) -> None:
        raise AssertionError("it ran")

    with pytest.raises(Invalid):
        prepare(src=tmp_path)
    assert bench.runs() == []


def test_what_is_wrong_with_references_is_raised_before_a_run_is_recorded(bench: Bench, store: Store) -> None:
    step = make_step(lambda: store)

    def function(d: Path) -> None:
        raise AssertionError("it ran")

    head = bench.refs("raw")["main"]
    set_label(store, find_repo(store, "raw"), "gold", head, frozen=True)
    for declared, error in (
        (step(inputs={"d": "nope"})(function), NotFound),
        (step(inputs={"d": "raw@nope"})(function), NotFound),
        (step(outputs={"d": "nope"})(function), NotFound),
        (step(outputs={"d": "raw"}, label="gold")(function), Conflict),
    ):
        with pytest.raises(error):
            declared()
    assert bench.runs() == []


def test_a_function_that_changed_its_input_tells_so_in_the_record(bench: Bench, store: Store) -> None:
    @make_step(lambda: store)(inputs={"src": "raw"})
    def prepare(src: Path) -> None:
        (src / "a").write_text("2")
        (src / "new").mkdir(0o500)

    prepare()
    assert bench.runs()[0].inputs[0].changed == ("a", "new")


CELL = """
@step(inputs={"src": "raw"}, outputs={"dst": "features"})
def prepare(src, dst, scale=2.0):
    (dst / "b").write_text((src / "a").read_text())
prepare()
with run("block") as opened:
    opened.output("other")
"""


def test_in_a_notebook_cell_the_code_is_the_cells_text(bench: Bench, store: Store) -> None:
    fingerprints = []
    for number, source in enumerate((CELL, CELL.replace("):", "):  # the same"), CELL.replace("2.0", "4.0"))):
        name = f"<ipython-input-{number}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        names: dict[str, object] = {"step": make_step(lambda: store), "run": make_run(lambda: store)}
        exec(compile(source, name, "exec"), names)
        prepared, block = bench.runs()[-2:]
        assert [each.opened.code.method for each in (prepared, block)] == ["cell", "cell"]
        assert [(p.name, p.source) for p in prepared.opened.params] == [("scale", "default")]
        fingerprints.append((prepared.opened.code.fingerprint, block.opened.code.fingerprint))
    assert fingerprints[0] == fingerprints[1]
    assert fingerprints[0][0] != fingerprints[2][0]
    assert fingerprints[0][1] != fingerprints[2][1]


def test_a_step_works_in_a_plain_script_on_a_local_store(tmp_path: Path) -> None:
    script = tmp_path / "pipeline.py"
    script.write_text(
        textwrap.dedent("""
        from pathlib import Path
        from datamon.lineage.decorators import make_step
        from datamon.store.bundle import Author
        from datamon.store.opening import Places, open_store
        from datamon.store.repos import create_repo

        HERE = Path(__file__).parent
        STORE = open_store(Places(f"{HERE}/m", f"{HERE}/m", state_dir=HERE / "state"), Author("Ada", "a@example.org"))
        create_repo(STORE, "features", "")
        step = make_step(lambda: STORE)

        @step(outputs={"dst": "features"})
        def prepare(dst: Path) -> None:
            assert dst.is_relative_to(HERE / "state")
            (dst / "x").write_text("1")

        prepare()
        assert list((HERE / "state" / STORE.id / "work").iterdir()) == []
        [closed] = [e["close"] for e in STORE.journal.read({})[0] if e["kind"] == "run-closed"]
        print(closed["status"], len(closed["outputs"]))
        """)
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("succeeded 1\n", "")


def test_an_error_that_is_ours_keeps_its_type_through_a_step(bench: Bench, store: Store) -> None:
    @make_step(lambda: store)()
    def prepare() -> None:
        raise Conflict("ref-moved", "someone was first")

    with pytest.raises(DatamonError) as raised:
        prepare()
    assert raised.value.code == "ref-moved"
