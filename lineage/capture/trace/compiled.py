"""The tools that are written in C: compiled at first use, kept beside the store's other files of this machine."""

import os
import shutil
import subprocess
from importlib import resources
from pathlib import Path

from blake3 import blake3

_COMPILERS = ("cc", "gcc", "clang")
_LONGEST_S = 60
_INCLUDED = {"supervisor.c": ("looking.h",)}


def compiled(source: str, folder: Path, search: str | None, *flags: str) -> Path | None:
    """The program that the C file `source` of this package makes, in `folder`; None where no compiler is on the path `search`, or
    it cannot compile it. What was compiled before is not compiled again; several at once do not disturb each other."""
    package = resources.files(__package__)
    pieces = [package.joinpath(name).read_bytes() for name in (*_INCLUDED.get(source, ()), source)]
    text = b"".join(piece.replace(b'#include "', b'// "') for piece in pieces)
    name = f"{Path(source).stem}-{blake3(text + ' '.join((os.uname().machine, *flags)).encode()).hexdigest()[:16]}"
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
