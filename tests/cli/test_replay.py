"""`datamon run replay`: a run is done again exactly, in a clean tree and on a view of the store; `datamon run diff`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from datamon.cli.testing import Ran, Shell

EXAMPLES = Path(__file__).parents[2] / "examples"
SALES = (("clean", "orders"), ("totals", "clean"), ("days", "clean"), ("best", "totals"))


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A person with a home, a repo `raw` of one file, and a directory that is no git repository."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    shell = Shell(tmp_path / "home", tmp_path / "work", {"DATAMON_NAME": "Ada", "DATAMON_EMAIL": "ada@example.org"})
    (shell.cwd / "up").mkdir()
    (shell.cwd / "up" / "a.txt").write_text("a\nb\n")
    for repo in ("raw", "out"):
        shell.well("repo", "create", "--repo", repo, "--description", "d")
    shell.well("bundle", "upload", "--repo", "raw", "--path", "up", "--message", "m")
    return shell


def script(shell: Shell, name: str, text: str) -> None:
    (shell.cwd / name).write_text(text)


def record(shell: Shell, *words: str) -> str:
    """The id of a run that is recorded with these words."""
    ran = shell("run", "record", *words)
    (line,) = [line for line in ran.err.splitlines() if line.startswith("recorded run")]
    return line.split()[2]


def replays(shell: Shell) -> list[list[object]]:
    ran = shell.well(
        "query", "SELECT verdict, repo, result, path, change FROM replays ORDER BY started", "--format", "json"
    )
    return [list(row.values()) for row in json.loads(ran.out)]


def state_of(shell: Shell) -> str:
    """Everything that a replay must not change."""
    return "".join(
        shell.well("query", f"FROM {relation} ORDER BY ALL", "--format", "jsonl").out
        for relation in ("bundles", "branches", "labels", "runs", "outputs", "ref_history")
    )


DICE = """
import os, random
os.makedirs("o", exist_ok=True)
for name in "bacd":
    open(f"o/{name}", "w").write("same" if name == "a" else str(random.random()))
"""
INNER = """
import subprocess, sys
words = ["bundle", "upload", "--repo", "raw", "--path", "in", "--message", "inner"]
subprocess.run([sys.executable, "-m", "datamon.cli.main", *words], check=True)
"""
PARAMS = """
import os, sys, yaml
os.makedirs("o", exist_ok=True)
open("o/p", "w").write(repr(yaml.safe_load(open("params.yaml"))) + sys.argv[1])
"""
ONCE = """
import os, pathlib
mark = pathlib.Path.home() / "mark"
if mark.exists():
    raise SystemExit("done once")
mark.touch()
os.makedirs("o", exist_ok=True)
open("o/x", "w").write("1")
"""
SLOW = """
import os, pathlib, time
mark, again = pathlib.Path.home() / "mark", pathlib.Path.home() / "again"
if mark.exists() and not again.exists():
    again.write_text(str(os.getpid()))
    time.sleep(600)
