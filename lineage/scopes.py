"""Which names a piece of Python takes from outside itself, and which it binds: the language's scoping, read off the
tree."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from datamon.lineage.syntax import Drop, dotted, keep_all, parse

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass
class Needs:
    """What a piece of code takes from outside itself: dotted names, and the imports it makes in its own functions.
    `perhaps` are names that a class binds and uses (where the module binds them too, either may be meant), and those in the
    texts of annotations."""

    names: set[tuple[str, ...]] = field(default_factory=set)
    perhaps: set[tuple[str, ...]] = field(default_factory=set)
    imports: list[ast.Import | ast.ImportFrom] = field(default_factory=list)
    calls: list[ast.Call] = field(default_factory=list)


def needs(statement: ast.AST, drop: Drop = keep_all) -> Needs:
    """What a statement of a module needs. Names that its functions bind for themselves are not among it."""
    found = Needs()
    try:
        _walk(statement, frozenset(), drop, found)
    except RecursionError:  # nested too deep to tell whose a name is: take them all
        return _everything(statement)
    return found


def _everything(statement: ast.AST) -> Needs:
    found = Needs()
    for node in ast.walk(statement):
        parts = dotted(node)
        if parts:
            found.names.add(parts)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.imports.append(node)
        elif isinstance(node, ast.Call):
            found.calls.append(node)
    return found


def _walk(node: ast.AST, bound: frozenset[str], drop: Drop, found: Needs) -> None:
    for annotation in _annotations(node):
        found.perhaps |= {name for name in _quoted(annotation) if name[0] not in bound}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        _walk_function(node, bound, drop, found)
        return
    if isinstance(node, _COMPREHENSIONS):
        _walk_comprehension(node, bound, drop, found)
        return
    if isinstance(node, ast.ClassDef):
        _walk_class(node, bound | _type_names(node), drop, found)
        return
    if isinstance(node, ast.Import | ast.ImportFrom):
        found.imports.append(node)
    elif isinstance(node, ast.Call):
        found.calls.append(node)
    elif isinstance(node, ast.Global):
        found.names.update((name,) for name in node.names)
    elif isinstance(node, ast.Name | ast.Attribute):
        parts = dotted(node)
        if parts:
            if parts[0] not in bound and not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)):
                found.names.add(parts)
            return
    for child in _children(node, drop):
        _walk(child, bound, drop, found)


def _annotations(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.arg | ast.AnnAssign):
        return [node.annotation] if node.annotation else []
    return [node.returns] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns else []


def _quoted(annotation: ast.expr) -> Iterator[tuple[str, ...]]:
    """The dotted names in the texts of an annotation: which of them are types cannot be told."""
    for node in ast.walk(annotation):
        text = node.value if isinstance(node, ast.Constant) else None
        tree = parse(text) if isinstance(text, str) else None
        for name in map(dotted, ast.walk(tree) if tree else ()):
            if name:
                yield name


def _children(node: ast.AST, drop: Drop) -> list[ast.AST]:
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        dropped = {id(each) for each in node.decorator_list if drop(each)}
        return [each for each in children if id(each) not in dropped]
    return children


def _walk_function(node: Function, bound: frozenset[str], drop: Drop, found: Needs) -> None:
    body = node.body if isinstance(node.body, list) else [node.body]
    inside = {id(each) for each in body}
    outer = bound | _type_names(node)
    for child in _children(node, drop):
        if id(child) not in inside:  # decorators, defaults and annotations are read where the function is defined
            _walk(child, outer, drop, found)
    arguments = node.args
    names = {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    names |= {each.arg for each in (arguments.vararg, arguments.kwarg) if each}
    for each in body:
        _walk(each, _inner(outer | names, body), drop, found)


def _walk_class(node: ast.ClassDef, bound: frozenset[str], drop: Drop, found: Needs) -> None:
    own = bindings(node.body).names
    within = Needs(imports=found.imports, calls=found.calls)
    inside = {id(each) for each in node.body}
    for child in _children(node, drop):
        _walk(child, bound, drop, within if id(child) in inside else found)
    found.perhaps |= within.perhaps | {name for name in within.names if name[0] in own}
    found.names |= {name for name in within.names if name[0] not in own}


def _walk_comprehension(node: Comprehension, bound: frozenset[str], drop: Drop, found: Needs) -> None:
    first = node.generators[0].iter
    _walk(first, bound, drop, found)
    targets = {each.id for part in node.generators for each in ast.walk(part.target) if isinstance(each, ast.Name)}
    for child in ast.iter_child_nodes(node):
        for each in ast.iter_child_nodes(child) if isinstance(child, ast.comprehension) else (child,):
            if each is not first:
                _walk(each, bound | targets, drop, found)


def _type_names(node: ast.AST) -> frozenset[str]:
    return frozenset(each.name for each in getattr(node, "type_params", ()))


def _inner(bound: frozenset[str] | set[str], body: list[ast.stmt] | list[ast.expr]) -> frozenset[str]:
    """The names bound inside a function: its own and those around it, without what it imports or declares global."""
    binding = bindings(body)
    return (frozenset(bound) | binding.names) - binding.released


@dataclass
class Bindings:
    """What a block binds: names by any statement but an import; `released` are those it imports or declares global, `bound`
    those it binds otherwise, whether it releases them or not."""

    names: set[str] = field(default_factory=set)
    released: set[str] = field(default_factory=set)
    bound: frozenset[str] = frozenset()


def bindings(body: Iterable[ast.AST]) -> Bindings:
    """The names that the statements of one scope bind, in all their branches but not in scopes within."""
    found = Bindings()
    waiting: list[tuple[ast.AST, bool]] = [(each, False) for each in body]
    while waiting:
        node, foreign = waiting.pop()  # foreign: in a comprehension, where only `:=` binds outside
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.names.add(node.name)
        if isinstance(node, ast.NamedExpr):
            found.names.add(node.target.id)
        _bind(node, foreign, found)
        if not isinstance(node, _SCOPES):
            inner = foreign or isinstance(node, _COMPREHENSIONS)
            waiting.extend((child, inner) for child in ast.iter_child_nodes(node))
    found.bound = frozenset(found.names)
    found.names -= found.released
    return found


def _bind(node: ast.AST, foreign: bool, found: Bindings) -> None:
    if isinstance(node, ast.Import | ast.ImportFrom):
        found.released |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    elif isinstance(node, ast.Global):
        found.released.update(node.names)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and not foreign:
        found.names.add(node.id)
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        found.names.add(node.name)
    elif isinstance(node, ast.MatchMapping) and node.rest:
        found.names.add(node.rest)
