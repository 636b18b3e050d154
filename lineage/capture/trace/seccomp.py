"""Watching by seccomp user notification (Linux 5.5 and later): `supervisor.c` sees each call before it is made."""

import shutil
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from datamon.lineage.capture.trace.accesses import Traced, read_lines
from datamon.lineage.capture.trace.compiled import programs

BLIND_SPOTS = ("stat", "mmap of files that were open before", "programs with setuid")
_HEAD = struct.Struct("=QQQ")
_TRACED, _DROPPED, _REPLACED, _UNREAD = 1, 2, 16, 64
_UNSEEN = {
    4: "what went through io_uring",
    8: "programs of 32 bits",
    128: "programs in another root directory or mount namespace",
    256: "files opened by handle",
}
_LONGEST_PROBE_S = 10


class Seccomp:
    """See `Tracer`."""

    name = "seccomp"

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._log = folder / "seccomp.log"

    @classmethod
    def found(cls, tools: Path, folder: Path, search: str | None) -> "Seccomp | None":
        """A tracer that keeps its files in `folder`, if one works here."""
        working = (each for each in programs("supervisor.c", tools, search) if _works(each))
        program = next(working, None)
        return cls(program, folder) if program else None

    def start(
        self,
        argv: Sequence[str],
        cwd: Path,  # noqa: ARG002
        variables: Mapping[str, str],
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `Tracer`."""
        self._log.touch(0o600)
        program = argv[0] if "/" in argv[0] else shutil.which(argv[0], path=variables.get("PATH")) or argv[0]
        return [str(self._program), str(self._log), program, *argv], variables

    def finish(self) -> Traced:
        """See `Tracer`. The log is whole as soon as the command has ended: each line is in it before the call is made."""
        with self._log.open("rb") as file:
            used, flags, _ = _HEAD.unpack(file.read(_HEAD.size).ljust(_HEAD.size, b"\0"))
            accesses = read_lines(file.read(used))
        unseen = [text for flag, text in _UNSEEN.items() if flags & flag]
        notes = [] if flags & _TRACED else ["the command could not be watched by seccomp; what it read is not known"]
        notes += ["the process that watched the command died and was replaced"] if flags & _REPLACED else []
        notes += ["some paths could not be read, of programs with other rights or too long"] if flags & _UNREAD else []
        return Traced(
            method=self.name,
            accesses=accesses,
            blind_spots=(*BLIND_SPOTS, *unseen),
            whole=bool(flags & _TRACED) and not unseen and not flags & (_DROPPED | _REPLACED | _UNREAD),
            truncated=bool(flags & _DROPPED),
            notes=tuple(notes),
        )


def _works(program: Path) -> bool:
    try:
        probe = subprocess.run([str(program), "--probe"], timeout=_LONGEST_PROBE_S, check=False, capture_output=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return probe.returncode == 0
