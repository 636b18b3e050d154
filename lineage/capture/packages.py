"""The environment of a run: the Python that ran, its packages, the declared environment variables."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from datamon.lineage.capture import package_scan
from datamon.lineage.capture.surroundings import look_around
from datamon.lineage.records import Environment

LONGEST_S = 5.0
"""Another interpreter is given so many seconds to list its packages."""
_PYTHON = re.compile(r"(python|pypy)[0-9.]*")


def capture_environment(
    interpreter: Path | None, variables: Mapping[str, str], policy: Sequence[str]
) -> tuple[Environment, list[str]]:
    """What `interpreter` sees (None: this process), with the `variables` whose names fit a glob of `policy`; and notes on
    what could not be found out."""
    notes: list[str] = []
    described: Mapping[str, Any] = _described_here(_places()) if interpreter is None else {}
    if interpreter is not None:
        try:
            described = _ask(interpreter, variables)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            notes.append(f"the packages of {interpreter} are not recorded: {type(error).__name__}")
    kept = {name: value for name, value in variables.items() if any(fnmatchcase(name, each) for each in policy)}
    around = look_around(variables)
    environment = Environment(
        python=described.get("python"),
        implementation=described.get("implementation"),
        platform=str(described.get("platform") or platform.platform()),
        packages=dict(described.get("packages", {})),
        variables=kept,
        container=around.container,
        image=around.image,
        gpus=around.gpus,
    )
    return environment, notes


def _places() -> tuple[tuple[str, int], ...]:
    """Where this process finds packages, each place with the time of its last change: whoever installs or removes one
    changes it."""
    return tuple((place, _changed_ns(place)) for place in sys.path)


def _changed_ns(place: str) -> int:
    try:
        return os.stat(place or ".").st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=1)
def _described_here(_places: tuple[tuple[str, int], ...]) -> Mapping[str, Any]:
    return package_scan.describe()


def interpreter_of(argv: Sequence[str], variables: Mapping[str, str], cwd: Path) -> Path | None:
    """The Python that the command will run in, when that is another environment than this process's; None otherwise, and
    when the command does not tell. A script's first line counts."""
    words = list(argv)
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if "=" not in word]
    found = _program(words[0], variables, cwd) if words else None
    if found is not None and not _PYTHON.fullmatch(found.name):
        found = _shebang(found, variables, cwd)
    return found if found is not None and not _is_ours(found) else None


def _program(word: str, variables: Mapping[str, str], cwd: Path) -> Path | None:
    if os.sep in word:
        path = cwd / word
        return Path(os.path.normpath(path)) if path.is_file() else None
    found = shutil.which(word, path=variables.get("PATH", os.defpath))
    return Path(found) if found else None


def _shebang(script: Path, variables: Mapping[str, str], cwd: Path) -> Path | None:
    try:
        with script.open("rb") as file:
            first = file.readline(512)
    except OSError:
        return None
    words = os.fsdecode(first[2:]).split() if first.startswith(b"#!") else []
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    found = _program(words[0], variables, cwd) if words else None
    return found if found is not None and _PYTHON.fullmatch(found.name) else None


def _is_ours(interpreter: Path) -> bool:
    """Whether it is this process's environment: same directory (a virtual environment is its directory), same binary."""
    ours = Path(sys.executable)
    try:
        return interpreter.parent.samefile(ours.parent) and interpreter.resolve() == ours.resolve()
    except OSError:
        return False


def _ask(interpreter: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    text = Path(package_scan.__file__).read_text(encoding="utf-8")
    done = subprocess.run(
        [str(interpreter), "-c", text],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=LONGEST_S,
        check=True,
        env=dict(variables),
    )
    described = json.loads(done.stdout)
    return described if isinstance(described, dict) else {}
