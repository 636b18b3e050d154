"""`datamon rebuild`: exactly the steps that have to be run are run, in order, each as it was recorded; the rest is left alone."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]
EXAMPLE = Path(__file__).parents[2] / "examples" / "sales"
PATIENCE = 200
"""So often at most it is asked whether a step that lost its rebuild has ended."""
REPOS = ("orders", "clean", "totals", "days", "best", "report")
PIPELINE = ("run", "record", "--pipeline", "sales")
STEPS = (
    ("clean", {"orders": "in-clean"}),
    ("totals", {"clean": "in-totals"}),
    ("days", {"clean": "in-days"}),
    ("best", {"totals": "in-best"}),
    ("report", {"best": "in-report", "days": "in-report-days"}),
)


@pytest.fixture(scope="module", params=["commands", "functions"])
def sales_once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A person who has recorded the five steps of the example: as commands, and as decorated functions."""
    root = tmp_path_factory.mktemp(str(request.param))
    (root / "home").mkdir()
    shutil.copytree(EXAMPLE, root / "work")
    shell = Shell(root / "home", root / "work", {"DATAMON_NAME": "Ada", "DATAMON_EMAIL": "ada@example.org"})
    committed(shell.cwd)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(shell.cwd)
        for name, value in shell.environment.items():
            patched.setenv(name, value)
        record_all(request.param)
    return shell


def record_all(kind: str) -> None:
    from datamon.cli.main import main

    for repo in REPOS:
        assert main(["repo", "create", "--repo", repo, "--description", "d"]) == 0
    Path("raw").mkdir()
    shutil.copy("orders.csv", "raw")
    assert main(["bundle", "upload", "--repo", "orders", "--path", "raw", "--message", "m"]) == 0
    if kind == "functions":
        subprocess.run([sys.executable, "steps.py"], check=True)
        return
    for step, inputs in STEPS:
        given = [word for repo, place in inputs.items() for word in ("--input", f"{repo}={place}")]
        line = [*PIPELINE, *given, "--output", f"{step}=out-{step}"]
        assert main([*line, "--", sys.executable, f"{step}.py", *inputs.values(), f"out-{step}"]) == 0


def committed(directory: Path) -> None:
    """What is in the directory is the first commit of a repository, so that the code is known wherever it is copied to."""
    (directory / ".gitignore").write_text("in-*\nout-*\nraw\n__pycache__\ngate*\n")
    git = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        subprocess.run([*git, *words], cwd=directory, check=True)


@pytest.fixture
def sales(sales_once: Shell, tmp_path: Path) -> Shell:
    """The same person, elsewhere, before anything has changed."""
    left_out = shutil.ignore_patterns("in-*", "out-*", "outputs", "__pycache__")
    shutil.copytree(sales_once.home.parent, tmp_path, dirs_exist_ok=True, ignore=left_out)
    return Shell(tmp_path / "home", tmp_path / "work", sales_once.variables)


def edit(shell: Shell, name: str, old: str, new: str) -> None:
    """The file says `new` where it said `old`; where the step is a function, the functions' file does."""
    names = (name, "steps.py") if name != "prices.py" and name != "tables.py" else (name,)
    for path in (shell.cwd / each for each in names):
        text = path.read_text()
        if name != path.name and old not in text:
            continue
        assert old in text, path
        path.write_text(text.replace(old, new, 1))


def upload(shell: Shell, inside: Inside, text: str) -> None:
    (shell.cwd / "raw" / "orders.csv").write_text(text)
    line = ("bundle", "upload", "--repo", "orders", "--path", "raw", "--message", "m")
    assert inside(shell, *line).code == 0


def listed(shell: Shell, inside: Inside) -> list[dict[str, str]]:
    """The runs there are, newest first."""
    runs: list[dict[str, str]] = json.loads(inside(shell, "run", "list", "--format", "json").out)
    return runs


def ran_in(shell: Shell, inside: Inside) -> dict[str, str]:
    """The steps that the last rebuild ran, each with its status, in the order in which they began."""
    runs = listed(shell, inside)
    rebuild = next((run["id"] for run in runs if run["how"] == "rebuild"), None)
    return {run["step"]: run["status"] for run in reversed(runs) if rebuild and run["parent"] == rebuild}


