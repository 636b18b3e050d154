"""The git state of the code that ran."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from blake3 import blake3

LONGEST_S = 30.0
"""Git is given so many seconds for each question."""
LARGEST_UNTRACKED_BYTES = 16 * 1024 * 1024
"""An untracked file larger than this counts in the dirty hash by its path and size only."""
UNKNOWN = "unknown"
"""The dirty hash when git did not answer in time."""
_USERINFO = re.compile(r"^([a-z][a-z0-9+.\-]*://)[^/@]*@", re.IGNORECASE)
_USER_ONLY = re.compile(r"^ssh://[^/@:]*@", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GitState:
    """A working tree: its top directory, the repository's first commit, the commit it is at, and a hash of what differs
    (None: nothing). The remote has no user name or password in it."""

    top: Path
    root: str | None
    commit: str | None
    dirty: str | None
    remote: str | None


def find_top(directory: Path) -> Path | None:
    """The top of the git working tree that holds `directory`; None when there is none, or no git."""
    found = _ask(directory, "rev-parse", "--show-toplevel")
    return Path(found) if found else None


def find_root(top: Path) -> str | None:
    """The oldest first commit of the history that the tree at `top` is at; None before the first commit and in a shallow clone,
    whose first commit is not known."""
    if _ask(top, "rev-parse", "--is-shallow-repository") == "true":
        return None
    roots = _ask(top, "rev-list", "--max-parents=0", "HEAD")
    return roots.splitlines()[-1] if roots else None


def capture_git(directory: Path, without: Sequence[Path] = ()) -> GitState | None:
    """The state of the working tree that holds `directory`, not looking into the directories `without` (a run's inputs and
    outputs); None when there is none. Changes nothing in the repository."""
    top = find_top(directory)
    if top is None:
        return None
    commit = _ask(top, "rev-parse", "--verify", "--quiet", "HEAD")
    return GitState(
        top=top,
        root=find_root(top) if commit else None,
        commit=commit,
        dirty=_dirty(top, commit, without),
        remote=_remote(top),
    )


def unchanged_files(directory: Path) -> dict[Path, str]:
    """The files below `directory` that are as git's index has them, each with git's name of its content; none without git.

    Links, files of submodules, and files that git was told not to look at are not among them.
    """
    listed, changed = (
        _records(directory, "ls-files", "-s", "-v", "-z"),
        _records(directory, "diff-files", "--name-only", "--relative", "-z"),
    )
    if listed is None or changed is None:
        return {}
    found: dict[Path, str] = {}
    for record in listed:
        words, _, name = record.partition("\t")
        tag, mode, blob, stage = words.split(" ")
        if tag == "H" and mode in ("100644", "100755") and stage == "0":
            found[directory / name] = blob
    for name in changed:
        found.pop(directory / name, None)
    return found


def commits_of(top: Path, revision: str) -> list[str]:
    """The commit that a revision of the repository at `top` means; of `A..B` those that B has and A has not, the newest first.
    None of them where git knows no such revision; a text that git would take for an option is none."""
    if revision.startswith("-") or not revision.strip():
        return []
    if ".." in revision:
        answer = _ask(top, "rev-list", "--end-of-options", revision)
    else:
        answer = _ask(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    return answer.splitlines() if answer else []


def check_out(top: Path, commit: str, directory: Path) -> bool:
    """A working tree of the repository at `top` stands in `directory`, an empty one, as the commit has it; whether git could.
    Nothing in the repository changes."""
    made = _ask(top, "clone", "--quiet", "--shared", "--no-checkout", str(top), str(directory), silent=True)
    return made is not None and _ask(directory, "checkout", "--quiet", "--detach", commit, silent=True) is not None


def _records(directory: Path, *words: str) -> list[str] | None:
    """What git answers, cut at its NULs; None when it does not."""
    with tempfile.TemporaryFile() as answer:
        if not _run(directory, words, answer):
            return None
        answer.seek(0)
        return [os.fsdecode(each) for each in answer.read().split(b"\0") if each]


def redact_remote(url: str) -> str:
    """`url` without user name and password; an ssh user name, which is no secret, stays.

    >>> redact_remote("https://me:secret@example.org/x.git"), redact_remote("git@example.org:x.git")
    ('https://example.org/x.git', 'git@example.org:x.git')
    """
    return url if _USER_ONLY.match(url) else _USERINFO.sub(r"\1", url)


def _remote(top: Path) -> str | None:
    url = _ask(top, "config", "--get", "remote.origin.url")
    if url is None:
        names = _ask(top, "remote")
        url = _ask(top, "remote", "get-url", names.splitlines()[0]) if names else None
    return redact_remote(url) if url else None


def _dirty(top: Path, commit: str | None, without: Sequence[Path]) -> str | None:
    """BLAKE3 of the difference to HEAD and of the untracked files' paths and bytes. Before the first commit every file that
    is in the index counts as untracked."""
    scope = ["--", ".", *(f":(exclude,top,literal){path}" for path in _below(top, without))]
    listed = ["ls-files", "-z", "--others", "--exclude-standard", *([] if commit else ["--cached"]), *scope]
    with tempfile.TemporaryFile() as difference, tempfile.TemporaryFile() as names:
        diff = ["diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv", "--no-color", *scope]
        if not (_run(top, listed, names) and (commit is None or _run(top, diff, difference))):
            return UNKNOWN
        difference.seek(0)
        names.seek(0)
        changes, untracked = difference.read(), sorted(set(filter(None, names.read().split(b"\0"))))
    if not changes and not untracked:
        return None
    hasher = blake3(changes)
    for name in untracked:
        _add_file(hasher, top, name)
    return hasher.hexdigest()


def _below(top: Path, directories: Iterable[Path]) -> list[str]:
    real = top.resolve()
    resolved = (directory.resolve() for directory in directories)
    return [path.relative_to(real).as_posix() for path in resolved if path != real and path.is_relative_to(real)]


def _add_file(hasher: blake3, top: Path, name: bytes) -> None:
    hasher.update(b"\0" + name + b"\0")
    path = os.path.join(os.fsencode(top), name)  # noqa: PTH118 (the name is raw bytes)
    try:
        if os.path.islink(path):  # noqa: PTH114
            hasher.update(os.readlink(path))  # noqa: PTH115
        elif not os.path.isfile(path):  # noqa: PTH113
            return
        elif (size := os.stat(path).st_size) > LARGEST_UNTRACKED_BYTES:
            hasher.update(str(size).encode())
        else:
            with open(path, "rb") as file:
                hasher.update(file.read())
    except OSError:
        hasher.update(b"unreadable")


def _ask(directory: Path, *words: str, silent: bool = False) -> str | None:
    """What git answers; None when it does not, or has nothing to say and is not expected to be `silent`."""
    with tempfile.TemporaryFile() as answer:
        if not _run(directory, words, answer):
            return None
        answer.seek(0)
        said = os.fsdecode(answer.read()).rstrip("\n")
        return said if said or silent else None


def _run(directory: Path, words: Sequence[str], answer: IO[bytes]) -> bool:
    """Whether git answered. Its words on failure are for nobody: the record says what is known."""
    command = ["git", "--no-optional-locks", "-c", "core.quotepath=off", "-C", str(directory), *words]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=answer, stderr=subprocess.DEVNULL, timeout=LONGEST_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
