"""The tree that the files of a bundle of the first datamon form, with the directories that it never kept."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from datamon.errors import Invalid
from datamon.store.columns import TreeColumns
from datamon.store.entries import check_directories, check_paths, printable
from datamon.store.ids import HASH_BYTES
from datamon.store.legacy.records import LegacyFile
from datamon.store.long_file import StoredFile

FILE_MODE = 0o644
DIRECTORY_MODE = 0o755
"""The first datamon kept no modes: these stand for them."""
_OWNER_EXECUTES = 0o100
_NO_CONTENT = bytes(HASH_BYTES)


class Placed(NamedTuple):
    """A file where it stands in the tree."""

    path: str
    file: LegacyFile


def place_files(files: Sequence[LegacyFile]) -> list[Placed]:
    """The files in the order of their paths: a mount's names began with `/`. Raises Invalid (`bad-name`), with `path`,
    when they form no tree: a name that leaves it, is there twice, lies below a file or is no UTF-8."""
    placed = [Placed(_path(file.name), file) for file in files]
    placed.sort()
    rows = sorted([(each.path, "file") for each in placed] + [(path, "dir") for path in _directories(placed)])
    paths = [path for path, _ in rows]
    try:
        "\0".join(paths).encode()
        check_paths(paths)
        check_directories(paths, [kind for _, kind in rows])
    except (Invalid, UnicodeEncodeError) as error:
        path = str(error.path) if isinstance(error, Invalid) else next(filter(_is_undecodable, paths))
        fault = "leaves the tree, is there twice, or lies below a file" if isinstance(error, Invalid) else "is no UTF-8"
        raise _refused(path, fault) from error
    return placed


def tree_of(placed: Sequence[Placed], stored: Mapping[bytes, StoredFile], time_ns: int) -> TreeColumns:
    """The entries of the tree; what has no time of its own has `time_ns`."""
    columns = TreeColumns()
    for path, file in placed:
        content = stored[file.root]
        mode = file.mode or FILE_MODE
        columns.path.append(path)
        columns.kind.append("file")
        columns.executable.append(mode & _OWNER_EXECUTES != 0)
        columns.size_bytes.append(content.size_bytes)
        columns.content.append(content.digest)
        columns.recipe.append(content.recipe)
        columns.mode.append(mode)
        columns.mtime_ns.append(time_ns if file.time_ns is None else file.time_ns)
    directories = sorted(_directories(placed))
    columns.path += directories
    columns.kind += ["dir"] * len(directories)
    columns.executable += [False] * len(directories)
    columns.size_bytes += [0] * len(directories)
    columns.content += [_NO_CONTENT] * len(directories)
    columns.recipe += [None] * len(directories)
    columns.mode += [DIRECTORY_MODE] * len(directories)
    columns.mtime_ns += [time_ns] * len(directories)
    columns.target = [None] * len(columns)
    return columns


def _path(name: str) -> str:
    path = name.lstrip("/")
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return path


def _directories(placed: Sequence[Placed]) -> set[str]:
    found: set[str] = set()
    for path, _ in placed:
        above = path.rpartition("/")[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition("/")[0]
    return found


def _is_undecodable(path: str) -> bool:
    return printable(path) != path


def _refused(path: str, fault: str) -> Invalid:
    shown = printable(path)
    return Invalid(
        "bad-name",
        f"the file name {shown!r} {fault}; download the bundle with the first datamon, name it otherwise and upload it",
        path=shown,
    )
