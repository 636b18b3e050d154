"""What a judgement of staleness saw outside the index, as one text: as long as it reads the same, the judgement stands.

Stamps are size, times and number of a file, as git takes them for its index; nothing is read. What cannot be told so has no text.
"""

from __future__ import annotations

import os

from datamon.lineage.noise import NOISE

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MOST = 20_000
"""Larger trees of code take longer to look at than to judge."""
_SHARDS = 256
RACY_NS = 50_000_000
"""A file that changed so shortly before it was looked at may change again without its times saying so."""


class UnseenError(Exception):
    """Something that could matter cannot be told from stamps."""


def _counts_for_git(name: str) -> bool:
    return name in ("PATH", "XDG_CONFIG_HOME") or name.startswith("GIT_")


class Witness:
    """What was looked at: from the working directory `cwd`, on the machine named `host`, the trees of code at `roots`, and the
    packs and the index of the blobs that lie at `blob`."""

    __slots__ = ("blob", "cwd", "host", "newest_ns", "roots")

    def __init__(self, cwd: str, host: str, roots: Iterable[str], blob: str) -> None:
        self.cwd = cwd
        self.host = host
        self.roots = tuple(sorted(roots))
        self.blob = blob
        self.newest_ns = 0

    def text(self, variables: Mapping[str, str]) -> str:
        """What all of it looks like now; `newest_ns` is when the last of it changed. Raises UnseenError, OSError."""
        from blake3 import blake3  # 1 ms that only this needs

        seen = blake3()
        for line in self._lines(variables):
            seen.update(line.encode("utf-8", "surrogateescape") + b"\n")
        return str(seen.hexdigest())

    def _lines(self, variables: Mapping[str, str]) -> Iterator[str]:
        yield f"{self.cwd} on {self.host}, {self.roots}"
        yield from (f"{name}={value}" for name, value in sorted(variables.items()) if _counts_for_git(name))
        home = variables.get("HOME", "")
        for path in (f"{home}/.gitconfig", f"{home}/.config/git/config", "/etc/gitconfig"):
            yield self._stamp(path)
        yield from self._repository()
        for root in self.roots:
            if os.path.lexists(f"{root}/__init__.py"):
                raise UnseenError(f"{root} is a package, so that modules are looked for above it")
            yield from self._tree(root)
        for folder in ("index", "packs", *(f"packs/{shard:02x}" for shard in range(_SHARDS))):
            yield self._stamp(f"{self.blob}/{folder}")

    def _repository(self) -> Iterator[str]:
        """Where git finds the top of a working tree, and at which commit it stands."""
        folder = self.cwd
        while True:
            git = f"{folder}/.git"
            if os.path.lexists(git):
                break
            above = os.path.dirname(folder)
            if above == folder:
                return
            folder = above
        if not os.path.isdir(git) or os.path.islink(git):
            raise UnseenError(f"{git} leads elsewhere")
        yield folder
        with open(f"{git}/HEAD", encoding="utf-8") as file:
            head = file.read().strip()
        named = [f"{git}/{head.removeprefix('ref: ')}"] if head.startswith("ref: ") else []
        for path in (f"{git}/packed-refs", f"{git}/shallow", f"{git}/config", *named):
            yield self._stamp(path)
        yield head

    def _tree(self, root: str) -> Iterator[str]:
        waiting = [root]
        count = 0
        while waiting:
            folder = waiting.pop()
            yield self._stamp(folder)
            with os.scandir(folder) as entries:
                found = sorted((entry.name, entry) for entry in entries if entry.name not in NOISE)
            for name, entry in found:
                count += 1
                if entry.is_symlink() or count > MOST:
                    raise UnseenError(f"{entry.path} is a link, or one of very many files")
                if not entry.is_dir():
                    yield f"{name} {self._stamp(entry.path)}"
                elif not os.path.isfile(f"{entry.path}/pyvenv.cfg"):
                    waiting.append(entry.path)

    def _stamp(self, path: str) -> str:
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return f"{path} -"
        self.newest_ns = max(self.newest_ns, found.st_mtime_ns, found.st_ctime_ns)
        return f"{path} {found.st_mode} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"
