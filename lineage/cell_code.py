"""The code of a notebook's cell: its statements, those of earlier cells that it needs, and the project's that these need.

A notebook's cells are one module that is written bit by bit, in the order in which they were run. What a cell comes to is that
module without what the cell does not reach: of names bound again the last binding counts, so that running a cell twice, and
running others in between, changes nothing.
"""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from datamon.lineage.cells import split_magic
from datamon.lineage.fingerprint import Fingerprint, digest_of
from datamon.lineage.modules import Project, Sources, Whole, altered, imported
from datamon.lineage.scopes import bindings, needs
from datamon.lineage.survey import Survey
from datamon.lineage.syntax import parse

_NAME = "cell of a notebook.py"


@dataclass(frozen=True, slots=True)
class CellCode:
    """The code of a cell: what it counts as, and how it reads as a program, what it needs of earlier cells first."""

    fingerprint: Fingerprint
    program: str


def code_of_cell(cell: str, earlier: Sequence[str], directory: Path, root: Path) -> CellCode:
    """The code of a cell that is run in `directory`, after `earlier` cells, in the project at `root`. Lines of its own
    that are not Python (`%magic`, `!command`) count as they are; a cell that is no Python counts as its text."""
    code, magic = split_magic(cell)
    tree = parse(code)
    if tree is None:
        return CellCode(Fingerprint(digest_of(["cell", code.strip(), *magic]), "cell"), cell)
    standing = _standing([each for text in earlier for each in _statements(text)])
    needed = _needed(tree.body, standing)
    whole = ast.Module(_imports_first([*needed, *tree.body]), [])
    path, sources = directory / _NAME, Sources()
    sources.suppose(path, ast.unparse(ast.fix_missing_locations(whole)))
    survey = Survey(Project(root, path, sources, is_script=True), Whole(path))
    digest = digest_of(["cell", *magic, *survey.pieces()])
    before = f"{ast.unparse(ast.Module(needed, []))}\n\n" if needed else ""
    return CellCode(Fingerprint(digest, "cell", survey.paths()[1:], None, survey.notes()), before + cell)


def cell_name(cell: str) -> str:
    """What a step is called whose cell has no name: the same for the same text."""
    return f"cell-{blake3(split_magic(cell)[0].strip().encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def _standing(statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Those of the statements that still hold, in their order: of a name bound again, no earlier binding."""
    kept: list[ast.stmt] = []
    rebound: set[str] = set()
    for statement in reversed(statements):
        names = _bound(statement)
        if names and names <= rebound:
            continue
        kept.append(statement)
        if _binds_anew(statement, names):
            rebound |= names
    return kept[::-1]


def _statements(cell: str) -> Iterable[ast.stmt]:
    tree = parse(split_magic(cell)[0])
    return tree.body if tree else ()


def _bound(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {name for name, _ in imported(statement)}
    return {*bindings([statement]).names, *altered(statement)}


def _binds_anew(statement: ast.stmt, names: set[str]) -> bool:
    """Whether after the statement nothing of what the names were is left."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return "*" not in names
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return not statement.decorator_list
    if not isinstance(statement, ast.Assign) or not all(isinstance(each, ast.Name) for each in statement.targets):
        return False
    return not names & _asked(statement)


def _asked(statement: ast.stmt) -> set[str]:
    found = needs(statement)
    return {name[0] for name in (*found.names, *found.perhaps)}


def _needed(cell: Sequence[ast.stmt], standing: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Those of the standing statements that the cell needs, or that one of these needs."""
    wanted, bound = set[str](), set[str]()
    for statement in cell:
        wanted |= _asked(statement) - bound
        names = _bound(statement)
        if _binds_anew(statement, names):
            bound |= names
    taken: set[int] = set()
    while True:
        more = [n for n, each in enumerate(standing) if n not in taken and _bound(each) & {*wanted, "*"}]
        if not more:
            return [each for n, each in enumerate(standing) if n in taken]
        taken.update(more)
        wanted = wanted.union(*(_asked(standing[n]) for n in more))


def _imports_first(statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The statements, with the imports that still hold before all others: which cell has them, and how often, is no matter."""
    imports = [each for each in statements if isinstance(each, ast.Import | ast.ImportFrom)]
    others = [each for each in statements if not isinstance(each, ast.Import | ast.ImportFrom)]
    return [*sorted(_standing(imports), key=ast.unparse), *others]
