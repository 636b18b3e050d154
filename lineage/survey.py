"""What a definition or module of a project comes to: its text, and the texts of all that it needs, in the order of
first need.

Equal text in other files or places gives equal pieces; definitions that were exchanged do not, because each name
stands beside the number of what it means.
"""

import ast
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from blake3 import blake3

from datamon.errors import Denied, NotFound
from datamon.lineage.locate import is_step
from datamon.lineage.modules import (
    Definition,
    Import,
    Module,
    Outside,
    Project,
    Reading,
    Target,
    Unknown,
    Whole,
    imported,
)
from datamon.lineage.registering import Registered, imported_for_effect, registered_in
from datamon.lineage.scopes import Needs, needs
from datamon.lineage.syntax import dotted, keep_all, normal

_DYNAMIC: Final = frozenset({"exec", "eval", "__import__", "globals", "importlib.import_module", "import_module"})
_STARTERS: Final = ("subprocess.", "os.system", "os.popen", "os.exec", "os.spawn", "runpy.", "sys.path.")


@dataclass
class Survey:
    """A walk over what a definition or module needs, in the order of first need. `nameless` leaves out the root's own
    name."""

    project: Project
    root: Definition | Whole
    nameless: bool = False
    visited: set[Path] = field(default_factory=set)
    unresolved: set[str] = field(default_factory=set)

    def pieces(self) -> Iterator[str]:
        """What is hashed: each definition's text, then each name it needs with what that is."""
        numbers: dict[Target, int] = {self.root: 0}
        for target in (order := [self.root]):
            reading = self.read(target)
            self.visited.add(target.module)
            self.unresolved |= reading.notes
            yield reading.text
            for label, ends in reading.edges.items():
                for end in ends:
                    if isinstance(end, Outside | Unknown):
                        yield f"{label} outside {end.name}"
                        continue
                    if end not in numbers:
                        numbers[end] = len(numbers)
                        order.append(end)
                    yield f"{label} is {numbers[end]}"

    def read(self, target: Definition | Whole) -> Reading:
        """What a target's source says; each is read once as long as the project's sources are kept."""
        nameless = self.nameless and target == self.root
        key = (self.project.folders, target, nameless)
        readings = self.project.sources.readings
        if key not in readings:
            readings[key] = _Reader(self.project, target.module).read(target, nameless)
        return readings[key]

    def notes(self) -> tuple[str, ...]:
        """All that was not followed."""
        return tuple(sorted(self.unresolved))

    def paths(self) -> tuple[str, ...]:
        """The files that were read, the root's in front."""
        first = self.root.module
        others = sorted(relative(path, self.project.root) for path in self.visited if path != first)
        return (relative(first, self.project.root), *others)


