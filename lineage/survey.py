"""What a definition or module of a project comes to: its text, and the texts of all that it needs, in the order of
first need.

Equal text in other files or places gives equal pieces; definitions that were exchanged do not, because each name
stands beside the number of what it means.
"""

import ast
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from blake3 import blake3

from datamon.errors import Denied, NotFound
from datamon.lineage.locate import is_step
from datamon.lineage.modules import Definition, Import, Module, Outside, Project, Target, Unknown, Whole, imported
from datamon.lineage.scopes import needs
from datamon.lineage.syntax import dotted, keep_all, normal

_DYNAMIC: Final = frozenset({"exec", "eval", "__import__", "globals", "importlib.import_module", "import_module"})
_STARTERS: Final = ("subprocess.", "os.system", "os.popen", "os.exec", "os.spawn", "runpy.", "sys.path.")


@dataclass
class Survey:
    """A walk over what a definition or module needs, in the order of first need."""

    project: Project
    root: Definition | Whole
    nameless: bool = False
    visited: set[Path] = field(default_factory=set)
    unresolved: set[str] = field(default_factory=set)

    def pieces(self) -> Iterator[str]:
        """What is hashed: each definition's text, then each name it needs with what that is."""
        numbers: dict[Target, int] = {self.root: 0}
        for target in (order := [self.root]):
            text, edges = self.definition(target) if isinstance(target, Definition) else self.whole(target)
            self.visited.add(target.module)
            yield text
            for label, ends in sorted(edges.items()):
                for end in ends:
                    if isinstance(end, Outside | Unknown):
                        yield f"{label} outside {end.name}"
                        continue
                    if end not in numbers:
                        numbers[end] = len(numbers)
                        order.append(end)
                    yield f"{label} is {numbers[end]}"

    def definition(self, target: Definition) -> tuple[str, dict[str, list[Target]]]:
        """The text of what a module binds to a name, and what it needs."""
        module = self.project.module(target.module)
        assert module is not None, "only names of modules that were read are resolved to definitions"
        texts: list[str] = []
        edges: dict[str, list[Target]] = {}

        def drop(decorator: ast.expr) -> bool:
            return is_step(self.project, target.module, decorator)

        for statement in module.statements[target.name]:
            own = self.nameless and target == self.root and getattr(statement, "name", None) == target.name
            texts.append(normal(statement, drop, nameless=statement if own else None))
            need = needs(statement, drop)
            for label, ends in self.named(module, need.names, need.imports):
                edges.setdefault(label, []).extend(end for end in ends if end not in edges.get(label, ()))
            for label, end in self.dynamic(module, need.calls):
                edges.setdefault(label, []).append(end)
        return "\n".join(texts), edges

    def named(
        self, module: Module, names: Iterable[tuple[str, ...]], imports: Iterable[ast.Import | ast.ImportFrom]
    ) -> Iterator[tuple[str, list[Target]]]:
        """What each dotted name means: by the imports that the code makes itself, else in its module."""
        local: dict[str, list[Import]] = {}
        for statement in imports:
            for bound, target in imported(statement):
                local.setdefault(bound, []).append(target)
        for name in names:
            ends = [
                end
                for target in local.get(name[0], ())
                for end in self.project.resolve_import(module.path, target, name[1:])
            ]
            if not ends or module.binds(name[0]):
                ends += self.project.resolve(module.path, name)
            for end in ends:
                if isinstance(end, Unknown):
                    self.note(module.path, f"the name {end.name!r}")
            yield ".".join(name), list(dict.fromkeys(ends))

    def whole(self, target: Whole) -> tuple[str, dict[str, list[Target]]]:
        """The text of a module, and the modules of the project that it imports anywhere."""
        module = self.project.module(target.module)
        if module is None:
            self.unresolved.add(unparsed(target.module, self.project.root))
            return content_hash(target.module), {}
        edges: dict[str, list[Target]] = {}
        calls = []
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for label, place in self.imports(module, node):
                    edges.setdefault(label, []).append(Whole(place))
            elif isinstance(node, ast.Call):
                calls.append(node)
        for label, end in self.dynamic(module, calls):
            edges.setdefault(label, []).append(end)
        return normal(module.tree, keep_all), {label: list(dict.fromkeys(ends)) for label, ends in edges.items()}

    def imports(self, module: Module, statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Path]]:
        """The files that an import statement runs: the modules it names and the packages around them."""
        for alias in statement.names:
            if isinstance(statement, ast.Import):
                level, names = 0, [alias.name]
            else:
                level = statement.level
                names = [statement.module or "", ".".join(part for part in (statement.module, alias.name) if part)]
            found = False
            for name in names:
                parts = name.split(".")
                for end in range(1, len(parts) + 1):
                    wanted = Import(".".join(parts[:end]), None, level)
                    place = self.project.find_import(module.path, wanted) if wanted.module or level else None
                    found = found or place is not None
                    if place is not None and place.is_file():
                        yield f"{'.' * level}{wanted.module}", place
            if level and not found:
                self.note(module.path, f"the import {'.' * level}{names[-1]}")

    def dynamic(self, module: Module, calls: Iterable[ast.Call]) -> Iterator[tuple[str, Target]]:
        """Modules that calls import by a name that is spelled out; notes the calls that cannot be followed."""
        for call in calls:
            name = ".".join(dotted(call.func) or ())
            if name in _DYNAMIC:
                spelled = _spelled(call) if "import" in name else None
                place = self.project.find(spelled) if spelled else None
                if place is not None and place.is_file():
                    yield f"{name} {spelled}", Whole(place)
                elif spelled is None:
                    self.note(module.path, name)
            elif name.startswith(_STARTERS):
                self.note(module.path, name)

    def note(self, path: Path, what: str) -> None:
        """Lists something that was not followed."""
        self.unresolved.add(f"{relative(path, self.project.root)}: {what}")

    def notes(self) -> tuple[str, ...]:
        """All that was not followed."""
        return tuple(sorted(self.unresolved))

    def paths(self) -> tuple[str, ...]:
        """The files that were read, the root's in front."""
        first = self.root.module
        others = sorted(relative(path, self.project.root) for path in self.visited if path != first)
        return (relative(first, self.project.root), *others)


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
