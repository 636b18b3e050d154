"""What decorators register: a definition that a decorator of the project puts into a table belongs to the table."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from datamon.lineage.modules import Definition, Module, Project, altered
from datamon.lineage.scopes import bindings
from datamon.lineage.syntax import dotted

Registered = dict[Definition, tuple[Definition, ...]]


def registered_in(project: Project, module: Module) -> Registered:
    """For each global that decorators of the project alter, the definitions at the top of `module` that they decorate."""
    found: dict[Definition, list[Definition]] = defaultdict(list)
    for statement in module.tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for table in _altered_by_decorators(project, module.path, statement.decorator_list):
                found[table].append(Definition(module.path, statement.name))
    return {table: tuple(dict.fromkeys(definitions)) for table, definitions in found.items()}


def _altered_by_decorators(project: Project, path: Path, decorators: list[ast.expr]) -> Iterator[Definition]:
    for decorator in decorators:
        name = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
        for maker in project.resolve(path, name) if name else ():
            if isinstance(maker, Definition):
                yield from _altered_by(project, maker)


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
