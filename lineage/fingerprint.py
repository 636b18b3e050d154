"""Fingerprints of code: a hash of what can change a result, blind to comments, docstrings and formatting.

A fingerprint is a pure function of source files, never of live objects: asked again of the same files it is the
same, on any Python.

- A **function** counts with its defaults and decorators (but datamon's own), and with every function, class and
  assignment of the project that it names, and what those name in turn. Where it stands, and what else stands there,
  does not count.
- A **script** counts as a whole, and so does each module of the project that it imports, directly or not.
- Declared **paths** count with their names. In all of them a file that is not Python counts byte for byte; of a
  notebook, its code; of SQL, the text without comments and layout.

What is not the project's counts by name only: packages are part of the environment. What cannot be followed
(`exec`, a computed import, another program started, a name nobody binds) is listed in `unresolved`. The text that
is hashed is the definitions in the order in which they are first needed, each name beside the number of what it
means, so that equal text in other places gives equal hashes and exchanged definitions do not.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from datamon.errors import NotFound
from datamon.lineage.capture.git import unchanged_files
from datamon.lineage.cells import SUFFIX, code_cells, split_magic
from datamon.lineage.known_texts import KnownTexts
from datamon.lineage.locate import StepName, find_function, find_step, plain_qualname
from datamon.lineage.modules import Definition, Project, Sources, Whole, walk_tree
from datamon.lineage.records import CodeMethod, CodeVersion
from datamon.lineage.scripts import is_python, script_of
from datamon.lineage.sql_text import normal_sql
from datamon.lineage.survey import Survey, content_hash, relative, unparsed
from datamon.lineage.syntax import normal, parse

__all__ = [
    "Fingerprint",
    "current",
    "digest_of",
    "fingerprint_cell",
    "fingerprint_function",
    "fingerprint_paths",
    "fingerprint_script",
    "is_judged_in_tree",
    "script_of",
]

CONTEXT = "datamon 1 code fingerprint"
_ABSENT = "absent"
SQL_SUFFIX = ".sql"
_LARGE_TREE = 200
"""Of a tree with so many files git is asked which have changed."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`digest` (64 hexadecimal digits) was taken by `method` of `paths` (relative to the code root, the asked-for file
    first; for method `paths` the declared ones) and, for a function, of `function`; `unresolved` are sorted notes
    of what was not followed."""

    digest: str
    method: CodeMethod
    paths: tuple[str, ...] = ()
    function: str | None = None
    unresolved: tuple[str, ...] = ()


def fingerprint_function(path: Path, qualname: str, root: Path, *, sources: Sources | None = None) -> Fingerprint:
    """The fingerprint of the function `qualname` in the source file `path`, in the project at `root`.

    A function inside a function counts with all of the outermost one. In a file that cannot be parsed it is that
    file's bytes. Raises NotFound (`path-not-found`) when the file or the function is not there, Denied
    (`unreadable`).
    """
    root = _absolute(root)
    path = _below(path, root)
    project = Project(root, path, sources or Sources())
    module = project.module(path)
    if module is None:
        digest = digest_of(["unparsed", content_hash(path)])
        return Fingerprint(digest, "function", (relative(path, root),), qualname, (unparsed(path, root),))
    if find_function(module, qualname) is None:
        raise NotFound(
            "path-not-found",
            f"there is no function {qualname!r} in {path}; name one that is defined there",
            path=str(path),
            function=qualname,
        )
    way = plain_qualname(qualname)
    survey = Survey(project, Definition(path, way[0]), nameless=len(way) == 1)
    digest = digest_of(["function", ".".join(way[1:]), *survey.pieces()])
    return Fingerprint(digest, "function", survey.paths(), qualname, survey.notes())


def fingerprint_script(path: Path, root: Path, *, sources: Sources | None = None) -> Fingerprint:
    """The fingerprint of a script: for Python, and a notebook's cells, with the project's modules that it imports, otherwise of
    its bytes.

    Raises NotFound (`path-not-found`) and Denied (`unreadable`).
    """
    root = _absolute(root)
    path = _below(path, root)
    notebook = path.suffix == SUFFIX and code_cells(path) is not None
    if not is_python(path) and not notebook:
        return Fingerprint(digest_of(["file", _file_text(path)]), "script", (relative(path, root),))
    content_hash(path)  # raises where it cannot be read
    project = Project(root, path, sources or Sources(), is_script=True)
    first = ["notebook", _file_text(path)] if notebook else ["script"]
    if notebook and project.module(path) is None:  # another language's
        return Fingerprint(digest_of(first), "script", (relative(path, root),), None, (unparsed(path, root),))
    survey = Survey(project, Whole(path))
    return Fingerprint(digest_of([*first, *survey.pieces()]), "script", survey.paths(), None, survey.notes())


def fingerprint_paths(paths: Sequence[Path], root: Path, *, texts: KnownTexts | None = None) -> Fingerprint:
    """The fingerprint of files and trees, each file under its path relative to `root`, without what tools leave about. What git
    ignores counts. It is the same with and without git, which with `texts` only spares reading what has not changed.

    Raises NotFound (`path-not-found`) for a path that is not there and Denied (`unreadable`).
    """
    root = _absolute(root)
    absolute = [_below(path, root) for path in paths]
    for path in absolute:
        if not path.exists():
            raise NotFound("path-not-found", f"there is no code at {path}; correct the --code path", path=str(path))
    return Fingerprint(_digest_paths(absolute, root, texts), "paths", tuple(relative(path, root) for path in absolute))


def fingerprint_cell(source: str) -> Fingerprint:
    """The fingerprint of a notebook cell's text. Lines that are not Python (`%magic`, `!command`) count as they are."""
    code, magic = split_magic(source)
    tree = parse(code)
    text = normal(tree) if tree else "\n".join(line.rstrip() for line in code.splitlines()).strip()
    return Fingerprint(digest_of(["cell", text, *magic]), "cell")


