"""`record_command`: what a run of a command line leaves behind, whichever way the command ends."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from blake3 import blake3

from datamon.errors import Conflict, DatamonError, Invalid
from datamon.lineage.binding import parse_input, parse_output
from datamon.lineage.capture.streams import Sinks
from datamon.lineage.command import CommandRequest, record_command
from datamon.lineage.finding import environment_of, stream_pieces
from datamon.lineage.recording import Policy
from datamon.lineage.secrets import Redactor
from datamon.lineage.testing.bench import Bench, every_byte
from datamon.store.refs import set_label
from datamon.store.repos import find_repo
from datamon.store.upload import UploadRequest, upload

PYTHON = sys.executable


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench.make(tmp_path)


COPY = ("sh", "-c", "cat in/* > out/all; echo done")
BOUND = {"inputs": (parse_input("raw=in"),), "outputs": (parse_output("features=out"),)}


def test_a_command_that_succeeds_leaves_its_output_and_a_moved_branch(bench: Bench) -> None:
    outcome = bench.record(*COPY, **BOUND)
    [output] = outcome.outputs
    assert (outcome.status, outcome.exit_code) == ("succeeded", 0)
    assert bench.files(output.bundle) == {"all": "1"}
    assert bench.refs() == {"main": output.bundle}
    assert bench.stdout.getvalue() == b"done\n"
    assert bench.marks() == []


def test_the_record_tells_what_was_read_written_and_run(bench: Bench) -> None:
    outcome = bench.record(*COPY, **BOUND, pipeline="churn", step="copy", labels=("v1",))
    run = bench.run_of(outcome)
    [source], [output] = run.inputs, run.outputs
    assert (run.opened.pipeline, run.opened.step, run.opened.how, run.opened.argv) == ("churn", "copy", "command", COPY)
    assert (source.role, source.repo_name, source.ref, source.ref_kind, source.path) == (
        "raw",
        "raw",
        "main",
        "branch",
        "",
    )
    assert (source.bundle, source.changed) == (bench.refs("raw")["main"], ())
    bundle = bench.store.logs.repo(output.repo).bundles[output.bundle]
    assert (bundle.run, bundle.role, bundle.content) == (run.id, "features", output.content)
    assert run.opened.outputs[0].branch == output.branch == "main"
    assert bench.refs() == {"main": output.bundle, "v1": output.bundle}
    assert run.opened.host.pid == os.getpid()
    assert run.closed is not None
    assert run.closed.resources is not None
    assert run.closed.exit_code == 0
    environment = environment_of(bench.store, run)
    assert environment is not None
    assert "blake3" in environment.packages


def test_the_run_is_in_the_journal_before_the_command_starts(tmp_path: Path, bench: Bench) -> None:
    seen: list[tuple[int, int]] = []

    class Watching(io.BytesIO):
        def write(self, piece: object) -> int:
            seen.append((len(bench.runs()), len(bench.marks())))
            return 1

    request = CommandRequest(("sh", "-c", "echo x | tee out/x"), bench.work, policy=bench.policy)
    record_command(bench.store, request, streams=Sinks(Watching()))
    assert seen == [(1, 1)]


def test_the_same_command_line_can_be_typed_again_after_an_input_moved(bench: Bench) -> None:
    first = bench.record(*COPY, **BOUND)
    bench.upload("raw", b="2")
    second = bench.record(*COPY, **BOUND)
    assert bench.files(second.outputs[0].bundle) == {"all": "2"}
    assert sorted(path.name for path in (bench.work / "in").iterdir()) == ["b"]
    bundles = bench.store.logs.repo(second.outputs[0].repo).bundles
    assert bundles[second.outputs[0].bundle].parents == (first.outputs[0].bundle,)
    assert bench.close(second).moves[0].old == first.outputs[0].bundle


def test_the_same_content_again_is_a_new_bundle(bench: Bench) -> None:
    first, second = bench.record(*COPY, **BOUND), bench.record(*COPY, **BOUND)
    assert first.outputs[0].content == second.outputs[0].content
    assert first.outputs[0].bundle != second.outputs[0].bundle == bench.refs()["main"]


@pytest.mark.parametrize(
    ("script", "exit_code", "recorded", "ended_by"),
    [("echo x > out/x; exit 3", 3, 3, None), ("echo x > out/x; kill -9 $$", 137, None, "SIGKILL")],
)
def test_a_command_that_fails_or_is_killed_is_recorded_and_moves_no_ref(
    bench: Bench, script: str, exit_code: int, recorded: int | None, ended_by: str | None
) -> None:
    outcome = bench.record("sh", "-c", script, **BOUND, labels=("v1",))
    closed = bench.close(outcome)
    assert (outcome.status, outcome.exit_code, outcome.outputs) == ("failed", exit_code, ())
    assert (closed.status, closed.exit_code, closed.signal, closed.moves) == ("failed", recorded, ended_by, ())
    assert bench.refs() == {}
    assert bench.store.logs.repo(find_repo(bench.store, "features").id).bundles == {}
    assert bench.marks() == []


def test_after_a_failure_the_same_command_line_can_be_typed_again(bench: Bench) -> None:
    bench.record("sh", "-c", "echo half > out/half; exit 1", **BOUND)
    outcome = bench.record(*COPY, **BOUND)
    assert bench.files(outcome.outputs[0].bundle) == {"all": "1"}


@pytest.mark.parametrize("command", [("true",), ("rmdir", "out")])
def test_a_command_that_writes_nothing_succeeds_without_an_output_and_moves_no_ref(
    bench: Bench, command: tuple[str, ...]
) -> None:
    before = bench.record(*COPY, **BOUND)
    outcome = bench.record(*command, **BOUND, labels=("v1",))
    closed = bench.close(outcome)
    assert (closed.status, closed.outputs, closed.moves, outcome.outputs) == ("succeeded", (), (), ())
    assert outcome.notes == ("nothing was written for the output 'features'; features@main stays",)
    assert bench.refs() == {"main": before.outputs[0].bundle}


def test_the_record_tells_where_the_command_had_its_files(bench: Bench) -> None:
    run = bench.run_of(bench.record(*COPY, **BOUND))
    assert [source.directory for source in run.inputs] == [source.directory for source in run.opened.inputs] == ["in"]
    assert [planned.directory for planned in run.opened.outputs] == ["out"]


def test_every_label_and_every_metrics_file_counts(bench: Bench) -> None:
    script = 'echo {\\"a\\": 1, \\"b\\": 1} > one.json; echo {\\"b\\": 2} > two.json; cp in/a out/a'
    files = (Path("one.json"), Path("two.json"))
    outcome = bench.record("sh", "-c", script, **BOUND, labels=("v1", "best"), metrics_files=files)
    assert {metric.name: metric.value for metric in bench.close(outcome).metrics} == {"a": 1.0, "b": 2.0}
    assert bench.refs() == dict.fromkeys(("main", "v1", "best"), outcome.outputs[0].bundle)


@pytest.mark.parametrize(("program", "exit_code"), [("no-such-command", 127), ("./plain", 126)])
def test_a_command_that_cannot_be_started_is_a_failed_run(bench: Bench, program: str, exit_code: int) -> None:
    (bench.work / "plain").write_text("x")
    outcome = bench.record(program, **BOUND)
    closed = bench.close(outcome)
    assert (outcome.exit_code, closed.status, closed.exit_code) == (exit_code, "failed", exit_code)
    assert program in str(closed.error)
    assert bench.refs() == {}


def test_an_input_that_the_command_changed_is_told_in_the_record(bench: Bench) -> None:
    outcome = bench.record("sh", "-c", "echo 2 > in/a; echo 3 > in/new", **BOUND)
    assert bench.run_of(outcome).inputs[0].changed == ("a", "new")
    assert any("changed its input 'raw': a, new" in note for note in outcome.notes)
    with pytest.raises(Conflict) as raised:
        bench.record(*COPY, **BOUND)
    assert raised.value.code == "local-edits"


def test_a_part_of_a_bundle_under_a_label_can_be_an_input(bench: Bench) -> None:
    tree = bench.work.parent / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "x").write_text("x")
    (tree / "y").write_text("y")
    bundle = upload(bench.store, UploadRequest("raw", tree, "m", label="v2"))
    bench.upload("raw", z="z")
    outcome = bench.record(
        "sh", "-c", "ls in > out/names", inputs=(parse_input("raw@v2:sub=in"),), outputs=BOUND["outputs"]
    )
    [source] = bench.run_of(outcome).inputs
    assert (source.ref, source.ref_kind, source.bundle, source.path) == ("v2", "label", bundle.id, "sub")
    assert source.content != bundle.content
    assert bench.files(outcome.outputs[0].bundle) == {"names": "x\n"}


def test_one_file_of_a_bundle_can_be_an_input(bench: Bench) -> None:
    outcome = bench.record("cp", "-r", "in/.", "out", inputs=(parse_input("raw:a=in"),), outputs=BOUND["outputs"])
    [source] = bench.run_of(outcome).inputs
    assert (source.path, source.content) == ("a", blake3(b"1").hexdigest())
    assert bench.files(outcome.outputs[0].bundle) == {"a": "1"}


def test_roles_are_repo_names_and_tell_the_ref_when_a_repo_occurs_twice(bench: Bench) -> None:
    set_label(bench.store, find_repo(bench.store, "raw"), "old", bench.refs("raw")["main"])
    outcome = bench.record(
        *("sh", "-c", "touch three/x four/x"),
        inputs=(parse_input("raw=one"), parse_input("raw@old=two")),
        outputs=(parse_output("features=three"), parse_output("features@try=four")),
    )
    run = bench.run_of(outcome)
    assert [source.role for source in run.inputs] == ["raw", "raw@old"]
    assert [output.role for output in run.outputs] == ["features@main", "features@try"]
    assert set(bench.refs()) == {"main", "try"}


def test_params_come_from_files_and_explicit_ones_win(bench: Bench) -> None:
    (bench.work / "conf").mkdir()
    (bench.work / "conf" / "p.yaml").write_text("model: {depth: 3, rate: .nan}\nseed: 1\n")
    outcome = bench.record("true", params=("seed=7", "name=x=y", "flag=true"), params_files=(Path("conf/p.yaml"),))
    params = {param.name: param for param in bench.run_of(outcome).opened.params}
    depth = params["model.depth"]
    assert (depth.value, depth.source, depth.file, depth.key) == (3, "file", "conf/p.yaml", "model.depth")
    assert [(p.value, p.source, p.file) for p in (params["seed"], params["name"], params["flag"])] == [
        (7, "explicit", None),
        ("x=y", "explicit", None),
        (True, "explicit", None),
    ]
    assert params["model.rate"].value == "nan"


def test_metrics_that_the_command_wrote_are_recorded_by_dotted_name(bench: Bench) -> None:
    script = """echo '{"auc": 0.5, "by": {"class": [1], "n": 3, "ok": true}, "name": "x"}' > m.json"""
    outcome = bench.record("sh", "-c", script, metrics_files=(Path("m.json"),))
    assert {m.name: m.value for m in bench.close(outcome).metrics} == {"auc": 0.5, "by.n": 3.0, "by.ok": 1.0}


@pytest.mark.parametrize("content", [None, '{"auc": 0.1}', "{"])
def test_a_metrics_file_that_the_command_did_not_write_or_no_one_can_read_is_a_note(
    bench: Bench, content: str | None
) -> None:
    if content is not None:
        (bench.work / "old.json").write_text(content)
    broken = bench.record("sh", "-c", "echo [ > m.json", metrics_files=(Path("m.json"),))
    outcome = bench.record("true", metrics_files=(Path("old.json"),))
    for each in (broken, outcome):
        assert (each.status, bench.close(each).metrics, len(each.notes)) == ("succeeded", (), 1)


def test_streams_are_kept_in_the_hidden_repo(bench: Bench) -> None:
    (bench.work / "hello.py").write_text("import sys\nprint('to out')\nprint('to err', file=sys.stderr)\n")
    outcome = bench.record(PYTHON, "hello.py")
    streams = bench.close(outcome).streams
    assert streams is not None
    kept = {n: b"".join(stream_pieces(bench.store, streams, n)) for n in ("stdout", "stderr")}
    assert kept == {"stdout": b"to out\n", "stderr": b"to err\n"}
    assert bench.run_of(outcome).opened.step == "hello"


def test_a_silent_command_without_a_script_keeps_no_streams(bench: Bench) -> None:
    assert bench.close(bench.record("true")).streams is None


def git(directory: Path, *words: str) -> None:
    settings = ("-c", "user.name=Ada", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(directory), *settings, *words], check=True, capture_output=True)


def test_the_code_is_the_script_its_commit_and_the_directory_relative_to_the_top(bench: Bench) -> None:
    git(bench.work, "init", "-q")
    step = bench.work / "steps"
    step.mkdir()
    (step / "s.py").write_text("x = 1\n")
    git(bench.work, "add", ".")
    git(bench.work, "commit", "-q", "-m", "m")
    bench.work = step
    bounds = {"inputs": (parse_input("raw=../data/in"),), "outputs": (parse_output("features=../data/out"),)}
    (step.parent / "data").mkdir()
    first = bench.run_of(bench.record(PYTHON, "s.py", **bounds)).opened
    second = bench.run_of(bench.record(PYTHON, "s.py", **bounds)).opened
    assert (first.cwd, first.code.paths, first.code.method) == ("steps", ("steps/s.py",), "script")
    assert first.code == second.code
    assert (first.code.dirty, first.code.root) == (None, first.code.commit)
    (step / "s.py").write_text("x = 2\n")
    third = bench.run_of(bench.record(PYTHON, "s.py", **bounds)).opened
    assert third.code.fingerprint != first.code.fingerprint
    assert third.code.dirty is not None


def test_declared_code_paths_are_fingerprinted_instead_of_the_script(bench: Bench) -> None:
    (bench.work / "lib").mkdir()
    (bench.work / "lib" / "m.R").write_text("1")
    opened = bench.run_of(bench.record("true", code=(Path("lib"),))).opened
    assert (opened.code.method, opened.code.paths) == ("paths", ("lib",))
    assert opened.code.fingerprint is not None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"inputs": (parse_input("rew=in"),)}, "repo-not-found"),
        ({"inputs": (parse_input("raw@v9=in"),)}, "ref-not-found"),
        ({"inputs": (parse_input("raw:nope=in"),)}, "path-not-found"),
        ({"outputs": (parse_output("nope=out"),)}, "repo-not-found"),
        ({"inputs": (parse_input("raw=d"),), "outputs": (parse_output("features=d/e"),)}, "bad-argument"),
        ({"outputs": (parse_output("features=d"), parse_output("features@main=e"))}, "bad-argument"),
        ({"outputs": (parse_output("features=d"), parse_output("features@b=e")), "labels": ("v1",)}, "bad-argument"),
        ({"outputs": (parse_output("features=d"),), "labels": ("a/b",)}, "bad-name"),
        ({"outputs": (parse_output("features@frozen=d"),)}, "ref-exists"),
        ({"outputs": (parse_output("features=d"),), "labels": ("frozen",)}, "ref-frozen"),
        ({"outputs": (parse_output("features=full"),)}, "destination-not-empty"),
        ({"inputs": (parse_input("raw=full"),)}, "destination-not-empty"),
        ({"params": ("novalue",)}, "bad-argument"),
        ({"params_files": (Path("absent.yaml"),)}, "path-not-found"),
        ({"step": "a b"}, "bad-name"),
        ({"pipeline": ""}, "bad-name"),
        ({"code": (Path("absent"),)}, "path-not-found"),
        ({"argv": ()}, "bad-argument"),
    ],
)
def test_a_wrong_request_is_refused_before_the_command_starts_and_records_nothing(
    bench: Bench, changes: dict[str, object], code: str
) -> None:
    (bench.work / "full").mkdir()
    (bench.work / "full" / "mine").write_text("x")
    repo = find_repo(bench.store, "features")
    head = bench.upload("features", x="x")
    set_label(bench.store, repo, "frozen", head.id, frozen=True)
    with pytest.raises(DatamonError) as raised:
        bench.record("touch", "ran", **changes)
    assert raised.value.code == code
    assert not (bench.work / "ran").exists()
    assert (bench.runs(), bench.marks()) == ([], [])
    assert bench.refs() == {"main": head.id, "frozen": head.id}


def test_edits_in_the_last_output_are_never_cleared_and_keep_leaves_what_is_there(bench: Bench) -> None:
    bench.record("sh", "-c", "echo 1 > out/one", **BOUND)
    kept = bench.record("sh", "-c", "echo 2 > out/two", **BOUND, keep=True)
    assert bench.files(kept.outputs[0].bundle) == {"one": "1\n", "two": "2\n"}
    cleared = bench.record("sh", "-c", "echo 3 > out/three", **BOUND)
    assert bench.files(cleared.outputs[0].bundle) == {"three": "3\n"}
    (bench.work / "out" / "three").write_text("mine")
    with pytest.raises(Conflict) as raised:
        bench.record("true", **BOUND)
    assert raised.value.code == "local-edits"
    assert (bench.work / "out" / "three").read_text() == "mine"


def test_an_output_that_cannot_be_kept_is_a_failed_run_and_the_error_is_raised(bench: Bench) -> None:
    with pytest.raises(Invalid):
        bench.record("mkfifo", "out/pipe", **BOUND)
    [run] = bench.runs()
    closed = run.closed
    assert closed is not None
    assert (closed.status, closed.moves) == ("failed", ())
    assert "Invalid" in str(closed.error)
    assert bench.refs() == {}
    assert bench.marks() == []


def test_a_label_frozen_while_the_command_runs_is_not_moved_and_told(bench: Bench) -> None:
    class Freezing(io.BytesIO):
        def write(self, piece: object) -> int:
            head = bench.upload("features", x="x")
            set_label(bench.store, find_repo(bench.store, "features"), "v1", head.id, frozen=True)
            return 1

    argv, outputs = ("sh", "-c", "echo x | tee out/x"), (parse_output("features=out"),)
    request = CommandRequest(argv, bench.work, outputs=outputs, labels=("v1",), policy=bench.policy)
    outcome = record_command(bench.store, request, streams=Sinks(Freezing()))
    assert outcome.status == "succeeded"
    assert bench.refs()["main"] == outcome.outputs[0].bundle != bench.refs()["v1"]
    assert any("'v1' was not moved" in note for note in outcome.notes)
    assert bench.marks() == []


SECRET = "hunter2-and-more"


def test_no_secret_is_anywhere_in_the_store_after_a_run(bench: Bench) -> None:
    (bench.work / "leak.py").write_text(
        f"import sys, os, json\nkey = '{SECRET}'\nprint(*sys.argv, os.environ['MY_TOKEN'])\n"
        "sys.stdout.flush()\nhalf = len(key) // 2\n"
        "os.write(2, key[:half].encode()); os.write(2, key[half:].encode())\n"
        "json.dump({sys.argv[2]: 1}, open('m.json', 'w'))\n"
    )
    git(bench.work, "init", "-q")
    git(bench.work, "remote", "add", "origin", f"https://me:{SECRET}@example.org/{SECRET}.git")
    (bench.work / "p.yaml").write_text(f"db: {{password: {SECRET}, url: 'x/{SECRET}/y'}}\n")
    variables = {**os.environ, "MY_TOKEN": f"env-{SECRET}", "MY_NOTE": f"see {SECRET}"}
    bench.policy = Policy(Redactor(values=(f"env-{SECRET}",)), variables, ("MY_*",))
    words = (PYTHON, "leak.py", "--password", SECRET, f"--api-key={SECRET}", f"x{SECRET}y")
    outcome = bench.record(
        *words,
        params=(f"auth_token={SECRET}", f"note=a {SECRET}"),
        params_files=(Path("p.yaml"),),
        metrics_files=(Path("m.json"),),
    )
    failed = bench.record(f"./{SECRET}", f"--password={SECRET}")
    assert (outcome.status, failed.status) == ("succeeded", "failed")
    assert SECRET.encode() in bench.stdout.getvalue()
    kept = list(every_byte(bench.store))
    assert not [piece for piece in kept if SECRET.encode() in piece]
    assert any(b"--password *** --api-key=***" in piece for piece in kept)


def test_a_command_that_records_runs_itself_is_their_parent(bench: Bench) -> None:
    outer = bench.record("sh", "-c", "echo $DATAMON_PARENT_RUN")
    told = bench.stdout.getvalue().decode().strip()
    assert told == f"{bench.store.id}/{outer.run}"
    bench.policy = Policy(variables={**os.environ, "DATAMON_PARENT_RUN": told})
    assert bench.run_of(bench.record("true")).opened.parent == outer.run
    bench.policy = Policy(variables={**os.environ, "DATAMON_PARENT_RUN": f"another/{outer.run}"})
    assert bench.run_of(bench.record("true")).opened.parent is None
