"""The modules of a project as its source files say: what each binds at its top, and what a name in one of them means.

A pure function of files: nothing is imported, and nothing outside the project's folders is read. Modules are looked
for as Python would: in the folder of the script, in the folder that holds its packages, at the code root and in its
`src`.
"""

import ast
import builtins
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from datamon.lineage.cells import SUFFIX, python_of
from datamon.lineage.known_texts import KnownTexts
from datamon.lineage.noise import NOISE
from datamon.lineage.scopes import bindings
from datamon.lineage.syntax import parse
from datamon.lineage.typing_only import strip_typing_only

OWN_PACKAGE = "datamon"
"""Imports of datamon itself are never the project's, even where its sources lie in the tree."""
_BUILTINS = frozenset(dir(builtins)) | {"__file__", "__path__", "__builtins__", "__annotations__", "__class__"}


@dataclass(frozen=True, slots=True)
class Definition:
    """What a module binds to a name: all statements at its top that bind or alter it."""

    module: Path
    name: str


@dataclass(frozen=True, slots=True)
class Whole:
    """A module as a whole: everything that importing it does."""

    module: Path


@dataclass(frozen=True, slots=True)
class Outside:
    """Something that is not the project's: a package's, or a builtin."""

    name: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name that the sources do not explain."""

    name: str


Target = Definition | Whole | Outside | Unknown


@dataclass(frozen=True, slots=True)
class Import:
    """One name that an import statement binds: `attribute` of `module`, or the module itself. `level` counts leading
    dots."""

    module: str
    attribute: str | None
    level: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What the source of a definition or module says: its text, what each name in it means, and what could not be
    followed."""

    text: str
    edges: Mapping[str, Sequence[Target]]
    notes: frozenset[str]


@dataclass
class Module:
    """One source file. `statements` are those at its top that bind or alter a name, `imports` what its imports bind;
    `stars` are the modules it takes everything from; `typing_only` are names imported for type checkers alone, which the
    tree does not have."""

    path: Path
    tree: ast.Module
    statements: dict[str, list[ast.stmt]] = field(default_factory=lambda: defaultdict(list))
    imports: dict[str, list[Import]] = field(default_factory=lambda: defaultdict(list))
    stars: list[Import] = field(default_factory=list)
    typing_only: frozenset[str] = frozenset()

    def binds(self, name: str) -> bool:
        """Whether a statement or import of its own binds the name."""
        return name in self.statements or name in self.imports


def imported(statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Import]]:
    """The names that an import statement binds, each with what it binds it to; `*` for everything."""
    for alias in statement.names:
        if isinstance(statement, ast.ImportFrom):
            yield alias.asname or alias.name, Import(statement.module or "", alias.name, statement.level)
        elif alias.asname:
            yield alias.asname, Import(alias.name, None, 0)
        else:
            yield alias.name.partition(".")[0], Import(alias.name.partition(".")[0], None, 0)


def read_module(path: Path) -> Module | None:
    """The module in a file, or in a notebook's cells; None when it cannot be read as Python."""
    try:
        source = python_of(path).encode("utf-8", "replace") if path.suffix == SUFFIX else path.read_bytes()
    except OSError:
        return None
    return module_of(path, source)


def module_of(path: Path, source: bytes) -> Module | None:
    """The module that a source text is, as if it were the file at `path`; None when it cannot be read as Python."""
    tree = parse(source)
    if tree is None:
        return None
    module = Module(path, tree, typing_only=strip_typing_only(tree) if b"TYPE_CHECKING" in source else frozenset())
    for statement in tree.body:
        _take(module, statement)
    return module


def _take(module: Module, statement: ast.stmt) -> None:
    for node in ast.walk(statement) if not isinstance(statement, _DEFINITIONS) else ():
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, target in imported(node):
                if name == "*":
                    module.stars.append(target)
                else:
                    module.imports[name].append(target)
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return
    binding = bindings([statement])
    # what a statement binds and imports is bound by either: `try: from lib import f` and `except ImportError: def f()`
    for name in sorted(binding.names | (binding.released & binding.bound) | altered(statement)):
        module.statements[name].append(statement)


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def altered(statement: ast.stmt) -> set[str]:
    """Names that a statement alters without binding them: `X[0] = 1`, `X.a = 1`, `X.append(1)`, `del X[0]`, `setattr(X, …)`."""
    if isinstance(statement, ast.Assign):
        places: list[ast.expr] = list(statement.targets)
    elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
        places = [statement.target]
    elif isinstance(statement, ast.Delete):
        places = list(statement.targets)
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        places = [_set_attribute(statement.value) or statement.value.func]
    elif isinstance(statement, ast.If | ast.For | ast.While | ast.With | ast.Try) and not is_main_guard(statement):
        inner = [each for each in ast.iter_child_nodes(statement) if isinstance(each, ast.stmt)]
        return {name for each in inner for name in altered(each)}
    else:
        return set()
    return {name for place in places for name in [_rooted(place)] if name}


