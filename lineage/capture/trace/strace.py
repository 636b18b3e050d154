"""Watching by strace, for Linux machines on which no seccomp supervisor can be made. No seccomp filter is used: a command whose
strace is killed goes on unwatched, where with one its calls would fail."""

import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from datamon.lineage.capture.trace.accesses import Traced
from datamon.lineage.capture.trace.strace_log import Line, accesses_of, is_ended, read_log

BLIND_SPOTS = ("stat", "mmap of files that were open before", "programs with setuid")
_CALLS = (
    *(
        "open",
        "openat",
        "openat2",
        "creat",
        "execve",
        "execveat",
        "rename",
        "renameat",
        "renameat2",
        "unlink",
        "unlinkat",
    ),
    *("rmdir", "link", "linkat", "symlink", "symlinkat", "truncate", "io_uring_setup"),
    *("chdir", "fchdir", "clone", "clone3", "fork", "vfork"),
    *("open_by_handle_at", "chroot", "pivot_root", "setns", "unshare"),
)
_UNSEEN = {
    re.compile(r"io_uring_setup\("): "what went through io_uring",
    re.compile(r"open_by_handle_at\("): "files opened by handle",
    re.compile(
        r"chroot\(|pivot_root\(|setns\(|(?:unshare|clone3?)\(.*CLONE_NEWNS"
    ): "programs in another root directory or mount namespace",
}
_PAUSE_S = 0.01
_PAUSES = 500


class Strace:
    """See `Tracer`."""

    name = "strace"

    def __init__(self, program: str, folder: Path, pause: Callable[[float], None] = time.sleep) -> None:
        self._program = program
        self._log = folder / "strace.log"
        self._pause = pause
        self._cwd = Path()

    @classmethod
    def found(cls, folder: Path, search: str | None) -> "Strace | None":
        """A tracer that keeps its files in `folder`, if strace is on the path `search`."""
        program = shutil.which("strace", path=search)
        return cls(program, folder) if program else None

    def start(
        self, argv: Sequence[str], cwd: Path, variables: Mapping[str, str]
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `Tracer`. strace is no parent of the command (-DDD), which is ours as if there were no strace."""
        self._cwd = cwd
        options = ["-DDD", "-f", "-q", "-y", "-s", "8192", "-e", "signal=none", "-e", f"trace={','.join(_CALLS)}"]
        return [self._program, *options, "-o", str(self._log), "--", *argv], variables

    def finish(self) -> Traced:
        """See `Tracer`. strace may be a moment behind: its word that the command has ended is waited for, for five seconds."""
        for _ in range(_PAUSES):
            lines = self._lines()
            if lines and is_ended(lines):
                return self._traced(lines, whole=True)
            self._pause(_PAUSE_S)
        note = "strace did not see the end of the command; what is recorded of its files may be only a part"
        return self._traced(self._lines(), whole=False, notes=(note,))

    def _lines(self) -> list[Line]:
        try:
            return read_log(self._log.read_bytes())
        except FileNotFoundError:
            return []

    def _traced(self, lines: Sequence[Line], *, whole: bool, notes: tuple[str, ...] = ()) -> Traced:
        unseen = tuple(said for call, said in _UNSEEN.items() if any(call.match(text) for _, text in lines))
        return Traced(
            method=self.name,
            accesses=tuple(dict.fromkeys(accesses_of(lines, self._cwd))),
            blind_spots=(*BLIND_SPOTS, *unseen),
            whole=whole and not unseen,
            notes=notes,
        )
