"""Reads the log of strace: which files the calls of which processes meant, and how they went."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from datamon.lineage.capture.trace.accesses import Access

Line = tuple[str, str]
"""A process and what strace says of it."""
_LINE = re.compile(r"^(\d+) +(.*)$")
_CALL = re.compile(r"^(\w+)\((.*)\)\s+= (-?\d+)(?:<(.*?)>)?(?: (E\w+))?")
_RESUMED = re.compile(r"^<\.\.\. \w+ resumed>(.*)$")
_PLACE = re.compile(r'(?:(?:AT_FDCWD|\d+)<((?:[^>\\]|\\.)*)>, )?"((?:[^"\\]|\\.)*)"')
_DESCRIPTOR = re.compile(r"^\d+<(.*)>$")
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)")
_NAMED = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f"}
_FORKS = ("clone", "clone3", "fork", "vfork")
_OPENS = ("open", "openat", "openat2", "creat")


def read_log(content: bytes) -> list[Line]:
    """The lines of a log that strace wrote with -f and -y; a call that was told in two pieces is one line, where it ended."""
    begun: dict[str, str] = {}
    lines: list[Line] = []
    for found in filter(None, map(_LINE.match, os.fsdecode(content).split("\n"))):
        process, text = found[1], found[2]
        resumed = _RESUMED.match(text)
        if text.endswith("<unfinished ...>"):
            begun[process] = text.removesuffix("<unfinished ...>").rstrip()
        else:
            lines.append((process, begun.pop(process, "") + resumed[1] if resumed else text))
    return lines


def is_ended(lines: Sequence[Line]) -> bool:
    """Whether the first process, the command, has ended."""
    return any(process == lines[0][0] and text.startswith(("+++ exited", "+++ killed")) for process, text in lines)


def accesses_of(lines: Sequence[Line], cwd: Path) -> Iterator[Access]:
    """What these processes, the first of which began in `cwd`, did with files."""
    parents = {found[3]: process for process, text in lines if (found := _CALL.match(text)) and found[1] in _FORKS}
    places: dict[str, str] = {}

    def here(process: str) -> str:
        """Where a process is: where it went, else where the one was that made it."""
        if process not in places:
            places[process] = here(parents[process]) if process in parents else os.path.realpath(cwd)
        return places[process]

    for process, text in lines:
        found = _CALL.match(text)
        if found is None:
            continue
        name, arguments, result, opened, error = found.groups()
        directory = here(process)
        if name in ("chdir", "fchdir"):
            if not error:
                places[process] = _moved(directory, arguments)
        elif error in (None, "ENOENT", "ENOTDIR"):
            meant = [_joined(_plain(at) or directory, _plain(path)) for at, path in _PLACE.findall(arguments)]
            if name in _OPENS and meant:
                flags = "O_WRONLY|O_CREAT|O_TRUNC" if name == "creat" else arguments[arguments.rfind('"') :]
                yield from _opened(meant[0], _plain(opened) if int(result) >= 0 and opened else None, flags)
            elif meant:
                yield from _changed(name, meant, failed=error is not None)


def _moved(directory: str, arguments: str) -> str:
    descriptor = _DESCRIPTOR.match(arguments)
    return _plain(descriptor[1]) if descriptor else os.path.realpath(_joined(directory, _plain(arguments.strip('"'))))


def _changed(name: str, meant: Sequence[str], *, failed: bool) -> Iterator[Access]:
    if name.startswith("exec"):
        yield Access("absent" if failed else "read", os.path.realpath(meant[0]))
        if not failed and meant[0] != os.path.realpath(meant[0]):
            yield Access("named", meant[0])
    elif not failed:
        if name in ("link", "linkat"):
            yield Access("read", _real_parent(meant[0]))
        changed = meant[-1:] if name.startswith(("link", "symlink")) else meant[:2] if "rename" in name else meant[:1]
        yield from (Access("write", _real_parent(place)) for place in changed)


def _opened(place: str, real: str | None, flags: str) -> Iterator[Access]:
    """`real` is None when it could not be opened."""
    if real is None:
        yield Access("absent", os.path.realpath(place))
        return
    real = real.removesuffix(" (deleted)")
    if place != real:
        yield Access("named", place)
    if "O_PATH" in flags or "O_TMPFILE" in flags:
        return
    if "O_DIRECTORY" in flags or Path(real).is_dir():
        yield Access("list", real)
        return
    if not real.startswith("/"):  # a pipe or a socket
        return
    if not {"O_WRONLY", "O_TRUNC", "O_EXCL"} & set(re.findall(r"\w+", flags)):
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
