"""What `datamon demo` plays: a pipeline of three steps on real data, an input that changes, what is stale and why, the rebuild.

Every line it shows is a line that a person could type; it runs them as they stand, on a store of its own.
"""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from datamon.errors import Corrupt, Unavailable

SCRIPTS = ("fetch.py", "prepare.py", "train.py", "evaluate.py")
PREPARE = (
    "datamon run record --pipeline karate --input raw=work/raw --output features=work/features"
    " -- python prepare.py work/raw work/features"
)
TRAIN = (
    "datamon run record --pipeline karate --param rounds=400 --input features=work/features --output model=work/model"
    " -- python train.py work/features work/model --rounds 400"
)
EVALUATE = (
    "datamon run record --pipeline karate --input features=work/features --input model=work/model --output report=work/report"
    " --metrics-file work/report/metrics.json -- python evaluate.py work/features work/model work/report"
)


@dataclass(frozen=True, slots=True)
class Scene:
    """Words to read, then lines to run."""

    words: str
    lines: tuple[str, ...]


SCENES = (
    Scene(
        "Zachary's karate club (1977): who met whom, before the club split in two. Four repos keep what the pipeline makes.",
        (
            "python fetch.py raw",
            "datamon repo create --repo raw --description 'who met whom'",
            "datamon repo create --repo features --description 'what the model learns from'",
            "datamon repo create --repo model --description 'tells which side a member took'",
            "datamon repo create --repo report --description 'how well it tells'",
            "datamon bundle upload --repo raw --path raw --message 'as networkx ships it'",
        ),
    ),
    Scene(
        "Three steps, each recorded: what it read, its code, its parameters, what it wrote.", (PREPARE, TRAIN, EVALUATE)
    ),
    Scene(
        "Where does the report come from, and is anything out of date?",
        (
            "datamon query \"WHAT PRODUCED 'model'\"",
            "datamon query \"UPSTREAM OF 'report'\"",
            'datamon query "SELECT step, metrics.name, value FROM metrics JOIN runs ON runs.id = metrics.run ORDER BY 2"',
            'datamon query "WHAT IS STALE"',
        ),
    ),
    Scene(
        "The tie of members 23 and 34 stands in only one half of the matrix that Zachary printed. Take it out.",
        (
            "python fetch.py raw --without 23,34",
            "datamon bundle upload --repo raw --path raw --message 'without the doubtful tie'",
            'datamon query "WHAT IS STALE"',
            "datamon query \"WHY IS 'report' STALE\"",
        ),
    ),
    Scene("Type the same three lines again.", (PREPARE, TRAIN, EVALUATE, 'datamon query "WHAT IS STALE"')),
)


def play(folder: Path, environ: Mapping[str, str], say: Callable[[str], None], show: Callable[[str], None]) -> None:
    """Plays every scene in `folder` (made, must be empty), with a home of its own inside it.

    `environ` is the environment that the lines start from; `say` gets the words and the lines, `show` what the lines print.
    Raises Unavailable when a line fails, and Corrupt when an answer is not the one that `demo_expected.json` holds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for script in SCRIPTS:
        text = (resources.files("datamon.cli.karate") / script).read_text(encoding="utf-8")
        (folder / script).write_text(text, encoding="utf-8")
    expected = json.loads((resources.files("datamon.cli") / "demo_expected.json").read_text(encoding="utf-8"))
    answers = iter(expected)
    surroundings = _surroundings(folder, environ)
    for scene in SCENES:
        say(f"\n{scene.words}\n")
        for line in scene.lines:
            say(f"$ {line}")
            done = _run(line, folder, surroundings)
            show((done.stdout + done.stderr).rstrip())
            if line.startswith("datamon query"):
                _check(line, next(answers), folder, surroundings)


def _surroundings(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    home = folder / "home"
    home.mkdir(exist_ok=True)
    kept = {key: value for key, value in environ.items() if not key.startswith("DATAMON_")}
    width = str(shutil.get_terminal_size((120, 40)).columns)
    return {**kept, "HOME": str(home), "COLUMNS": width, "DATAMON_NAME": "demo", "DATAMON_EMAIL": "demo@example.org"}


def _run(line: str, folder: Path, surroundings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    words = shlex.split(line)
    programs = {"python": [sys.executable], "datamon": [sys.executable, "-P", "-m", "datamon.cli.main"]}
    argv = [*programs[words[0]], *words[1:]]
    if "--" in argv:
        place = argv.index("--") + 1
        argv[place : place + 1] = programs[argv[place]]
    done = subprocess.run(argv, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(
            "command-not-started",
            f"the demo's line `{line}` failed with exit code {done.returncode}: {done.stderr.strip()[-600:]}; "
            f"what it left lies in {folder}",
            line=line,
        )
    return done


def _check(line: str, expected: list[dict[str, object]], folder: Path, surroundings: dict[str, str]) -> None:
    rows = [json.loads(row) for row in _run(f"{line} --format jsonl", folder, surroundings).stdout.splitlines()]
    given = [{column: row.get(column) for column in want} for row, want in zip(rows, expected, strict=False)]
    if len(rows) != len(expected) or given != expected:
        raise Corrupt(
            "bad-record",
            f"the demo's `{line}` should answer {json.dumps(expected)} and answers {json.dumps(given)}"
            f" in {len(rows)} rows; please report it",
            line=line,
        )
