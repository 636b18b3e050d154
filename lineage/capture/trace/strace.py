"""Watching by strace, for Linux machines on which no seccomp supervisor can be made. No seccomp filter is used: a command whose
strace is killed goes on unwatched, where with one its calls would fail."""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from datamon.lineage.capture.trace.accesses import Access, Traced

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
)
_LINE = re.compile(r"^(\d+) +(.*)$")
_CALL = re.compile(r"^(\w+)\((.*)\)\s+= (-?\d+)(?:<(.*?)>)?(?: (E\w+))?")
_RESUMED = re.compile(r"^<\.\.\. \w+ resumed>(.*)$")
_PLACE = re.compile(r'(?:(?:AT_FDCWD|\d+)<((?:[^>\\]|\\.)*)>, )?"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)")
_NAMED = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f"}
_PAUSE_S = 0.01
_PAUSES = 500


class Strace:
    """See `Tracer`."""

    name = "strace"

    def __init__(self, program: str, folder: Path, pause: Callable[[float], None] = time.sleep) -> None:
        self._program = program
        self._log = folder / "strace.log"
        self._pause = pause

    @classmethod
    def found(cls, folder: Path, search: str | None) -> "Strace | None":
        """A tracer that keeps its files in `folder`, if strace is on the path `search`."""
        program = shutil.which("strace", path=search)
        return cls(program, folder) if program else None

    def start(self, argv: Sequence[str], variables: Mapping[str, str]) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `Tracer`. strace is no parent of the command (-DDD), which is ours as if there were no strace."""
        options = ["-DDD", "-f", "-q", "-y", "-s", "8192", "-e", "signal=none", "-e", f"trace={','.join(_CALLS)}"]
        return [self._program, *options, "-o", str(self._log), "--", *argv], variables

    def finish(self) -> Traced:
        """See `Tracer`. strace may be a moment behind: its word that the command has ended is waited for, for five seconds."""
        for _ in range(_PAUSES):
            lines = self._lines()
            if lines and _is_ended(lines):
                return self._traced(lines, whole=True)
            self._pause(_PAUSE_S)
        note = "strace did not see the end of the command; what is recorded of its files may be only a part"
        return self._traced(self._lines(), whole=False, notes=(note,))

    def _lines(self) -> list[tuple[str, str]]:
        """Process and text of each line."""
        try:
            text = os.fsdecode(self._log.read_bytes())
        except OSError:
            return []
        return [(found[1], found[2]) for found in map(_LINE.match, text.split("\n")) if found]

    def _traced(self, lines: Sequence[tuple[str, str]], *, whole: bool, notes: tuple[str, ...] = ()) -> Traced:
        calls = list(_calls(lines))
        found = (access for call in calls for access in _accesses(call))
        unseen = ("what went through io_uring",) if any(call.startswith("io_uring_setup(") for call in calls) else ()
        return Traced(
            self.name, tuple(dict.fromkeys(found)), (*BLIND_SPOTS, *unseen), whole and not unseen, notes=notes
        )


def _is_ended(lines: Sequence[tuple[str, str]]) -> bool:
    """Whether the first process, the command, has ended."""
    return any(process == lines[0][0] and text.startswith(("+++ exited", "+++ killed")) for process, text in lines)


def _calls(lines: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The calls, those that were told in two lines put together."""
    begun: dict[str, str] = {}
    for process, text in lines:
        resumed = _RESUMED.match(text)
        if text.endswith("<unfinished ...>"):
            begun[process] = text.removesuffix("<unfinished ...>").rstrip()
        elif resumed:
            yield begun.pop(process, "") + resumed[1]
        else:
            yield text


def _accesses(call: str) -> Iterator[Access]:
    found = _CALL.match(call)
    if not found:
        return
    name, arguments, result, opened, error = found.groups()
    places = [_joined(_plain(directory or ""), _plain(path)) for directory, path in _PLACE.findall(arguments)]
    if not places or error not in (None, "ENOENT", "ENOTDIR"):
        return
    if name in ("open", "openat", "openat2", "creat"):
        flags = "O_WRONLY|O_CREAT|O_TRUNC" if name == "creat" else arguments[arguments.rfind('"') :]
        yield from _opened(places[0], _plain(opened) if opened else None, flags, int(result) < 0)
    elif name.startswith("exec"):
        yield from [Access("absent" if error else "read", os.path.realpath(places[0]))]
    elif not error:
        if name in ("link", "linkat"):
            yield Access("read", _real_parent(places[0]))
        changed = places[-1:] if name.startswith(("link", "symlink")) else places
        yield from (Access("write", _real_parent(place)) for place in changed)


def _opened(place: str, real: str | None, flags: str, failed: bool) -> Iterator[Access]:
    if failed or real is None:
        yield Access("absent", os.path.realpath(place))
        return
    real = real.removesuffix(" (deleted)")
    if place != real:
        yield Access("named", place)
    if "O_DIRECTORY" in flags or Path(real).is_dir():
        if "O_PATH" not in flags:
            yield Access("list", real)
        return
    if "O_PATH" in flags:
        return
    if "O_WRONLY" not in flags and "O_TRUNC" not in flags:
        yield Access("read", real)
    if "O_WRONLY" in flags or "O_RDWR" in flags or "O_TRUNC" in flags:
        yield Access("write", real)


def _joined(directory: str, path: str) -> str:
    return os.path.join(directory, path)  # noqa: PTH118 (texts that may hold any byte)


def _real_parent(path: str) -> str:
    """The path of the name itself, whatever it points at."""
    parent, name = os.path.split(path)
    return _joined(os.path.realpath(parent), name)


def _plain(text: str) -> str:
    """A text as strace writes it, without its escapes."""

    def byte(found: "re.Match[bytes]") -> bytes:
        code = found[1]
        return bytes([int(code, 8) & 255]) if code[:1].isdigit() else _NAMED.get(code, code)

    return os.fsdecode(_ESCAPE.sub(byte, os.fsencode(text)))
