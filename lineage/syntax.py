"""Python source reduced to what can change a result: its syntax tree as text.

The text is ours, field by field, so that it stays the same from one Python to the next: no positions, no contexts, no empty
fields, no comments, no docstrings (nor any other text that stands as a statement), no `pass`.
"""

import ast
import json
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

Drop = Callable[[ast.expr], bool]
"""Which decorators do not count."""

_PARSING = threading.Lock()
"""One thread parses at a time: the parser of Python 3.11 counts its depth for all threads together and fails when they mix
(github.com/python/cpython/issues/106905), and what is done with warnings holds for all threads too."""
_SKIPPED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
_BLOCKS = frozenset({"body", "orelse", "finalbody"})


def parse(source: bytes | str) -> ast.Module | None:
    """The tree of a Python source; None when it has none (a syntax error, another language, nesting without end)."""
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the compiler thinks of an escape is not for the recorder to say
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def keep_all(_: ast.expr) -> bool:
    """Drops no decorator."""
    return False


def normal(root: ast.AST, drop: Drop = keep_all, *, nameless: ast.AST | None = None) -> str:
    """The tree as text that is the same for sources that differ in comments, docstrings and formatting only.

    Decorators that `drop` names are left out, and so is the name of the definition `nameless`.

    >>> normal(parse("def f(x): return x+1")) == normal(parse("def f(x): # adds\\n  'one more'\\n  return (x + 1)"))
    True
    """
    pieces: list[str] = []
    waiting: list[object] = [root]
    while waiting:  # not by recursion: a sum of a thousand terms is a tree a thousand deep
        each = waiting.pop()
        if isinstance(each, _Literal):
            pieces.append(each.text)
        elif isinstance(each, ast.AST):
            waiting.append(_CLOSE)
            for name, value in reversed(list(_fields(each, drop))):
                if not (each is nameless and name == "name"):
                    waiting.extend((value, _Literal(f" {name}=")))
            waiting.append(_Literal(f"({type(each).__name__}"))
        elif isinstance(each, list):
            waiting.extend((_END, *reversed(each), _START))
        else:
            pieces.append(_constant(each))
    return "".join(pieces)


@dataclass(frozen=True, slots=True)
class _Literal:
    text: str


_CLOSE, _START, _END = _Literal(")"), _Literal("["), _Literal("]")


def _constant(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value) + " "
    if isinstance(value, int) and not isinstance(value, bool):
        return f"int {value:x} "  # hexadecimal: decimal digits of very large numbers are limited
    return f"{type(value).__name__} {value!r} "


def _fields(node: ast.AST, drop: Drop) -> Iterator[tuple[str, object]]:
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(node, ast.Constant) and name == "value":
            yield name, value
            continue
        if name in _SKIPPED or value is None or (name == "level" and value == 0):
            continue
        if isinstance(value, list):
            value = _list(node, name, value, drop)
            if not value:
                continue
        if name == "format_spec" and isinstance(value, ast.JoinedStr) and not _joined(value.values):
            continue
        yield name, value


def _list(node: ast.AST, name: str, values: list[ast.AST], drop: Drop) -> list[ast.AST]:
    if name in _BLOCKS:
        return [each for each in values if not is_idle(each)]
    if name == "decorator_list":
        return [each for each in values if not (isinstance(each, ast.expr) and drop(each))]
    if isinstance(node, ast.JoinedStr):
        return _joined(values)
    if isinstance(node, ast.Delete):
        return list(_flat(values))
    return values


def is_idle(node: ast.AST) -> bool:
    """Whether a statement does nothing: `pass`, a docstring, another text left standing."""
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return text or isinstance(node, ast.Pass)


def _joined(values: Iterable[ast.AST]) -> list[ast.AST]:
    """The pieces of an f-string with neighbouring texts as one: Pythons differ in how they cut them."""
    pieces: list[ast.AST] = []
    for each in values:
        last = pieces[-1] if pieces else None
        if isinstance(each, ast.Constant) and isinstance(last, ast.Constant):
            pieces[-1] = ast.Constant(str(last.value) + str(each.value))
        elif not (isinstance(each, ast.Constant) and each.value == ""):
            pieces.append(each)
    return pieces


def _flat(targets: Iterable[ast.AST]) -> Iterator[ast.AST]:
    for each in targets:
        if isinstance(each, ast.Tuple | ast.List):
            yield from _flat(each.elts)
        else:
            yield each


def dotted(node: ast.AST) -> tuple[str, ...] | None:
    """The parts of `a.b.c`; None for anything that is not names joined by dots.

    >>> dotted(ast.parse("a.b.c", mode="eval").body)
    ('a', 'b', 'c')
    """
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return (node.id, *reversed(parts))
