"""`datamon rebuild` where steps are not plain: labels, several outputs, steps that write what they read, what cannot be run."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datamon.cli.testing import Ran, Shell

Inside = Callable[..., Ran]
GROW = """\
import pathlib, sys
source, *targets = map(pathlib.Path, sys.argv[1:])
for target in targets:
    for file in source.iterdir():
        text = file.read_text()
        (target / file.name).write_text(text if target.name.endswith("same") else text + "more\\n")
"""
KEEP_FIRST = """\
import pathlib, sys
source, target = map(pathlib.Path, sys.argv[1:])
(target / "first.txt").write_text(sorted(source.iterdir())[0].read_text()[:5])
"""


@pytest.fixture
def desk(orders: Shell, inside: Inside) -> Shell:
    """A person with an input repo and two scripts."""
    (orders.cwd / "grow.py").write_text(GROW)
    (orders.cwd / "first.py").write_text(KEEP_FIRST)
    for repo in ("one", "two", "three"):
        assert inside(orders, "repo", "create", "--repo", repo).code == 0
    return orders


def record(desk: Shell, inside: Inside, *words: str) -> None:
    ran = inside(desk, "run", "record", "--pipeline", "p", *words)
    assert ran.code == 0, ran


def upload(desk: Shell, inside: Inside, text: str) -> None:
    (desk.cwd / "tree" / "a.csv").write_text(text)
    assert inside(desk, "bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "m").code == 0


def steps_run(desk: Shell, inside: Inside) -> list[str]:
    """The steps that all rebuilds together ran, in order."""
    runs = json.loads(inside(desk, "run", "list", "--format", "json").out)
    rebuilds = {run["id"] for run in runs if run["how"] == "rebuild"}
    return [run["step"] for run in reversed(runs) if run["parent"] in rebuilds]


def test_a_step_with_two_outputs_of_which_one_is_the_same_leaves_what_reads_that_one_alone(
    desk: Shell, inside: Inside
) -> None:
    python = sys.executable
    both = ("--step", "split", "--input", "orders=in", "--output", "one=all", "--output", "two=firsts")
    (desk.cwd / "copy_both.py").write_text(
        "import pathlib, sys\n"
        "source, everything, firsts = map(pathlib.Path, sys.argv[1:])\n"
        "text = (source / 'a.csv').read_text()\n"
        "(everything / 'a.csv').write_text(text)\n"
        "(firsts / 'a.csv').write_text(text[:2])\n"
    )
    record(desk, inside, *both, "--", python, "copy_both.py", "in", "all", "firsts")
    for repo in ("below-one", "below-two"):
        assert inside(desk, "repo", "create", "--repo", repo).code == 0
        source = repo.removeprefix("below-")
        words = ("--step", repo, "--input", f"{source}=in-{repo}", "--output", f"{repo}=out-{repo}")
        record(desk, inside, *words, "--", python, "grow.py", f"in-{repo}", f"out-{repo}")
    upload(desk, inside, "id,price\n7,7\n")
    assert inside(desk, "rebuild", "--all").code == 0
    assert steps_run(desk, inside) == ["split", "below-one"]


def test_a_label_that_the_step_sets_is_followed_and_one_that_a_person_set_is_told_of(
    desk: Shell, inside: Inside
) -> None:
    python = sys.executable
    record(
        *(desk, inside, "--step", "make", "--input", "orders=in", "--output", "one=out-one", "--label", "good", "--"),
        *(python, "grow.py", "in", "out-one"),
    )
    read = ("--step", "use", "--input", "one@good=in-one", "--output", "two=out-two")
    record(desk, inside, *read, "--", python, "grow.py", "in-one", "out-two")
    head = inside(desk, "bundle", "list", "--repo", "two").lines[0].split(" , ")[0]
    assert inside(desk, "label", "set", "--repo", "two", "--bundle", head, "--label", "mine").code == 0
    upload(desk, inside, "new\n")
    ran = inside(desk, "rebuild", "--all")
    assert ran.code == 0, ran
    assert steps_run(desk, inside) == ["make", "use"]
    assert "two@mine stays stale: it is an older output of p/use, whose newest is fresh: move the ref there" in ran.err
    assert inside(desk, "query", "WHAT IS STALE IN 'one'", "--format", "json").out.strip() == "[]"


def test_a_step_that_writes_what_it_reads_is_run_once_in_a_rebuild(desk: Shell, inside: Inside) -> None:
    words = ("--step", "grow", "--input", "orders=in", "--output", "orders=out")
    record(desk, inside, *words, "--", sys.executable, "grow.py", "in", "out")
    ran = inside(desk, "rebuild", "orders")
    assert ran.code == 0, ran
    assert steps_run(desk, inside) == ["grow"]
    assert inside(desk, "bundle", "download", "--repo", "orders", "--destination", str(desk.cwd / "now")).code == 0
    assert (desk.cwd / "now" / "a.csv").read_text().count("more") == 2


def test_params_of_files_are_read_anew_and_explicit_ones_given_as_they_were(desk: Shell, inside: Inside) -> None:
    (desk.cwd / "params.yaml").write_text("model:\n  depth: 3\n")
    words = ("--step", "fit", "--params-file", "params.yaml", "--param", "name=1e3", "--param", "when=[1, x]")
    inputs = ("--input", "orders@init=in", "--output", "one=out-one")
    record(desk, inside, *words, *inputs, "--", sys.executable, "grow.py", "in", "out-one")
    (desk.cwd / "params.yaml").write_text("model:\n  depth: 4\n")
    assert inside(desk, "rebuild", "one").code == 0
    assert steps_run(desk, inside) == ["fit"]
    params = "SELECT p.name, p.value, p.source FROM params p JOIN runs r ON r.id = p.run ORDER BY r.started, p.name"
    asked = inside(desk, "query", params, "--format", "json")
    before, after = json.loads(asked.out)[:3], json.loads(asked.out)[3:]
    assert before[0] == {"name": "model.depth", "value": "3", "source": "file"}
    assert after[0] == {"name": "model.depth", "value": "4", "source": "file"}
    assert before[1:] == after[1:]


def test_a_later_run_with_other_params_is_not_undone_by_running_the_older_again(desk: Shell, inside: Inside) -> None:
    words = ("--step", "fit", "--input", "orders=in", "--output", "one=out-one")
    command = ("--", sys.executable, "grow.py", "in", "out-one")
    record(desk, inside, *words, "--param", "depth=3", "--label", "small", *command)
    upload(desk, inside, "between\n")
    record(desk, inside, *words, "--param", "depth=4", *command)
    ran = inside(desk, "rebuild", "--all")
    assert (ran.code, steps_run(desk, inside)) == (0, []), ran
    assert "one@small stays stale: a later run of p/fit, " in ran.err


def test_a_command_from_which_a_secret_was_taken_is_not_run_but_told_of(desk: Shell, inside: Inside) -> None:
    words = ("--step", "ask", "--input", "orders=in", "--output", "one=out-one", "--param", "password=swordfish-1")
    secret = ("--", "sh", "-c", "cp in/a.csv out-one/ # swordfish-1")
    record(desk, inside, *words, *secret)
    upload(desk, inside, "new\n")
    ran = inside(desk, "rebuild", "one")
    assert ran.code == 1
    assert "a secret was taken out of its command line" in ran.err
    (row,) = json.loads(inside(desk, "rebuild", "one", "--dry-run", "--format", "json").out)
    assert "a secret was taken out of its command line" in row["obstacle"]


def test_a_block_of_a_program_is_not_run_but_told_of(desk: Shell, inside: Inside) -> None:
    (desk.cwd / "block.py").write_text(
        "import datamon\n"
        "with datamon.run('block') as run:\n"
        "    place = run.input('orders')\n"
        "    (run.output('one') / 'x').write_text((place / 'a.csv').read_text())\n"
    )
    subprocess.run([sys.executable, "block.py"], cwd=desk.cwd, env=desk.environment, check=True)
    upload(desk, inside, "new\n")
    ran = inside(desk, "rebuild", "one")
    assert ran.code == 1
    assert "it was a block in a program, which datamon cannot start; run the program again" in ran.err


def test_an_argument_that_the_record_only_describes_is_not_given_again(desk: Shell, inside: Inside) -> None:
    (desk.cwd / "steps.py").write_text(
        "import datamon, pathlib\n"
        "@datamon.step(inputs={'source': 'orders'}, outputs={'target': 'one'})\n"
        "def take(source, target, name, many=()):\n"
        "    (target / 'x').write_text((source / name).read_text())\n"
        "if __name__ == '__main__':\n"
        "    take(name=pathlib.Path('a.csv'))\n"
    )
    subprocess.run([sys.executable, "steps.py"], cwd=desk.cwd, env=desk.environment, check=True)
    upload(desk, inside, "new\n")
    ran = inside(desk, "rebuild", "one")
    assert ran.code == 1
    assert "the record does not hold the very value of its argument 'name'" in ran.err


def test_metrics_and_labels_and_keep_are_asked_for_again(desk: Shell, inside: Inside) -> None:
    (desk.cwd / "measured.py").write_text(
        "import pathlib, sys\n"
        "text = (pathlib.Path('in') / 'a.csv').read_text()\n"
        "(pathlib.Path('out') / f'{len(text)}.txt').write_text(text)\n"
        "pathlib.Path('metrics.json').write_text('{\"size\": %d}' % len(text))\n"
    )
    words = (
        "--input",
        "orders=in",
        "--output",
        "one=out",
        "--label",
        "good",
        "--keep",
        "--metrics-file",
        "metrics.json",
    )
    record(desk, inside, *words, "--", sys.executable, "measured.py")
    upload(desk, inside, "xyz\n")
    assert inside(desk, "rebuild", "one").code == 0
    metrics = inside(desk, "query", "SELECT value FROM metrics ORDER BY value", "--format", "json")
    assert [row["value"] for row in json.loads(metrics.out)] == [4.0, 13.0]
    files = inside(desk, "bundle", "list", "files", "--repo", "one", "--label", "good").out
    assert ("13.txt" in files, "4.txt" in files) == (True, True)


def test_an_input_given_by_id_is_given_by_that_id_again(desk: Shell, inside: Inside) -> None:
    first = inside(desk, "bundle", "list", "--repo", "orders").lines[0].split(" , ")[0]
    words = ("--step", "pin", "--input", f"orders@{first}=in", "--output", "one=out-one")
    record(desk, inside, *words, "--", sys.executable, "grow.py", "in", "out-one")
    upload(desk, inside, "new\n")
    script = desk.cwd / "grow.py"
    script.write_text(script.read_text().replace("more", "much more"))
    assert inside(desk, "rebuild", "one").code == 0
    asked = inside(desk, "query", "SELECT DISTINCT bundle, ref_kind FROM inputs", "--format", "json")
    assert json.loads(asked.out) == [{"bundle": first, "ref_kind": "id"}]
    assert Path(desk.cwd / "in" / "a.csv").read_text() == "id,price\n1,3\n"
