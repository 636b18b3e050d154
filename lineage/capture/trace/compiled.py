"""The tools that are written in C: compiled when the package is installed, else at first use and kept beside the store's other
files of this machine. `setup.py` loads this file by its path, so it imports nothing that is not Python's own."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
BUILT = "built"
"""The folder beside this file in which an install puts what it compiled."""
_COMPILERS = ("cc", "gcc", "clang")
_LONGEST_S = 60
_INCLUDED = {"supervisor.c": ("looking.h",)}


def compiled(source: str, folder: Path, search: str | None, *flags: str) -> Path | None:
    """The program that the C file `source` of this package makes, in `folder`; None where no compiler is on the path `search`, or
    it cannot compile it. What was compiled before is not compiled again; several at once do not disturb each other."""
    text, name = _text(source), _name(source, flags)
    made = folder / name
    if made.exists():
        return made
    compiler = next((found for each in _COMPILERS if (found := shutil.which(each, path=search))), None)
    if compiler is None:
        return None
    begun = folder / f"{name}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        argv = [compiler, "-O2", *flags, "-x", "c", "-", "-o", str(begun), *(["-ldl"] if "-shared" in flags else [])]
        done = subprocess.run(
            argv, input=text, check=False, capture_output=True, timeout=_LONGEST_S, env={"PATH": search or os.defpath}
        )
        if done.returncode != 0:
            return None
        begun.replace(made)
    except (OSError, subprocess.SubprocessError):
        return None
    finally:
        begun.unlink(missing_ok=True)
    return made


def programs(source: str, folder: Path, search: str | None) -> Iterator[Path]:
    """The programs that `source` makes, each only when it is asked for: what was installed, which is of another machine where the
    package was carried about, then what `compiled` gives."""
    installed = HERE / BUILT / _name(source, ())
    if os.access(installed, os.X_OK):
        yield installed
    made = compiled(source, folder, search)
    if made is not None:
        yield made


def _text(source: str) -> bytes:
    """A source with what it includes of ours in front."""
    pieces = [(HERE / name).read_bytes() for name in (*_INCLUDED.get(source, ()), source)]
    return b"".join(piece.replace(b'#include "', b'// "') for piece in pieces)


def _name(source: str, flags: tuple[str, ...]) -> str:
    """One name for one text, machine and way of compiling."""
    system = os.uname()
    stands_for = _text(source) + " ".join((system.sysname, system.machine, *flags)).encode()
    return f"{Path(source).stem}-{hashlib.sha256(stands_for).hexdigest()[:16]}"