mark.touch()
os.makedirs("o", exist_ok=True)
"""
COPY = "import os\nos.makedirs('o', exist_ok=True)\nopen('o/copy', 'w').write(open('in/a.txt').read())\n"


def test_a_replay_matches_bit_by_bit_and_changes_nothing(shell: Shell) -> None:
    script(shell, "copy.py", COPY)
    run = record(shell, "--input", "raw=in", "--output", "out=o", "--label", "v1", "--", sys.executable, "copy.py")
    before, files = state_of(shell), tree(shell.cwd)
    ran = shell("run", "replay", run)
    assert (ran.code, ran.lines) == (0, ["out@main: matched bit by bit", f"run {run} matched"])
    assert replays(shell) == [["matched", "out", "matched", None, None]]
    assert state_of(shell) == before
    assert tree(shell.cwd) == files
    assert list((shell.home / ".datamon").rglob("*-replay")) == [], "nothing is left behind"
    shown = shell.well("run", "show", run).out
    assert "replays\n    └── matched  " in shown


def tree(top: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}


def test_it_reads_what_the_run_read_and_runs_what_it_ran(shell: Shell) -> None:
    script(shell, "copy.py", COPY)
    run = record(shell, "--input", "raw=in", "--output", "out=o", "--", sys.executable, "copy.py")
    (shell.cwd / "up" / "a.txt").write_text("other\n")
    shell.well("bundle", "upload", "--repo", "raw", "--path", "up", "--message", "m")
    script(shell, "copy.py", "raise SystemExit('edited since')\n")
    assert shell("run", "replay", run).code == 0


def test_a_planted_random_number_is_found_in_the_first_file_that_differs(shell: Shell) -> None:
    script(shell, "dice.py", DICE)
    run = record(shell, "--output", "out=o", "--", sys.executable, "dice.py")
    ran = shell("run", "replay", run, "--format", "json")
    assert ran.code == 1
    (row,) = json.loads(ran.out)
    assert [row[name] for name in ("run", "verdict", "output", "result", "path", "change")] == [
        run,
        "differed",
        "out",
        "differed",
        "b",
        "changed",
    ]
    assert row["old"] != row["new"]
    assert replays(shell) == [["differed", "out", "differed", "b", "changed"]]


def test_a_function_is_called_again_with_its_arguments(shell: Shell) -> None:
    text = """
import datamon
from pathlib import Path

@datamon.step(inputs={"raw": "raw"}, outputs={"made": "out"})
def make(raw: Path, made: Path, times: int = 3, *, mark: str = "-") -> None:
    (made / "x").write_text((raw / "a.txt").read_text() * times + mark)

if __name__ == "__main__":
    make(times=2)
