"""Acting as someone who may not read everything, also where the tests run as root."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65_534


@contextmanager
def ordinary_user() -> Iterator[Path]:
    """Inside, permissions hold for this process; gives a directory of that user's own, gone afterwards."""
    root = os.geteuid() == 0
    directory = Path(tempfile.mkdtemp(prefix="datamon-test-"))
    if root:
        os.chown(directory, _NOBODY, -1)
        os.seteuid(_NOBODY)
    try:
        yield directory
    finally:
        if root:
            os.seteuid(0)
        for path in (directory, *directory.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
        shutil.rmtree(directory)
