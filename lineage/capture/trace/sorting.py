"""What was seen, sorted by where it lies: in an input, in an output, in the code, in the system, elsewhere."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datamon.lineage.capture.trace.accesses import Access

_SYSTEM = (
    *("/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/etc", "/opt", "/proc", "/sys", "/dev", "/run"),
    *("/var/lib", "/var/cache", "/var/run", "/snap", "/nix", "/System", "/Library", "/private/etc", "/private/var/db"),
)
_INSTALLED = frozenset({"site-packages", "dist-packages", "__pycache__", "node_modules"})
_CODE = frozenset(
    {
        ".py",
        ".pyi",
        ".pyc",
        ".pyx",
        ".ipynb",
        ".r",
        ".jl",
        ".sh",
        ".bash",
        ".pl",
        ".rb",
        ".js",
        ".ts",
        ".java",
        ".scala",
    }
    | {".c", ".h", ".cc", ".cpp", ".hpp", ".rs", ".go", ".sql", ".mk", ".so", ".jar"}
)
_CODE_NAMES = frozenset(
    {"Makefile", "makefile", "GNUmakefile", "Snakefile", "Dockerfile", "pyproject.toml", "setup.cfg"}
)


@dataclass(frozen=True, slots=True)
class Places:
    """Directories, real and absolute: of the inputs and of the outputs in their order, the code's top, and ours for this run."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    code: str
    own: str


@dataclass
class Sorted:
    """`read` and `absent` are for each input the paths relative to it, as `InputRecord` has them; `undeclared` and `written` are
    files elsewhere, in the order in which they were first used."""

    read: list[set[str]]
    absent: list[set[str]]
    undeclared: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    reads: int = 0
    writes: int = 0
    lookups: int = 0
    system: int = 0


def sort_accesses(accesses: Sequence[Access], places: Places) -> Sorted:
    """Of a path that the run wrote first, later reads are the run's own affair and count for nothing."""
    # Python asks for this file in each environment that it starts from: what lies there is installed.
    settings = [access.path for access in accesses if access.path.endswith("/pyvenv.cfg") and access.kind == "read"]
    installed = {str(Path(path).parent) for path in settings}
    accesses = [each for each in accesses if not installed or not _is_in(each.path, tuple(installed))]
    found = Sorted([set() for _ in places.inputs], [set() for _ in places.inputs])
    own: set[str] = set()
    for access in accesses:
        if access.kind == "named":
            for link in _links(access.path):
                if link not in own:
                    _to_input(found.read, places, link, "")
        elif not _within(access.path, places.own):
            _add(found, places, access, own)
    return found


def _add(found: Sorted, places: Places, access: Access, own: set[str]) -> None:
    path = access.path
    if access.kind == "write":
        own.add(path)
        found.writes += 1
        if is_system(path):
            found.system += 1
        elif not _is_in(path, (*places.inputs, *places.outputs)):
            found.written.append(path)
    elif access.kind == "absent":
        found.lookups += 1
        found.system += is_system(path)
        if path not in own:
            _to_input(found.absent, places, path, "")
    elif path not in own:
        found.reads += access.kind == "read"
        if _to_input(found.read, places, path, "/" if access.kind == "list" else ""):
            return
        if is_system(path):
            found.system += 1
        elif access.kind == "read" and not _is_code(path, places.code) and not _is_in(path, places.outputs):
            found.undeclared.append(path)


def _to_input(of_inputs: list[set[str]], places: Places, path: str, ending: str) -> bool:
    """Whether `path` lies in an input; then it is there now."""
    for number, place in enumerate(places.inputs):
        if _within(path, place):
            below = os.path.relpath(path, place)
            of_inputs[number].add(ending if below == "." else below + ending)
            return True
    return False


def is_system(path: str) -> bool:
    """Whether a path belongs to the machine, to what is installed on it, or to a program's settings and caches (a name that
    begins with a dot), not to what people work with."""
    return _is_in(path, _SYSTEM) or any(
        part.startswith((".", "python3.")) or part in _INSTALLED for part in Path(path).parts
    )


def _is_code(path: str, top: str) -> bool:
    return _within(path, top) and (Path(path).suffix.lower() in _CODE or Path(path).name in _CODE_NAMES)


def _is_in(path: str, places: Sequence[str]) -> bool:
    return any(_within(path, place) for place in places)


def _within(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")


def _links(path: str) -> Iterator[str]:
    """The symlinks on the way along an absolute path, each by its own real name."""
    here = "/"
    for part in path.split("/"):
        if part == "..":
            here = os.path.dirname(here)  # noqa: PTH120 (texts that may hold any byte)
        elif part not in ("", "."):
            here = os.path.join(here, part)  # noqa: PTH118
            if os.path.islink(here):  # noqa: PTH114
                yield here
                here = os.path.realpath(here)
