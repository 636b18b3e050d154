"""Statements that a fuzzer makes, for minutes: no traceback, no hang, nothing of the engine's own messages."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from datamon.query.testing.statements import statements_about

HERE = Path(__file__).parent
SECONDS_OF_ONE = 30
"""How long one statement may take before it counts as a hang; a statement's own limit is five."""


def seeds() -> list[str]:
    """Statements to begin with: those of the golden files, and made ones about the history that is asked."""
    golden = [each for path in sorted((HERE / "cases").glob("*.sql")) for each in path.read_text().split("\n\n")]
    refs = [("features", "main"), ("model", "prod")]
    made = statements_about([("raw", "main")], ["train"], refs, seed=1, count=60)
    return golden + list(made)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="atheris has wheels for Linux alone")
def test_no_text_that_a_fuzzer_finds_breaks_out(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, text in enumerate(seeds()):
        (corpus / f"{number}").write_bytes(text.encode("latin-1", "replace"))
    words = (
        "-max_total_time=240",
        f"-timeout={SECONDS_OF_ONE}",
        "-max_len=400",
        "-seed=7",
        f"-artifact_prefix={tmp_path}/",
    )
    ran = subprocess.run(
        [sys.executable, str(HERE / "fuzz_statements.py"), *words, str(corpus)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    told = ran.stdout + ran.stderr
    assert ran.returncode == 0, told[-3000:]
    done = re.search(r"Done (\d+) runs", told)
    assert done, told[-3000:]
    assert int(done.group(1)) > 1000