def _set_attribute(call: ast.Call) -> ast.expr | None:
    """What `setattr(X, …)` or `delattr(X, …)` alters, as if it were written with a dot."""
    named = call.func.id if isinstance(call.func, ast.Name) else ""
    return ast.Attribute(call.args[0], "", ast.Store()) if named in ("setattr", "delattr") and call.args else None


def _rooted(place: ast.expr) -> str | None:
    """The name at the root of `X.a`, `X[0].b`; None for a plain name."""
    node = place
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) and node is not place else None


def is_main_guard(statement: ast.stmt) -> bool:
    """Whether it is `if __name__ == ...`: what only the script itself runs."""
    return isinstance(statement, ast.If) and any(
        isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(statement.test)
    )


class Sources:
    """Source files, each read and parsed once in this reader's life. Use a new one to see what has been edited since."""

    def __init__(self, texts: KnownTexts | None = None) -> None:
        self.texts = texts
        self._read: dict[Path, Module | None] = {}
        self._listed: dict[Path, list[Path]] = {}
        self.readings: dict[object, Reading] = {}
        self.registered: dict[object, dict[Definition, tuple[Definition, ...]]] = {}
        self.effects: dict[object, list[Module]] = {}

    def module(self, path: Path) -> Module | None:
        """The module in a file, or None where it cannot be read as Python."""
        if path not in self._read:
            self._read[path] = read_module(path)
        return self._read[path]

    def suppose(self, path: Path, source: str) -> None:
        """From now on the file at `path` says `source`, whatever is there."""
        self._read[path] = module_of(path, source.encode("utf-8", "replace"))

    def python_files(self, root: Path) -> list[Path]:
        """Every Python file under `root`, sorted; what tools leave about is passed over."""
        if root not in self._listed:
            self._listed[root] = [path for path in walk_tree(root) if path.suffix == ".py"]
        return self._listed[root]


def walk_tree(root: Path) -> Iterator[Path]:
    """Every file and link below `root`, folder by folder, without `NOISE`; linked folders are links and are not followed."""
    for folder, folders, files in os.walk(root):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        folders[:] = sorted(
            name
            for name in folders
            if name not in NOISE and name not in links and not (Path(folder) / name / "pyvenv.cfg").is_file()
        )
        for name in sorted([*files, *links]):
            if name not in NOISE and not name.endswith((".pyc", ".pyo")):
                yield Path(folder, name)


