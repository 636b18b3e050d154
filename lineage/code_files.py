"""Which files the code of a run is, and the names under which they are kept."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from datamon.lineage.cells import SUFFIX
from datamon.lineage.modules import Project, Sources, Whole, walk_tree
from datamon.lineage.records import CodeVersion
from datamon.lineage.scripts import is_python
from datamon.lineage.survey import Survey, relative
from datamon.store.walk import IGNORE_FILE

OUTSIDE = ".outside"
"""The folder in which code is kept that lies outside the code root: there each file has its absolute path."""


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A file of the code: where it lies, and its path where it is kept, relative to the code root."""

    path: Path
    kept: str


def code_files(code: CodeVersion) -> list[CodeFile]:
    """The files that were fingerprinted, as they lie now, by their kept paths: of a function or Python script also every module
    of the project that these import, used or not, since they are needed to run it again."""
    if code.host_path is None or code.fingerprint is None:
        return []
    root = Path(code.host_path)
    found: dict[str, Path] = {}
    for path in _paths(root, code):
        if path.name != IGNORE_FILE:  # where the code is kept it would leave files out
            found[kept_path(relative(path, root), root)] = path
    return [CodeFile(path, kept) for kept, path in sorted(found.items())]


def kept_path(path: str, root: Path) -> str:
    """The path where a file is kept that a record calls `path` (relative to the code root, or absolute).

    >>> kept_path("run/train.py", Path("/project")), kept_path("../shared/a.py", Path("/project"))
    ('run/train.py', '.outside/shared/a.py')
    """
    absolute = Path(os.path.normpath(root / path))
    if absolute.is_relative_to(root):
        return absolute.relative_to(root).as_posix()
    return PurePosixPath(OUTSIDE, *absolute.parts[1:]).as_posix()


def _paths(root: Path, code: CodeVersion) -> Iterator[Path]:
    named = [Path(os.path.normpath(root / path)) for path in code.paths]
    if code.method == "paths":
        for path in named:
            yield from walk_tree(path) if path.is_dir() else [path]
        return
    yield from named
    sources = Sources()
    for path in named:
        if is_python(path) or path.suffix == SUFFIX:
            survey = Survey(Project(root, path, sources, is_script=code.method == "script"), Whole(path))
            for _ in survey.pieces():
                pass
            yield from survey.visited
