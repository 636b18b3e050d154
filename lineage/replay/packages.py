"""The recorded packages, installed for a replay in a fresh virtual environment."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from datamon.errors import Unavailable
from datamon.lineage.finding import environment_of
from datamon.lineage.records import Run, RunOpened
from datamon.lineage.replay.place import refusal
from datamon.store.opening import Store

_OWN = frozenset({"datamon", "pip", "setuptools", "wheel"})
"""What is not installed: datamon does the recording itself, the others make environments."""
_SAID_LINES = 3
_PYTHON = re.compile(r"python(\d+(\.\d+)?)?")


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with the recorded packages; with None the process's own."""

    directory: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def python(self) -> Path | None:
        """Its interpreter."""
        return self.directory / "bin" / "python" if self.directory else None

    def variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        """These variables, with which commands find the environment's programs first."""
        if self.directory is None:
            return dict(variables)
        path = os.pathsep.join((str(self.directory / "bin"), variables.get("PATH", os.defpath)))
        kept = {name: value for name, value in variables.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
        return {**kept, "PATH": path, "VIRTUAL_ENV": str(self.directory)}

    def run(self, run: RunOpened) -> RunOpened:
        """The run, whose command starts the environment's interpreter where it named one by its path."""
        if self.python is None or run.how != "command" or "/" not in run.argv[0]:
            return run
        named = Path(run.argv[0]).name
        return replace(run, argv=(str(self.python), *run.argv[1:])) if _PYTHON.fullmatch(named) else run

    def program(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """The words that start a Python program, with the environment's interpreter."""
        return words if self.python is None else (str(self.python), *words[1:])


def install(store: Store, run: Run, directory: Path) -> Installed:
    """A virtual environment stands in `directory` with every package in the version that the run had, as pip's own settings find
    them, and with this datamon. Raises Invalid (`not-repeatable`) where nothing was recorded, or another Python, Unavailable
    (`packages-missing`), which says what pip said."""
    environment = environment_of(store, run)
    if environment is None or environment.python is None:
        raise refusal(run.opened, "no packages were recorded for it; leave out --packages")
    here = ".".join(map(str, sys.version_info[:2]))
    if environment.python.split(".")[:2] != here.split("."):
        reason = f"it had Python {environment.python}, this one is {here}: run `datamon run replay` with that one"
        raise refusal(run.opened, reason)
    wanted = [f"{name}=={version}" for name, version in environment.packages.items() if name.lower() not in _OWN]
    _run([sys.executable, "-m", "venv", str(directory)], directory)
    python = directory / "bin" / "python"
    if wanted:
        listed = directory / "packages.txt"
        listed.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        _run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(listed)], directory)
    _add_datamon(directory)
    notes = (f"installed {len(wanted)} recorded packages",) if wanted else ()
    return Installed(directory, notes)


def _add_datamon(directory: Path) -> None:
    [site] = directory.glob("lib/python*/site-packages")
    (site / "datamon").symlink_to(Path(__file__).absolute().parents[2])


def _run(words: list[str], directory: Path) -> None:
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, errors="replace"
    )
    if done.returncode != 0:
        said = "; ".join((done.stderr or done.stdout).strip().splitlines()[-_SAID_LINES:])
        raise Unavailable(
            "packages-missing",
            f"the recorded packages cannot be installed: {said}; leave out --packages to use those that are here",
            directory=str(directory),
        )