"""
    script(shell, "steps.py", text)
    subprocess.run([sys.executable, "steps.py"], cwd=shell.cwd, env=shell.environment, check=True)
    run = shell.well("query", "SELECT id FROM runs", "--format", "csv").lines[-1]
    (shell.cwd / "up" / "a.txt").write_text("other\n")
    shell.well("bundle", "upload", "--repo", "raw", "--path", "up", "--message", "m")
    script(shell, "steps.py", text.replace("* times", "* 7"))
    before = state_of(shell)
    ran = shell("run", "replay", run)
    assert (ran.code, ran.lines[0]) == (0, "out@main: matched bit by bit")
    assert state_of(shell) == before


def test_what_a_replayed_command_records_itself_stays_in_the_view(shell: Shell) -> None:
    """A step that starts `datamon` again works on the same view."""
    script(shell, "inner.py", INNER + COPY)
    run = record(shell, "--input", "raw=in", "--output", "out=o", "--", sys.executable, "inner.py")
    before = state_of(shell)
    assert shell("run", "replay", run).code == 0
    assert state_of(shell) == before


def test_params_of_files_and_explicit_ones_are_as_they_were(shell: Shell) -> None:
    script(shell, "params.yaml", "model:\n  scale: 2.5\nname: x\n")
    script(shell, "p.py", PARAMS)
    given = ("--params-file", "params.yaml", "--param", "k=7", "--output", "out=o")
    run = record(shell, *given, "--", sys.executable, "p.py", "7")
    script(shell, "params.yaml", "model:\n  scale: 99\n")
    ran = shell("run", "replay", run)
    assert (ran.code, ran.lines[0]) == (0, "out@main: matched bit by bit")
    assert "params.yaml was written from the recorded params" in ran.err


def test_a_replay_that_fails_says_how_and_shows_what_was_printed(shell: Shell) -> None:
    script(shell, "once.py", ONCE)
    run = record(shell, "--output", "out=o", "--", sys.executable, "once.py")
    ran = shell("run", "replay", run)
    assert ran.code == 1
    assert ran.lines == [
        "out@main: nothing was written",
        f"run {run} failed: it ended with exit code 1, the run with exit code 0",
    ]
    assert "| done once" in ran.err
    assert replays(shell) == [["failed", "out", "missing", None, None]]


def test_a_run_that_failed_matches_when_it_fails_in_the_same_way(shell: Shell) -> None:
    script(shell, "bad.py", "raise SystemExit(3)\n")
    run = record(shell, "--output", "out=o", "--", sys.executable, "bad.py")
    assert shell("run", "replay", run).lines == [f"run {run} matched"]


def refused(ran: Ran) -> str:
    assert ran.code != 0
    return ran.err.splitlines()[-1]


def test_what_is_not_wholly_recorded_is_refused_with_the_reason(shell: Shell, tmp_path: Path) -> None:
    script(shell, "copy.py", COPY)
    hidden = shell.having(API_TOKEN="s3cret-value-of-mine")
    script(shell, "masked.py", "TOKEN = 's3cret-value-of-mine'\n")
    cases = {
        record(shell, "--", "true"): "its code was not kept",
        record(hidden, "--", sys.executable, "masked.py"): "a secret value was masked in its code",
        record(
            hidden, "--", sys.executable, "copy.py", "s3cret-value-of-mine"
        ): "a secret was taken out of its command line",
        record(
            shell, "--input", f"raw={tmp_path}/elsewhere", "--", sys.executable, "copy.py"
        ): "lay outside of the code root",
    }
    for run, reason in cases.items():
        assert reason in refused(shell("run", "replay", run))
    assert replays(shell) == []


def test_an_input_that_was_deleted_is_told(shell: Shell) -> None:
    script(shell, "copy.py", COPY)
    run = record(shell, "--input", "raw=in", "--output", "out=o", "--", sys.executable, "copy.py")
    bundle = shell.well("query", "SELECT bundle FROM inputs", "--format", "csv").lines[-1]
    shell("bundle", "delete", "--repo", "raw", "--bundle", bundle, "--force")
    assert "was deleted" in refused(shell("run", "replay", run))


def test_keep_leaves_the_clean_tree_in_a_new_directory(shell: Shell) -> None:
    script(shell, "copy.py", COPY)
    run = record(shell, "--input", "raw=in", "--output", "out=o", "--", sys.executable, "copy.py")
    assert shell("run", "replay", run, "--keep", "kept").code == 0
    assert {
        str(path.relative_to(shell.cwd / "kept")) for path in (shell.cwd / "kept").rglob("*") if path.is_file()
    } == {
        "copy.py",
        "in/a.txt",
        "o/copy",
    }
    assert "is there already" in refused(shell("run", "replay", run, "--keep", "kept"))


def test_at_a_commit_the_whole_tree_of_it_is_there(shell: Shell) -> None:
    script(shell, "table.csv", "1\n")
    script(
        shell,
        "read.py",
        "import os\nos.makedirs('o', exist_ok=True)\nopen('o/x', 'w').write(open('table.csv').read())\n",
    )
    git = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    (shell.cwd / ".gitignore").write_text("o/\nup/\n")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        subprocess.run([*git, *words], cwd=shell.cwd, check=True)
    run = record(shell, "--output", "out=o", "--", sys.executable, "read.py")
    script(shell, "table.csv", "2\n")
    subprocess.run([*git, "commit", "-qam", "second"], cwd=shell.cwd, check=True)
    assert shell("run", "replay", run).code == 0
    elsewhere = Shell(shell.home, shell.home, shell.variables)
    ran = elsewhere("run", "replay", run)
    assert ran.code == 1
    assert "is not at hand" in ran.err


def test_ctrl_c_ends_a_replay_without_a_trace(shell: Shell) -> None:
    script(shell, "slow.py", SLOW)
    run = record(shell, "--output", "out=o", "--", sys.executable, "slow.py")
    process = shell.start("run", "replay", run)
    wait_for(shell.home / "again")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert replays(shell) == []
    assert list((shell.home / ".datamon").rglob("*-replay")) == []


def test_what_a_killed_replay_left_is_swept_by_the_next(shell: Shell) -> None:
    script(shell, "slow.py", SLOW)
    run = record(shell, "--output", "out=o", "--", sys.executable, "slow.py")
    process = shell.start("run", "replay", run)
    wait_for(shell.home / "again")
    process.kill()
    process.communicate(timeout=60)
    os.kill(int((shell.home / "again").read_text()), signal.SIGKILL)
    assert list((shell.home / ".datamon").rglob("*-replay"))
    assert shell("run", "replay", run).code == 0
    assert list((shell.home / ".datamon").rglob("*-replay")) == []


def wait_for(path: Path) -> None:
    for _ in range(600):
        if path.exists() and path.stat().st_size:
            return
        subprocess.run(["sleep", "0.05"], check=True)
    raise AssertionError(f"{path} never came")


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A person who has recorded the example of five steps."""
    root = tmp_path_factory.mktemp("sales")
    (root / "home").mkdir()
    shutil.copytree(EXAMPLES / "sales", root / "work")
    shell = Shell(root / "home", root / "work", {"DATAMON_NAME": "Ada", "DATAMON_EMAIL": "ada@example.org"})
    for repo in ("orders", "clean", "totals", "days", "best", "report"):
        shell.well("repo", "create", "--repo", repo, "--description", "d")
    (shell.cwd / "raw").mkdir()
    shutil.copy(shell.cwd / "orders.csv", shell.cwd / "raw")
    shell.well("bundle", "upload", "--repo", "orders", "--path", "raw", "--message", "m")
    subprocess.run([sys.executable, "steps.py"], cwd=shell.cwd, env=shell.environment, check=True)
    yield shell