def is_judged_in_tree(code: CodeVersion) -> bool:
    """Whether a working tree can say what this code is now. A notebook's cell and code without fingerprint it cannot: for
    those, what the newest run used counts."""
    return code.fingerprint is not None and code.method in ("function", "script", "paths")


def current(
    code: CodeVersion, root: Path, name: StepName | None = None, *, sources: Sources | None = None
) -> str | None:
    """The fingerprint that `code` has now in the working tree at `root`; None when its step is not found there.

    A function is looked for by the step's `name`, then its qualified name, then at its path; a script and declared
    paths at their paths. Only where `is_judged_in_tree(code)` does None mean that it is gone. `sources` spares
    parsing when many are asked.
    """
    root, sources = _absolute(root), sources or Sources()
    if not is_judged_in_tree(code) or not code.paths:
        return None
    if code.method == "function":
        place = find_step(code, root, name, sources)
        return fingerprint_function(place.path, place.qualname, root, sources=sources).digest if place else None
    paths = [root / path for path in code.paths]
    if code.method == "script":
        return fingerprint_script(paths[0], root, sources=sources).digest if paths[0].is_file() else None
    return _digest_paths(paths, root, sources.texts) if any(path.exists() for path in paths) else None


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 (links are kept: a linked package is found where it is linked)


def _below(path: Path, root: Path) -> Path:
    """The absolute path, by the same links as `root` where it lies below it."""
    absolute = _absolute(path)
    real, real_root = absolute.resolve(), root.resolve()
    if absolute.is_relative_to(root) or not real.is_relative_to(real_root):
        return absolute
    return root / real.relative_to(real_root)


def _file_text(path: Path) -> str:
    """What of a file counts: the tree of Python, the code of a notebook, the bytes of anything else."""
    if path.suffix == SUFFIX:
        cells = code_cells(path)
        if cells is not None:
            return "\n".join(fingerprint_cell(cell).digest for cell in cells)
    content = content_hash(path)
    if path.suffix.lower() == SQL_SUFFIX:
        return normal_sql(path.read_bytes().decode("utf-8", "surrogateescape")) or content
    tree = parse(path.read_bytes()) if is_python(path) else None
    return normal(tree) if tree else content


def _digest_paths(paths: Iterable[Path], root: Path, texts: KnownTexts | None) -> str:
    texts = texts or KnownTexts()
    files: dict[str, str] = {}
    for path in paths:
        if not path.exists():
            files[relative(path, root)] = _ABSENT
        below = list(walk_tree(path)) if path.is_dir() else [path] if path.exists() else []
        unchanged = unchanged_files(path) if len(below) >= _LARGE_TREE else {}
        for each in below:
            link = each.is_symlink() and each != path
            counts = f"link {each.readlink()}" if link else _file_digest(each, unchanged.get(each), texts)
            files[relative(each, root)] = counts
    texts.save()
    return digest_of(["paths", *(part for pair in sorted(files.items()) for part in pair)])


def _file_digest(path: Path, blob: str | None, texts: KnownTexts) -> str:
    """The digest of what counts of a file. The size stands beside git's name, since a filter may give one content two forms."""
    key = f"git:{blob}:{path.stat().st_size}:{_kind(path)}" if blob else None
    known = texts.get(key) if key else None
    if known is None:
        content = content_hash(path)
        known = texts.get(f"{content}:{_kind(path)}") or digest_of(["file", _file_text(path)])
        texts.put(key or f"{content}:{_kind(path)}", known)
    return known


def _kind(path: Path) -> str:
    """What decides how a file's bytes are read."""
    suffix = path.suffix.lower()
    return ".sql-normal" if suffix == SQL_SUFFIX else suffix or "-"  # not as before: these once counted byte for byte


def digest_of(pieces: Iterable[str]) -> str:
    """The digest of what counts, piece by piece."""
    hasher = blake3(derive_key_context=CONTEXT)
    for piece in pieces:
        content = piece.encode("utf-8", "surrogatepass")
        hasher.update(len(content).to_bytes(8, "little"))
        hasher.update(content)
    return hasher.hexdigest()