def states(ran: Ran) -> dict[str, str]:
    """What the last line on stderr of each step says of it."""
    lines = [
        line.removeprefix("sales/") for line in ran.err.splitlines() if line.startswith("sales/") and " | " not in line
    ]
    told = (line.split(": ", 1) for line in lines)
    return {step: words.split(",")[0].split(" in ")[0] for step, words in told}


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("tables.py", 'lineterminator="\\n"', 'lineterminator="\\r\\n"', ["clean", "totals", "days", "best", "report"]),
        ("prices.py", '"0.20"', '"0.10"', ["totals", "best"]),
        ("best.py", "MOST = 2", "MOST = 1", ["best", "report"]),
    ],
)
def test_after_a_helper_was_changed_exactly_what_has_to_be_run_is_run(
    sales: Shell, inside: Inside, name: str, old: str, new: str, expected: list[str]
) -> None:
    edit(sales, name, old, new)
    ran = inside(sales, "rebuild", "report")
    assert ran.code == 0, ran
    assert ran_in(sales, inside) == dict.fromkeys(expected, "succeeded")
    assert inside(sales, "query", "WHAT IS STALE", "--format", "json").out.strip() == "[]"
    assert inside(sales, "rebuild", "report").out == "nothing had to be run\n"


def test_after_a_comment_was_changed_nothing_is_run(sales: Shell, inside: Inside) -> None:
    for path in sales.cwd.glob("*.py"):
        path.write_text("# a remark\n" + path.read_text().replace("import sys\n", "import sys  # a remark\n\n"))
    ran = inside(sales, "rebuild", "--all")
    assert (ran.code, ran.out) == (0, "nothing had to be run\n")
    assert ran_in(sales, inside) == {}


def test_where_a_step_comes_out_with_the_same_content_nothing_below_it_is_run(sales: Shell, inside: Inside) -> None:
    edit(sales, "best.py", "rows[:MOST]", "list(rows)[:MOST]")
    ran = inside(sales, "rebuild", "report")
    assert states(ran) == {"best": "done", "report": "not run: came out fresh"}, ran
    assert "best: done, same content" in ran.err
    assert ran_in(sales, inside) == {"best": "succeeded"}


def test_only_what_lies_above_the_reference_is_run(sales: Shell, inside: Inside) -> None:
    edit(sales, "prices.py", '"0.20"', '"0.10"')
    edit(sales, "days.py", "sorted(counts)", "sorted(counts, reverse=True)")
    assert inside(sales, "rebuild", "best").code == 0
    assert list(ran_in(sales, inside)) == ["totals", "best"]
    assert inside(sales, "rebuild", "--all").code == 0
    assert list(ran_in(sales, inside)) == ["days", "report"]


def test_a_diamond_is_rebuilt_with_its_sides_at_once_and_its_tip_last(sales: Shell, inside: Inside) -> None:
    upload(sales, inside, "customer,day,net,status\neve,2026-04-01,5.00,paid\n")
    ran = inside(sales, "rebuild", "report", "--jobs", "2")
    assert ran.code == 0, ran
    told = [line for line in ran.err.splitlines() if line.startswith(("sales/totals: ", "sales/days: "))]
    assert ["running" in line for line in told[:2]] == [True, True], told
    order = list(ran_in(sales, inside))
    assert (order[0], order[-1], set(order)) == ("clean", "report", {"clean", "totals", "days", "best", "report"})
    page = inside(sales, "bundle", "download", "--repo", "report", "--destination", str(sales.cwd / "page"))
    assert page.code == 0, page
    assert "Best customers: eve\nBusiest day: 2026-04-01\n" in (sales.cwd / "page" / "report.txt").read_text()


def test_a_step_that_fails_stops_what_reads_from_it_and_nothing_else(sales: Shell, inside: Inside) -> None:
    upload(sales, inside, "customer,day,net,status\neve,2026-04-01,dear,paid\n")
    ran = inside(sales, "rebuild", "--all")
    assert ran.code == 1
    assert ran_in(sales, inside) == {"clean": "succeeded", "totals": "failed", "days": "succeeded"}
    found = states(ran)
    assert (found["totals"], found["best"], found["report"]) == (
        "failed",
        "left stale: it reads from sales/totals",
        "left stale: it reads from sales/totals",
    )
    assert "ConversionSyntax" in ran.err or "InvalidOperation" in ran.err
    edit(sales, "totals.py", 'gross(row["net"])', 'gross("1.00")')
    assert inside(sales, "rebuild", "--all").code == 0
    assert list(ran_in(sales, inside)) == ["totals", "best", "report"]


