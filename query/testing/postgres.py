"""A real PostgreSQL for tests: a server of its own in a temporary directory, reached by a socket there."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DEBIAN = "/usr/lib/postgresql"


def programs() -> Path | None:
    """Where initdb and pg_ctl are; None where PostgreSQL is not installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    versions = sorted(Path(_DEBIAN).glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


@contextmanager
def postgres_server(*settings: str) -> Iterator[str]:
    """The URL of a server that is there inside and gone afterwards. `settings` are arguments of initdb. Root starts it as the
    user that Debian's package makes, for PostgreSQL does not run as root."""
    binaries = programs()
    assert binaries is not None, "PostgreSQL is not installed; Debian's package is postgresql"
    user = "postgres" if os.geteuid() == 0 else None
    directory = Path(tempfile.mkdtemp(prefix="datamon-pg-", dir="/tmp"))
    if user:
        os.chown(directory, pwd.getpwnam(user).pw_uid, -1)
    try:
        place = directory / "data"
        _run(user, binaries / "initdb", "-D", place, "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", *settings)
        options = f"-k {directory} -c listen_addresses= -c fsync=off"
        _run(user, binaries / "pg_ctl", "-D", place, "-o", options, "-l", directory / "log", "-w", "start")
        try:
            yield f"postgresql://postgres@/postgres?host={directory}"
        finally:
            _run(user, binaries / "pg_ctl", "-D", place, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _run(user: str | None, *words: str | Path) -> None:
    subprocess.run(
        list(map(str, words)), check=True, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
    )
