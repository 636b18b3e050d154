"""Code that is there for type checkers alone: what stands under `if TYPE_CHECKING` never runs and never counts."""

import ast
from collections.abc import Iterable

_FLAG = "TYPE_CHECKING"


def strip_typing_only(tree: ast.Module) -> frozenset[str]:
    """Takes out of the tree what runs for type checkers alone; the names that it would have imported."""
    strip = _Strip(_flags(tree))
    strip.visit(tree)
    return frozenset(strip.names)


def _flags(tree: ast.Module) -> frozenset[str]:
    """What the flag is called in this file."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return frozenset(alias.asname or alias.name for node in imports for alias in node.names if alias.name == _FLAG) | {
        _FLAG
    }


class _Strip(ast.NodeTransformer):
    def __init__(self, flags: frozenset[str]) -> None:
        self._flags = flags
        self.names: set[str] = set()

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        if self._is_flag(node.test):
            return self._keep(node.orelse, node.body)
        if (
            isinstance(node.test, ast.UnaryOp)
            and isinstance(node.test.op, ast.Not)
            and self._is_flag(node.test.operand)
        ):
            return self._keep(node.body, node.orelse)
        return self.generic_visit(node)

    def _is_flag(self, test: ast.expr) -> bool:
        if isinstance(test, ast.Attribute):
            return test.attr == _FLAG
        return isinstance(test, ast.Name) and test.id in self._flags

    def _keep(self, kept: Iterable[ast.stmt], dropped: Iterable[ast.stmt]) -> list[ast.stmt]:
        for node in (inner for each in dropped for inner in ast.walk(each)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self.names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        visited: list[ast.stmt] = []
        for each in kept:
            after = self.visit(each)
            visited.extend(after if isinstance(after, list) else [after])
        return visited
