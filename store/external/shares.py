"""Shares: a listing cut into parts, each of which one task brings in as a split of a session."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from blake3 import blake3

from datamon.store.external.gather import directory, missing_directories, parents
from datamon.store.external.source import Listed, Status
from datamon.store.external.urls import Url

SHARE_BYTES = 2**30
SHARE_FILES = 10_000
"""A share has no more than so much where the cluster alone would ask for fewer shares."""
MOST_SHARES = 1_000
"""Each is an entry of the repo's log, which everybody reads."""
_FILE_BYTES = 64 * 2**10
"""A request takes as long as so many bytes, roughly."""
_NAME = re.compile(r"part-(\d+)-of-(\d+)")


@dataclass(frozen=True, slots=True)
class Share:
    """Part `number` (from 1) of `count`: files, and the directories above them or of its own."""

    number: int
    count: int
    listed: tuple[Listed, ...]

    @property
    def name(self) -> str:
        """The name of its split."""
        return f"part-{self.number:04}-of-{self.count:04}"

    @property
    def tag(self) -> str:
        """The tag of its split: a hash of all that was listed of it."""
        digest = blake3()
        for each in self.listed:
            at = each.at
            row = [each.path, each.url.text, each.directory, each.mode, at.size_bytes, at.mtime_ns, at.proof]
            digest.update(json.dumps(row).encode() + b"\n")
        return f"ingest {digest.hexdigest()[:32]}"

    @property
    def is_proven(self) -> bool:
        """Whether an equal tag says that the bytes are the same."""
        return all(each.directory or each.at.proof is not None for each in self.listed)

    @property
    def files(self) -> int:
        """How many files it has."""
        return sum(not each.directory for each in self.listed)

    @property
    def size_bytes(self) -> int:
        """Of those files whose sizes are known."""
        return sum(each.at.size_bytes or 0 for each in self.listed)


def shares_wanted(listed: Sequence[Listed], tasks: int) -> int:
    """Into how many shares a listing is cut for a cluster that runs so many tasks at once."""
    whole = Share(1, 1, tuple(listed))
    fewest = max(tasks, -(-whole.size_bytes // SHARE_BYTES), -(-whole.files // SHARE_FILES))
    return max(1, min(fewest, whole.files, MOST_SHARES))


def cut(listed: Sequence[Listed], count: int, top: Url) -> list[Share]:
    """The listing of what lies at `top` as `count` shares that follow each other by path. Each file is in exactly one of them,
    each directory in every one that has something below it; those that were not listed are made. No share has more bytes than
    the average and the largest file together, where a file counts for some bytes more than it has."""
    directories, files = _sorted_out(listed, top)
    ordered = sorted([*files, *_empty(directories, files)], key=lambda each: each.path)
    total = sum(map(_weight, ordered))
    parts: list[list[Listed]] = [[] for _ in range(count)]
    before = 0
    for each in ordered:
        weight = _weight(each)
        parts[(2 * before + weight) * count // (2 * total)].append(each)
        before += weight
    return [Share(number, count, _closed(part, directories)) for number, part in enumerate(parts, 1)]


def count_of(name: str) -> int | None:
    """Into how many shares the listing was cut of which a split of this name is one; None when it is none.

    >>> count_of("part-0003-of-0016"), count_of("split-7")
    (16, None)
    """
    found = _NAME.fullmatch(name)
    return int(found[2]) if found else None


def _sorted_out(listed: Sequence[Listed], top: Url) -> tuple[dict[str, Listed], list[Listed]]:
    """All directories by path, and the files."""
    missing = missing_directories({each.path: each.at.mtime_ns for each in listed})
    directories = {each.path: each for each in listed if each.directory}
    for path, mtime_ns in missing.items():
        directories[path] = Listed(path, top, Status(0, mtime_ns), directory(path, mtime_ns).mode, directory=True)
    return directories, [each for each in listed if not each.directory]


def _empty(directories: dict[str, Listed], files: Sequence[Listed]) -> list[Listed]:
    """The directories that nothing lies below."""
    above = {path for each in (*files, *directories.values()) for path in parents(each.path)}
    return [each for path, each in directories.items() if path not in above]


def _closed(part: Sequence[Listed], directories: dict[str, Listed]) -> tuple[Listed, ...]:
    held = {each.path: each for each in part}
    for each in part:
        held.update((path, directories[path]) for path in parents(each.path))
    return tuple(held[path] for path in sorted(held))


def _weight(listed: Listed) -> int:
    return (listed.at.size_bytes or 0) + _FILE_BYTES