@dataclass
class Project:
    """The source files under `root`, as seen by the module or script `entry`."""

    root: Path
    entry: Path
    sources: Sources = field(default_factory=Sources)
    is_script: bool = False
    found: dict[str, Path | None] = field(default_factory=dict)

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """Where modules are looked for, in order. The folder of a script goes first; a module's own package folder is
        where Python looks only when the module is run as a script, so it goes last."""
        folder = self.entry.parent
        top = folder
        while (top / "__init__.py").is_file():
            top = top.parent
        own = (folder,) if self.is_script or top == folder else ()
        return tuple(dict.fromkeys((*own, top, self.root, self.root / "src", folder)))

    def module(self, path: Path) -> Module | None:
        """The module in a file, or None where it cannot be read as Python."""
        return self.sources.module(path)

    def find(self, name: str) -> Path | None:
        """The file of a module, or the folder of a package without `__init__.py`; None when it is not the project's."""
        if name not in self.found:
            self.found[name] = self._find(name)
        return self.found[name]

    def _find(self, name: str) -> Path | None:
        top = name.partition(".")[0]
        if not top or top == OWN_PACKAGE:
            return None
        folders = self.folders[:1] if top in sys.stdlib_module_names else self.folders  # else the standard library's
        found = [place for folder in folders if (place := _module_in(folder, name))]
        return next((place for place in found if place.is_file()), found[0] if found else None)

    def find_import(self, module: Path, target: Import) -> Path | None:
        """The file or folder of the module that an import in `module` names."""
        if not target.level:
            place = self.find(target.module)
            return None if place == module else place  # no module imports itself: it is a package's of the same name
        folder = module.parent
        for _ in range(target.level - 1):
            folder = folder.parent
        return _module_in(folder, target.module) if target.module else _package(folder)

    def resolve(self, module: Path, name: tuple[str, ...]) -> list[Target]:
        """What a dotted name means in a module; several where branches bind it differently."""
        return list(dict.fromkeys(self._name(module, name, frozenset())))

    def resolve_import(self, module: Path, target: Import, rest: tuple[str, ...] = ()) -> list[Target]:
        """What an import in `module` gives, followed along `rest`."""
        return list(dict.fromkeys(self._import(module, target, rest, frozenset())))

    def _name(self, path: Path, name: tuple[str, ...], seen: frozenset[tuple[Path, str]]) -> Iterator[Target]:
        module, first = self.module(path), name[0]
        if module is None or (path, first) in seen:
            yield Unknown(".".join(name))
            return
        seen |= {(path, first)}
        if not module.binds(first):
            yield from self._star(module, name, seen)
            return
        if first in module.statements:
            yield Definition(path, first)
        for target in module.imports.get(first, ()):
            yield from self._import(path, target, name[1:], seen)

    def _star(self, module: Module, name: tuple[str, ...], seen: frozenset[tuple[Path, str]]) -> Iterator[Target]:
        foreign = False
        for star in module.stars:
            place = self.find_import(module.path, star)
            if place is None or not place.is_file():
                foreign = True
                continue
            found = [each for each in self._name(place, name, seen) if not isinstance(each, Unknown | Outside)]
            if found:
                yield from found
                return
        known = name[0] in _BUILTINS or name[0] in module.typing_only
        yield Outside(name[0]) if known or foreign else Unknown(".".join(name))

    def _import(
        self, path: Path, target: Import, rest: tuple[str, ...], seen: frozenset[tuple[Path, str]]
    ) -> Iterator[Target]:
        place = self.find_import(path, target)
        named = "." * target.level + target.module
        if place is None:
            yield _foreign(_joined(named, target.attribute) if target.attribute else named)
            return
        way = (target.attribute, *rest) if target.attribute else rest
        yield from self._within(place, way, seen, named)

    def _within(
        self, place: Path, way: tuple[str, ...], seen: frozenset[tuple[Path, str]], named: str
    ) -> Iterator[Target]:
        """Follows a dotted way into a module or package."""
        while way:
            module = self.module(place) if place.is_file() else None
            folder = place.parent if place.name == "__init__.py" else place
            inner = _module_in(folder, way[0]) if folder.is_dir() else None
            found: list[Target] = []
            if module is not None and (module.binds(way[0]) or inner is None):
                found = [each for each in self._name(place, way, seen) if each != Outside(way[0])]
            if inner is None and not _explained(found):
                lost = _joined(named, way[0])
                found = [Whole(place), Unknown(lost)] if place.is_file() else [_foreign(lost)]
            if inner is None or _explained(found):
                yield from found
                return
            place, named, way = inner, _joined(named, way[0]), way[1:]
        yield Whole(place) if place.is_file() else _foreign(named)


def _joined(module: str, name: str) -> str:
    return module + name if module.endswith(".") else f"{module}.{name}"


def _explained(targets: list[Target]) -> bool:
    return any(not isinstance(each, Unknown) for each in targets)


def _foreign(named: str) -> Target:
    """What an import names that is not among the project's files: a package's, but never with leading dots."""
    return Unknown(named) if named.startswith(".") else Outside(named)


def _module_in(folder: Path, name: str) -> Path | None:
    place = folder.joinpath(*name.split("."))
    package = place / "__init__.py"
    if package.is_file():
        return package
    source = place.with_name(place.name + ".py")
    if source.is_file():
        return source
    return place if place.is_dir() and _holds_python(place) else None


def _package(folder: Path) -> Path | None:
    package = folder / "__init__.py"
    return package if package.is_file() else folder if folder.is_dir() else None


def _holds_python(folder: Path) -> bool:
    """Whether a folder without `__init__.py` can be a package: it holds sources, or folders that are packages."""
    return any(folder.glob("*.py")) or any(folder.glob("*/__init__.py"))