def test_every_step_of_the_example_pipeline_matches_bit_by_bit(sales: Shell) -> None:
    runs = sales.well(
        "query", "SELECT id FROM runs WHERE pipeline = 'sales' ORDER BY started", "--format", "csv"
    ).lines[1:]
    assert len(runs) == 5
    for run in runs:
        ran = sales("run", "replay", run)
        assert ran.code == 0, ran
    ran = sales.well(
        "query", "SELECT count(*), count(DISTINCT run) FROM replays WHERE verdict = 'matched'", "--format", "csv"
    )
    assert ran.lines[1] == "5,5"


def test_run_diff_tells_the_differences_and_patch_the_lines(shell: Shell) -> None:
    script(shell, "copy.py", COPY)
    one = record(shell, "--input", "raw=in", "--output", "out=o", "--param", "k=1", "--", sys.executable, "copy.py")
    script(shell, "copy.py", COPY.replace(".read()", ".read().upper()"))
    other = record(shell, "--input", "raw=in", "--output", "out=o", "--param", "k=2", "--", sys.executable, "copy.py")
    rows = json.loads(shell.well("run", "diff", one, other, "--format", "json").out)
    told = [(row["kind"], row["name"], row["change"]) for row in rows]
    assert ("param", "k", "changed") in told
    assert ("code", "copy.py", "changed") in told
    assert ("output", "out@main", "changed") in told
    assert not [each for each in told if each[0] in ("input", "env", "command", "status")]
    patch = shell.well("run", "diff", one, other, "--patch").lines
    assert f"--- {one}/copy.py" in patch
    assert any(line.startswith("+") and "upper()" in line for line in patch)
    assert "are alike" in shell("run", "diff", one, one).err


def test_a_word_that_names_the_code_root_names_the_clean_tree_instead(shell: Shell) -> None:
    script(
        shell, "to.py", "import sys, pathlib\npathlib.Path(sys.argv[1].removeprefix('--to='), 'x').write_text('1')\n"
    )
    for word in (f"{shell.cwd}/o", f"--to={shell.cwd}/o"):
        run = record(shell, "--output", "out=o", "--", sys.executable, "to.py", word)
        before = tree(shell.cwd)
        assert shell("run", "replay", run).lines[0] == "out@main: matched bit by bit"
        assert tree(shell.cwd) == before


