"""Writing the configuration file: whole, for its owner alone, and so that two who change it lose nothing of each other's."""

import fcntl
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from datamon.cli.configuration import read_configuration
from datamon.cli.output import note
from datamon.errors import Conflict

PRIVATE = 0o600
ATTEMPTS = 100
"""How often a file is opened that others replace meanwhile."""
_COMMENT = re.compile(r"(?m)(^|\s)#")

Keys = dict[str, Any]
"""A configuration as it stands in the file, with the keys that are not known."""


def change_configuration(file: Path, change: Callable[[Keys], Keys]) -> None:
    """The file says what `change` makes of its keys; what others change at the same time counts too. Comments are not kept, which
    is told on stderr. Raises what `change` raises, and then nothing is changed; Invalid (`bad-config`), Conflict
    (`log-contended`) when others replace it all the time."""
    file = file.resolve()  # a link stays one
    for _ in range(ATTEMPTS):
        with suppress(_Replaced):
            _change_once(file, change)
            return
    raise Conflict("log-contended", f"{file} is replaced all the time; try again when fewer write to it")


class _Replaced(Exception):  # noqa: N818 (not an error: it ends an attempt)
    """Another process was first."""


def _change_once(file: Path, change: Callable[[Keys], Keys]) -> None:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        read_configuration(file)  # tells what is wrong, if the file is there
        _create(file, change({}))
        return
    with open(descriptor, encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)  # until it is closed; whoever waits for it finds another file in its place
        if not _is_at(file, stream.fileno()):
            raise _Replaced
        read_configuration(file)
        text = stream.read()
        write_configuration(file, change(yaml.safe_load(text) or {}), replace=True)
    if _COMMENT.search(text):
        note(f"note: the comments in {file} were not kept")


def _create(file: Path, keys: Keys) -> None:
    try:
        write_configuration(file, keys, replace=False)
    except Conflict as error:
        raise _Replaced from error


def _is_at(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(file), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def write_configuration(file: Path, keys: Keys, *, replace: bool) -> None:
    """Writes the whole file at once, mode 0600. Raises Conflict (`config-exists`) when it exists and `replace` is off."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(keys, sort_keys=False, allow_unicode=True)
    descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), PRIVATE)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            Path(draft).replace(file)
        else:
            file.hardlink_to(draft)
    except FileExistsError:
        raise Conflict(
            "config-exists", f"the configuration {file} exists; edit it, or change it with --force", file=str(file)
        ) from None
    finally:
        Path(draft).unlink(missing_ok=True)
