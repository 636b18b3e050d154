"""What was typed at the prompt, kept on this machine for the next time; nothing that could be secret."""

import contextlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from datamon.lineage.secrets import Redactor

_APART = re.compile(r"[\s'\"();,]+")
MOST = 1_000
"""How many statements are remembered."""


def is_kept(statement: str, redactor: Redactor) -> bool:
    """Whether a statement may be written down: not one that begins with a space, nor one that a run's record would not have as it
    is, nor a word to the prompt itself (`\\set` gives values)."""
    if not statement.strip() or statement[0].isspace() or statement.startswith("\\"):
        return False
    words = tuple(_APART.split(statement))
    return redactor.text(statement) == statement and redactor.words(words) == words


def read_history(file: Path) -> list[str]:
    """The statements of a history file, the newest last; none where it cannot be read."""
    found: list[str] = []
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in file.read_text(encoding="utf-8").splitlines()[-MOST:]:
            with contextlib.suppress(ValueError):
                statement = json.loads(line)
                if isinstance(statement, str):
                    found.append(statement)
    return found


def add_to_history(file: Path, statement: str) -> None:
    """The statement is the last one of the file, which only its owner may read; it has at most twice `MOST` of them. Several
    prompts may write one file. Where it cannot be written it is left out."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        before = read_history(file)
        if before[-1:] == [statement]:
            return
        if _lines(file) >= 2 * MOST:
            _rewrite(file, before)
        _append(file, [statement])


def _lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def _rewrite(file: Path, statements: Sequence[str]) -> None:
    made = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        _append(made, statements)
        made.replace(file)
    finally:
        made.unlink(missing_ok=True)


def _append(file: Path, statements: Sequence[str]) -> None:
    """One write at the end, so that lines of two prompts never mix."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, "".join(f"{json.dumps(each)}\n" for each in statements).encode())
    finally:
        os.close(handle)
