"""For tests: the real program, started as a person starts it, in a process and with a home of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datamon.cli.environment import process_environment

PROGRAM = (sys.executable, "-P", "-m", "datamon.cli.main")
"""Without the working directory on the path, as the installed program has it."""
LONGEST_S = 300.0
KEPT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Ran:
    """What a command line gave."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of stdout."""
        return self.out.splitlines()

    def good(self) -> list[str]:
        """The lines of stdout of a command that succeeded and said nothing on stderr."""
        assert (self.code, self.err) == (0, ""), self
        return self.lines

    @property
    def sentence(self) -> str:
        """The one error line that stderr holds."""
        (line,) = self.err.splitlines()
        assert line.startswith("error: "), self.err
        assert "Traceback" not in self.err
        return line.removeprefix("error: ")


@dataclass(frozen=True)
class Shell:
    """A person at a terminal: a home, a working directory, a few variables."""

    home: Path
    cwd: Path
    variables: Mapping[str, str]

    def __call__(self, *words: str, stdin: str | None = None, prefix: tuple[str, ...] = ()) -> Ran:
        """Runs `datamon` with these words to its end."""
        done = subprocess.run(
            [*prefix, *PROGRAM, *words],
            cwd=self.cwd,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Starts `datamon` with these words and leaves it running."""
        return subprocess.Popen(
            [*PROGRAM, *words],
            cwd=self.cwd,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def well(self, *words: str) -> Ran:
        """Runs `datamon` with these words, which must succeed and say nothing on stderr."""
        ran = self(*words)
        assert (ran.code, ran.err) == (0, ""), ran
        return ran

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of the program."""
        kept = {name: value for name, value in process_environment().items() if name in KEPT}
        if "PYTHONPATH" in kept:
            kept["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, kept["PYTHONPATH"].split(os.pathsep)))
        return {
            **kept,
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "LANG": "C.UTF-8",
            **self.variables,
        }

    def having(self, **variables: str) -> "Shell":
        """The same person with more variables."""
        return Shell(self.home, self.cwd, {**self.variables, **variables})