def test_changes_that_were_not_kept_are_told_of_and_recorded(shell: Shell) -> None:
    script(
        shell,
        "read.py",
        "import os\nos.makedirs('o', exist_ok=True)\nopen('o/x', 'w').write(open('table.csv').read())\n",
    )
    script(shell, "table.csv", "1\n")
    (shell.cwd / ".gitignore").write_text("o/\nup/\n")
    git = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        subprocess.run([*git, *words], cwd=shell.cwd, check=True)
    clean = record(shell, "--output", "out=o", "--", sys.executable, "read.py")
    script(shell, "read.py", (shell.cwd / "read.py").read_text() + "# more\n")
    kept = record(shell, "--output", "out=o", "--", sys.executable, "read.py")
    script(shell, "table.csv", "2\n")
    lost = record(shell, "--output", "out=o", "--", sys.executable, "read.py")
    assert [shell("run", "replay", run).code for run in (clean, kept, lost)] == [0, 0, 1]
    assert "uncommitted changes that were not kept" in shell("run", "replay", lost).err
    rows = shell.well("query", "SELECT DISTINCT run, whole FROM replays", "--format", "csv").lines[1:]
    assert {tuple(row.split(",")) for row in rows} == {(clean, "true"), (kept, "true"), (lost, "false")}


def test_linked_folders_of_the_code_are_there_again(shell: Shell) -> None:
    (shell.cwd / "lib" / "real").mkdir(parents=True)
    (shell.cwd / "lib" / "real" / "t").write_text("7")
    (shell.cwd / "lib" / "now").symlink_to("real")
    script(
        shell,
        "lib/go.py",
        "import os\nos.makedirs('o', exist_ok=True)\nopen('o/x', 'w').write(open('lib/now/t').read())\n",
    )
    run = record(shell, "--code", "lib", "--output", "out=o", "--", sys.executable, "lib/go.py")
    assert shell("run", "replay", run).lines[0] == "out@main: matched bit by bit"
    (shell.cwd / "lib" / "now").unlink()
    (shell.cwd / "lib" / "now").symlink_to("other")
    assert "code" in shell.well("query", "SELECT cause FROM STALE", "--format", "csv").out, "where a link leads is code"


def test_inputs_from_several_repos_and_two_replays_at_once(shell: Shell) -> None:
    shell.well("repo", "create", "--repo", "more", "--description", "d")
    shell.well("bundle", "upload", "--repo", "more", "--path", "up", "--message", "m")
    read = "open('in/a.txt').read() + open('in2/a.txt').read()"
    text = f"import os\nos.makedirs('o', exist_ok=True)\nopen('o/x', 'w').write({read})\n"
    script(shell, "both.py", text)
    inputs = ("--input", "raw=in", "--input", "more=in2")
    run = record(shell, *inputs, "--output", "out=o", "--", sys.executable, "both.py")
    both = [shell.start("run", "replay", run) for _ in range(2)]
    assert [process.communicate(timeout=120)[0].splitlines()[-1] for process in both] == [f"run {run} matched"] * 2
    assert [process.returncode for process in both] == [0, 0]
    assert len(replays(shell)) == 2


