"""`datamon run code`: what a run ran is listed and brought back, long after it was edited."""

import json
import sys
from pathlib import Path

from datamon.cli.testing import Shell


def test_the_code_of_a_run_is_listed_named_and_brought_back(orders: Shell) -> None:
    (orders.cwd / "fit.py").write_text("import tables\n")
    (orders.cwd / "tables.py").write_text("N = 1\n")
    ran = orders("run", "record", "--", sys.executable, "fit.py")
    assert ran.code == 0, ran
    run = ran.err.split()[2]
    (orders.cwd / "tables.py").unlink()
    assert orders("run", "code", run).out == "fit.py , 14\ntables.py , 6\n"
    (row, _) = json.loads(orders("run", "code", run, "--format", "json").out)
    assert row == {"path": "fit.py", "size": 14, "executable": False, "masked": False}
    shown = orders("run", "show", run)
    assert f"(see `datamon run code {run}`)" in shown.out
    brought = orders("run", "code", run, "--destination", "then")
    assert brought.err == f"brought back 2 files of the code of run {run}\n"
    assert {path.name: path.read_text() for path in Path(orders.cwd / "then").iterdir()} == {
        "fit.py": "import tables\n",
        "tables.py": "N = 1\n",
    }


def test_a_run_that_kept_no_code_says_so(orders: Shell) -> None:
    run = orders("run", "record", "--", "true").err.split()[2]
    refused = orders("run", "code", run)
    assert refused.code == 4
    assert f"run {run} kept no code" in refused.err


def test_a_masked_file_is_told_when_it_is_brought_back(orders: Shell) -> None:
    (orders.cwd / "fit.py").write_text("KEY = 'swordfish-and-more'\n")
    ran = orders("run", "record", "--param", "api_key=swordfish-and-more", "--", sys.executable, "fit.py")
    assert "fit.py holds a secret value" in ran.err
    run = ran.err.splitlines()[-1].split()[2]
    assert "fit.py is not as it was" in orders("run", "code", run, "--destination", "then").err
    assert (orders.cwd / "then/fit.py").read_text() == "KEY = '***'\n"
