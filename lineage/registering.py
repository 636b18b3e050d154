"""What is put into a table from elsewhere belongs to the table: by a decorator, or a module imported for that alone."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from datamon.lineage.modules import Definition, Import, Module, Project, altered
from datamon.lineage.scopes import bindings
from datamon.lineage.syntax import dotted

Registered = dict[Definition, tuple[Definition, ...]]


def registered_in(project: Project, module: Module) -> Registered:
    """For each global that decorators of the project alter, the definitions at the top of `module` that they decorate, and for
    each global of another module that statements there alter, what they do to it."""
    found: dict[Definition, list[Definition]] = defaultdict(list)
    for statement in module.tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for table in _altered_by_decorators(project, module.path, statement.decorator_list):
                found[table].append(Definition(module.path, statement.name))
    for name in module.imports.keys() & module.statements.keys():
        for table in _altered_elsewhere(project, module, name):
            found[table].append(Definition(module.path, name))
    return {table: tuple(dict.fromkeys(definitions)) for table, definitions in sorted(found.items(), key=repr)}


def imported_for_effect(project: Project, module: Module) -> list[Module]:
    """The modules of the project that `module` imports and does not use by name, and those that these import so, in turn: what
    they do to others when they are imported is all that they are for. `module` itself is the first."""
    found = {module.path: module}
    for each in (order := [module]):
        used = {node.id for node in ast.walk(each.tree) if isinstance(node, ast.Name)}
        targets = [target for name, several in each.imports.items() if name not in used for target in several]
        for target in (*targets, *each.stars):
            for place in _places(project, each.path, target):
                inner = project.module(place) if place.is_file() and place not in found else None
                if inner is not None:
                    found[place] = inner
                    order.append(inner)
    return list(found.values())


def _places(project: Project, path: Path, target: Import) -> Iterator[Path]:
    """The modules that an import runs: the one it names, and the one that the name in it is, if that is one."""
    place = project.find_import(path, target)
    if place is not None:
        yield place
        name = target.attribute
        inner = (
            project.find_import(path, Import(f"{target.module}.{name}".strip("."), None, target.level))
            if name
            else None
        )
        if inner is not None:
            yield inner


def _altered_elsewhere(project: Project, module: Module, name: str) -> Iterator[Definition]:
    """The globals of other modules that the statements about an imported name alter."""
    for statement in module.statements[name]:
        ways = [(name,), *(way for node in ast.walk(statement) if (way := _way(node)) and way[0] == name)]
        for way in dict.fromkeys(ways):
            ends = project.resolve(module.path, way)
            yield from (end for end in ends if isinstance(end, Definition) and end.module != module.path)


def _way(node: ast.AST) -> tuple[str, ...] | None:
    return dotted(node) if isinstance(node, ast.Attribute) else None


def _altered_by_decorators(project: Project, path: Path, decorators: list[ast.expr]) -> Iterator[Definition]:
    for decorator in decorators:
        name = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
        for maker in project.resolve(path, name) if name else ():
            if isinstance(maker, Definition):
                yield from _altered_by(project, maker)
                if (
                    name and maker.name != name[-1]
                ):  # a method of what the name means: `@dispatched.register`, `@table.add`
                    yield maker


def _altered_by(project: Project, maker: Definition) -> Iterator[Definition]:
    """The globals that the functions of a definition alter."""
    module = project.module(maker.module)
    for statement in module.statements[maker.name] if module else ():
        own = _bound_inside(statement)
        for node in ast.walk(statement):
            for name in sorted(altered(node) - own) if isinstance(node, ast.stmt) else ():
                yield from (end for end in project.resolve(maker.module, (name,)) if isinstance(end, Definition))


def _bound_inside(statement: ast.stmt) -> set[str]:
    functions = [node for node in ast.walk(statement) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    arguments = {node.arg for node in ast.walk(statement) if isinstance(node, ast.arg)}
    return arguments.union(*(bindings(function.body).names for function in functions))