def wheel(folder: Path, version: str) -> None:
    """A wheel of the package `tiny`, which knows its version."""
    folder.mkdir(exist_ok=True)
    listed = f"tiny-{version}.dist-info"
    with zipfile.ZipFile(folder / f"tiny-{version}-py3-none-any.whl", "w") as made:
        made.writestr("tiny.py", f"VERSION = {version!r}\n")
        made.writestr(f"{listed}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
        made.writestr(f"{listed}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        made.writestr(f"{listed}/RECORD", "")


def test_with_packages_the_recorded_versions_are_used_whatever_is_here_now(shell: Shell, tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        wheel(tmp_path / "wheels", version)
    offline = shell.having(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path / "wheels"))
    own = tmp_path / "own"
    subprocess.run([sys.executable, "-m", "venv", str(own)], check=True)
    pip = [str(own / "bin" / "python"), "-m", "pip", "install", "--quiet", "--upgrade"]
    subprocess.run([*pip, "tiny==1.0"], check=True, env=offline.environment)
    script(shell, "v.py", "import os, tiny\nos.makedirs('o', exist_ok=True)\nopen('o/v', 'w').write(tiny.VERSION)\n")
    run = record(offline, "--output", "out=o", "--", str(own / "bin" / "python"), "v.py")
    subprocess.run([*pip, "tiny==2.0"], check=True, env=offline.environment)
    assert offline("run", "replay", run).code == 1, "the package is another now"
    ran = offline("run", "replay", run, "--packages")
    assert (ran.code, ran.lines[0]) == (0, "out@main: matched bit by bit")
    (tmp_path / "wheels" / "tiny-1.0-py3-none-any.whl").unlink()
    ran = offline("run", "replay", run, "--packages")
    assert (ran.code, ran.lines) == (7, []), ran
    assert "the recorded packages cannot be installed" in ran.err
    assert "tiny==1.0" in ran.err
    rows = shell.well("query", "SELECT packages, verdict FROM replays ORDER BY started", "--format", "csv").lines[1:]
    assert rows == ["false,differed", "true,matched"]


def test_every_step_of_the_karate_example_matches_bit_by_bit(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    shutil.copytree(EXAMPLES / "karate", tmp_path / "work")
    shell = Shell(tmp_path / "home", tmp_path / "work", {"DATAMON_NAME": "Ada", "DATAMON_EMAIL": "ada@example.org"})
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "datamon"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m datamon.cli.main "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(tmp_path / "bin"), str(Path(sys.executable).parent), shell.environment["PATH"]])
    subprocess.run(["bash", "commands.sh"], cwd=shell.cwd, env={**shell.environment, "PATH": path}, check=True)
    runs = shell.well("query", "SELECT id FROM runs ORDER BY started", "--format", "csv").lines[1:]
    assert len(runs) == 3
    here = shell.having(PATH=path)
    assert [here("run", "replay", run).lines[-1] for run in runs] == [f"run {run} matched" for run in runs]


def test_replays_go_with_exported_runs_and_come_back(shell: Shell, tmp_path: Path) -> None:
    script(shell, "copy.py", COPY)
    run = record(shell, "--input", "raw=in", "--output", "out=o", "--", sys.executable, "copy.py")
    assert shell("run", "replay", run).code == 0
    told = replays(shell)
    (tmp_path / "runs.ndjson").write_text(shell("run", "export", run).out)
    elsewhere = shell.having(DATAMON_METADATA=str(tmp_path / "other"))
    for _ in range(2):
        assert elsewhere("run", "import", str(tmp_path / "runs.ndjson")).code == 0
    assert replays(elsewhere) == told


def test_recorded_variables_are_set_again_and_secret_ones_are_masked(shell: Shell) -> None:
    text = "import os\nos.makedirs('o', exist_ok=True)\nopen('o/x', 'w').write(os.environ['OMP_NUM_THREADS'])\n"
    script(shell, "env.py", text)
    (shell.home / ".datamon").mkdir(exist_ok=True)
    (shell.home / ".datamon" / "datamon.yaml").write_text("variables: [LANG]\n")
    then = shell.having(OMP_NUM_THREADS="4", OMP_SECRET_TOKEN="s3cret-value-of-mine")
    run = record(then, "--variable", "OMP_*", "--output", "out=o", "--", sys.executable, "env.py")
    shown = shell.well("run", "show", run, "--format", "json").out
    kept = json.loads(shown)["environment"]["variables"]
    assert (kept["OMP_NUM_THREADS"], kept["LANG"]) == ("4", "C.UTF-8")
    assert "s3cret-value-of-mine" not in shown
    assert shell.having(OMP_NUM_THREADS="8")("run", "replay", run).lines[0] == "out@main: matched bit by bit"
