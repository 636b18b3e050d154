"""Trees for tests: odd ones on disk, random ones of entries, and what a directory holds as one value to compare."""

import os
import socket
import stat
from collections.abc import Sequence
from pathlib import Path
from random import Random

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from datamon.store.backend import Backend
from datamon.store.bundle import Bundle
from datamon.store.columns import TreeColumns
from datamon.store.commit import CommitRequest, commit_bundle
from datamon.store.entries import NO_CONTENT, Kind, TreeEntry
from datamon.store.ids import ContentId
from datamon.store.manifest import Manifest, SegmentRow, write_root
from datamon.store.opening import Store
from datamon.store.repos import create_repo, find_repo, list_repos
from datamon.store.segments import write_segments
from datamon.store.testing.contents import random_bytes
from datamon.store.upload import UploadRequest, upload

OLD_NS = 1_600_000_000_123_456_789
_PARTS = (
    "a",
    "b",
    "a b",
    "a-b",
    "é",
    "数据",
    "данные",
    "A",
    ".x",
    "a.csv",
    "\N{PILE OF POO}",
    "new\nline",
    "..a",
    "%",
    "'",
)


def make_odd_tree(root: Path) -> Path:
    """A tree of everything that was once lost, in the directory `root`, which it makes: empty and read-only directories, symlinks
    (one dangling), executables, empty files, names in several scripts and with spaces, modes, and times in nanoseconds."""
    for directory in ("empty", "deep/er/and/deeper", "with space", "数据", "read-only"):
        (root / directory).mkdir(parents=True)
    (root / "zero").write_bytes(b"")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "private.key").write_text("secret")
    (root / "with space" / "two  spaces.txt").write_text("x")
    (root / "数据" / "données.csv").write_text("é,ß\n")
    (root / "данные").write_text("да")
    (root / "big.bin").write_bytes(random_bytes("big", 700_000))
    (root / "deep/er/and/deeper/a.txt").write_text("deep")
    (root / "read-only" / "kept.txt").write_text("kept")
    (root / "to-file").symlink_to("with space/two  spaces.txt")
    (root / "to-directory").symlink_to("数据")
    (root / "dangling").symlink_to("/nowhere/at all")
    os.link(root / "private.key", root / "hard-link")
    for name, mode in {
        "run.sh": 0o4755,
        "private.key": 0o600,
        "zero": 0o444,
        "with space": 0o1770,
        "empty": 0o700,
    }.items():
        (root / name).chmod(mode)
    (root / "read-only").chmod(0o500)
    for number, path in enumerate(sorted(root.rglob("*"), reverse=True)):
        time_ns = OLD_NS + number * 1_000_000_007
        os.utime(path, ns=(time_ns, time_ns), follow_symlinks=False)
    return root


def snapshot(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything below `root`: by path its kind, mode, time in nanoseconds, and bytes or target."""
    held: dict[str, tuple[object, ...]] = {}
    for path in root.rglob("*"):
        status = path.lstat()
        content: object = None
        if stat.S_ISLNK(status.st_mode):
            content = str(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        held[str(path.relative_to(root))] = (stat.filemode(status.st_mode), status.st_mtime_ns, content)
    return held


def write_files(root: Path, files: dict[str, str]) -> Path:
    """The directory `root` holds these files, by path, and what it held before."""
    root.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root


def upload_tree(store: Store, root: Path, repo: str = "raw") -> Bundle:
    """A bundle of the directory, in a repo that is made if absent."""
    if repo not in [known.name for known in list_repos(store)]:
        create_repo(store, repo, "for a test")
    return upload(store, UploadRequest(repo, root, "for a test"))


def commit_manifest(store: Store, manifest: Manifest, repo: str = "raw") -> Bundle:
    """A bundle of a manifest that was made by hand, in a repo that is made if absent."""
    if repo not in [known.name for known in list_repos(store)]:
        create_repo(store, repo, "for a test")
    return commit_bundle(store, find_repo(store, repo), CommitRequest(manifest, "by hand", None, branch="main"))


def crafted_manifest(metadata: Backend, *segments: Sequence[TreeEntry]) -> Manifest:
    """A manifest with right hashes and any entries at all, as an attacker would write it."""
    return write_root(metadata, tuple(crafted_segment(metadata, entries) for entries in segments))


def crafted_segment(metadata: Backend, entries: Sequence[TreeEntry]) -> SegmentRow:
    """A segment with right hashes and any entries at all, fewer than are ever cut."""
    [row] = write_segments(metadata, TreeColumns.of(entries), frozenset())
    return row


def entry(path: str, kind: Kind = "file", *, target: str | None = None, seed: int = 0) -> TreeEntry:
    """An entry of which only what is given matters."""
    content = NO_CONTENT if kind == "dir" else ContentId(random_bytes(f"{path} {seed}", 32).hex())
    size = seed % 1000 if kind == "file" else 0
    return TreeEntry(path, kind, size, content, target, None, False, 0o755 if kind == "dir" else 0o644, OLD_NS)


def entries_of(paths: Sequence[str], seed: int = 0) -> list[TreeEntry]:
    """Files at these paths and the directories above them, in no particular order."""
    above = {path[:at] for path in paths for at, character in enumerate(path) if character == "/"}
    return [entry(path, "dir") for path in above] + [entry(path, seed=seed) for path in paths]


def trees() -> SearchStrategy[list[TreeEntry]]:
    """Small trees of entries of all kinds, in any order."""
    paths = st.lists(st.lists(st.sampled_from(_PARTS), min_size=1, max_size=4).map("/".join), max_size=12, unique=True)
    return st.builds(_tree, paths, st.randoms(use_true_random=False))


def _tree(paths: list[str], random: Random) -> list[TreeEntry]:
    above = {path[:at] for path in paths for at, character in enumerate(path) if character == "/"}
    tree = [entry(path, "dir") for path in above]
    for path in sorted(set(paths) - above):
        size, mode = random.randrange(2**40), random.randrange(0o10000)
        recipe = random.choice([None, b"\0" + random_bytes(path, 36)])
        file = TreeEntry(path, "file", size, entry(path).content, None, recipe, bool(mode & 0o100), mode, size - 2**39)
        link = TreeEntry(path, "symlink", 0, entry(path).content, "../" + path, None, False, 0o777, size)
        empty = TreeEntry(path, "dir", 0, NO_CONTENT, None, None, False, mode, size)
        tree.append(random.choice([file, file, link, empty]))
    random.shuffle(tree)
    return tree


def make_socket(path: Path) -> None:
    """A socket stands at `path`."""
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path may have only about 100 characters
        try:
            bound.bind(path.name)
        finally:
            os.chdir(here)