def test_a_dry_run_shows_the_plan_and_runs_nothing(sales: Shell, inside: Inside) -> None:
    edit(sales, "prices.py", '"0.20"', '"0.10"')
    rows = json.loads(inside(sales, "rebuild", "report", "--dry-run", "--format", "json").out)
    assert [(row["position"], row["step"], row["after"]) for row in rows] == [
        (1, "totals", []),
        (2, "best", [1]),
        (3, "report", [2]),
    ]
    assert rows[0]["because"] == "code sales/totals"
    assert rows[2]["because"] == "upstream sales/totals via best@main"
    assert "totals" in rows[0]["command"]
    assert [row["obstacle"] for row in rows] == [None, None, None]
    assert ran_in(sales, inside) == {}


def test_explicit_arguments_are_given_again_and_defaults_are_what_they_are_now(sales: Shell, inside: Inside) -> None:
    edit(sales, "clean.py", '"cancelled"', '"paid"')
    assert inside(sales, "rebuild", "clean").code == 0
    contents = inside(
        sales, "query", "SELECT content FROM bundles WHERE repo = 'clean' ORDER BY time", "--format", "json"
    )
    assert len({row["content"] for row in json.loads(contents.out)}) == 2
    edit(sales, "report.py", "Busiest day:", "Most orders:")
    assert inside(sales, "rebuild", "report").code == 0
    assert inside(sales, "bundle", "download", "--repo", "report", "--destination", str(sales.cwd / "page")).code == 0
    text = (sales.cwd / "page" / "report.txt").read_text()
    assert "Most orders: " in text
    asked = inside(sales, "query", "SELECT value FROM params WHERE name = 'title'", "--format", "json")
    assert {row["value"] for row in json.loads(asked.out)} <= {"Sales"}


def test_what_lies_in_another_working_tree_is_said_to_lie_there(
    sales: Shell, inside: Inside, tmp_path_factory: pytest.TempPathFactory
) -> None:
    upload(sales, inside, "customer,day,net,status\neve,2026-04-01,5.00,paid\n")
    elsewhere = Shell(sales.home, tmp_path_factory.mktemp("elsewhere"), sales.variables)
    ran = inside(elsewhere, "rebuild", "clean")
    assert ran.code == 1
    assert "left stale: sales/clean cannot be run again: its code is not in this working tree but in" in ran.err


def test_a_line_that_names_nothing_or_both_is_refused(sales: Shell, inside: Inside) -> None:
    for words in ((), ("report", "--all")):
        ran = inside(sales, "rebuild", *words)
        assert ran.code == 2
        assert "--all" in ran.sentence


def test_a_rebuild_that_is_interrupted_stops_its_steps_and_says_what_was_not_run(sales: Shell, inside: Inside) -> None:
    gate = sales.cwd / "gate"
    os.mkfifo(gate)
    edit(
        sales,
        "tables.py",
        "with (Path(directory) / name).open(newline",
        'Path("gate").read_text()\n    with (Path(directory) / name).open(newline',
    )
    running = sales.start("rebuild", "report")
    with gate.open("w"):  # opens when the step reads from it
        running.send_signal(signal.SIGINT)
        out, err = running.communicate()
    assert running.returncode == 128 + signal.SIGINT, err
    assert "stopped by SIGINT" in out
    assert "sales/report: left stale: " in err
    runs = listed(sales, inside)
    assert [(run["step"], run["status"]) for run in runs[:2]] == [("clean", "failed"), ("rebuild", "failed")]
    edit(sales, "tables.py", 'Path("gate").read_text()\n    ', "")
    assert inside(sales, "rebuild", "report").out == "nothing had to be run\n"


def test_a_rebuild_that_is_killed_leaves_a_store_that_the_next_one_goes_on_with(sales: Shell, inside: Inside) -> None:
    gate = sales.cwd / "gate"
    os.mkfifo(gate)
    edit(sales, "days.py", "counts = Counter(", 'counts = open("gate").read() or Counter(')
    running = sales.start("rebuild", "report")
    with gate.open("w"):  # opens when the step reads from it
        running.kill()
        running.communicate()
    # The step goes on by itself, to its end: a rebuild that comes too soon is told that its directory is in use.
    for _ in range(PATIENCE):
        if "days" not in {run["step"] for run in listed(sales, inside) if run["status"] == "running"}:
            break
    edit(sales, "days.py", 'open("gate").read() or ', "")
    assert inside(sales, "check").code == 0
    assert inside(sales, "rebuild", "report").out == "nothing had to be run\n"
    edit(sales, "best.py", "MOST = 2", "MOST = 1")
    assert inside(sales, "rebuild", "report").code == 0
    assert list(ran_in(sales, inside)) == ["best", "report"]
    assert [run["status"] for run in listed(sales, inside) if run["how"] == "rebuild"] == ["succeeded", "abandoned"]
    assert inside(sales, "query", "WHAT IS STALE", "--format", "json").out.strip() == "[]"