@dataclass
class _Reader:
    """Reads one definition or module of a file."""

    project: Project
    path: Path
    edges: dict[str, list[Target]] = field(default_factory=lambda: defaultdict(list))
    notes: set[str] = field(default_factory=set)

    def read(self, target: Definition | Whole, nameless: bool) -> Reading:
        """All that it says, its names sorted and what they mean once each."""
        module = self.project.module(self.path)
        if module is None:
            return Reading(content_hash(self.path), {}, frozenset({unparsed(self.path, self.project.root)}))
        text = self.definition(module, target.name, nameless) if isinstance(target, Definition) else self.whole(module)
        edges = {label: tuple(dict.fromkeys(ends)) for label, ends in sorted(self.edges.items())}
        return Reading(text, edges, frozenset(self.notes))

    def definition(self, module: Module, name: str, nameless: bool) -> str:
        """The text of what a module binds to a name; its own decorators of steps do not count."""
        texts: list[str] = []
        for statement in module.statements[name]:
            own = nameless and getattr(statement, "name", None) == name
            texts.append(normal(statement, self.drop, nameless=statement if own else None))
            need = needs(statement, self.drop)
            self.names(module, need)
            self.dynamic(need.calls)
        return "\n".join(texts)

    def drop(self, decorator: ast.expr) -> bool:
        """Whether a decorator does not count."""
        return is_step(self.project, self.path, decorator)

    def names(self, module: Module, need: Needs) -> None:
        """What each dotted name means: by the imports that the code makes itself, else in its module."""
        local: dict[str, list[Import]] = defaultdict(list)
        for statement in need.imports:
            for bound, target in imported(statement):
                local[bound].append(target)
        for name in need.names | need.perhaps:
            ends = [
                end for each in local.get(name[0], ()) for end in self.project.resolve_import(self.path, each, name[1:])
            ]
            if not ends or module.binds(name[0]):
                ends += self.project.resolve(self.path, name)
            ends += [each for end in ends if isinstance(end, Definition) for each in self.registered(end)]
            lost = [end for end in ends if isinstance(end, Unknown)]
            if name in need.names:
                self.edges[".".join(name)] += ends
                self.notes |= {self.note(f"the name {end.name!r}") for end in lost}
            else:
                self.edges[".".join(name)] += [end for end in ends if end not in lost]

    def registered(self, table: Definition) -> list[Definition]:
        """What is put into a table from elsewhere: here, where it stands, and in what either imports for that alone."""
        named = [self.project.module(path) for path in dict.fromkeys((self.path, table.module))]
        modules = [each for module in named if module for each in self.effects(module)]
        found = [each for module in modules for each in self.registrations(module).get(table, ())]
        return list(dict.fromkeys(found))

    def effects(self, module: Module) -> list[Module]:
        """A module and what it imports for its effect; found once as long as the project's sources are kept."""
        known, key = self.project.sources.effects, (self.project.folders, module.path)
        if key not in known:
            known[key] = imported_for_effect(self.project, module)
        return known[key]

    def registrations(self, module: Module) -> Registered:
        """What the decorators in a module register; found once as long as the project's sources are kept."""
        known, key = self.project.sources.registered, (self.project.folders, module.path)
        if key not in known:
            known[key] = registered_in(self.project, module)
        return known[key]

    def whole(self, module: Module) -> str:
        """The text of a module; it needs the modules of the project that it imports anywhere."""
        calls = []
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self.imports(node)
            elif isinstance(node, ast.Call):
                calls.append(node)
        self.dynamic(calls)
        return normal(module.tree, keep_all)

    def imports(self, statement: ast.Import | ast.ImportFrom) -> None:
        """What an import statement runs: the modules it names and the packages around them."""
        for alias in statement.names:
            if isinstance(statement, ast.Import):
                level, names = 0, [alias.name]
            else:
                level = statement.level
                names = [statement.module or "", ".".join(part for part in (statement.module, alias.name) if part)]
            found = False
            for name in dict.fromkeys(part for each in names for part in _enclosing(each, level)):
                place = self.project.find_import(self.path, Import(name, None, level))
                found = found or place is not None
                if place is not None and place.is_file():
                    self.edges[f"{'.' * level}{name}"].append(Whole(place))
            if level and not found:
                self.notes.add(self.note(f"the import {'.' * level}{names[-1]}"))

    def dynamic(self, calls: Iterable[ast.Call]) -> None:
        """Modules that calls import by a name that is spelled out; notes the calls that cannot be followed."""
        for call in calls:
            name = ".".join(dotted(call.func) or ())
            if name in _DYNAMIC:
                spelled = _spelled(call) if "import" in name else None
                place = self.project.find(spelled) if spelled else None
                if place is not None and place.is_file():
                    self.edges[f"{name} {spelled}"].append(Whole(place))
                elif spelled is None:
                    self.notes.add(self.note(name))
            elif name.startswith(_STARTERS):
                self.notes.add(self.note(name))

    def note(self, what: str) -> str:
        """How something that was not followed is listed."""
        return f"{relative(self.path, self.project.root)}: {what}"


def _enclosing(name: str, level: int) -> Iterator[str]:
    """The packages around a module and itself; with leading dots, first the package that they name."""
    parts = name.split(".") if name else []
    if level:
        yield ""
    for end in range(1, len(parts) + 1):
        yield ".".join(parts[:end])


def _spelled(call: ast.Call) -> str | None:
    """The absolute module name that a call's first argument spells out."""
    first = call.args[0] if call.args else None
    name = first.value if isinstance(first, ast.Constant) else None
    return name if isinstance(name, str) and not name.startswith(".") else None


def relative(path: Path, root: Path) -> str:
    """The path from `root` with `/` between its parts, upward where it lies outside."""
    return Path(os.path.relpath(path, root)).as_posix()


def unparsed(path: Path, root: Path) -> str:
    """The note that a file was taken byte for byte though it is named like Python."""
    return f"{relative(path, root)}: cannot be parsed"


def content_hash(path: Path) -> str:
    """The hash of a file's bytes. Raises NotFound (`path-not-found`) and Denied (`unreadable`)."""
    hasher = blake3()
    try:
        with path.open("rb") as stream:
            while piece := stream.read(1 << 20):
                hasher.update(piece)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            "path-not-found", f"there is no code at {path}; give the path of a file", path=str(path)
        ) from None
    except IsADirectoryError:
        raise NotFound("path-not-found", f"{path} is a directory; give the path of a file", path=str(path)) from None
    except PermissionError:
        raise Denied("unreadable", f"{path} may not be read; grant the right to read it", path=str(path)) from None
    return hasher.hexdigest()
