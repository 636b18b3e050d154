"""Comments, docstrings and layout never change the fingerprint; an edit of any constant that is reached always does."""

import ast
import io
import tokenize
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.lineage.fingerprint import fingerprint_function, fingerprint_script

LIB = '''\
"""Numbers."""
import math
from dataclasses import dataclass, field

BASE = 11
TABLE = {"a": 12, "b": [13, 14]}
TABLE["c"] = 15


def helper(x, by=16):
    """Helps."""
    def inner(y=17):
        return y + 18
    return inner(x) * by if x > 19 else [each * 20 for each in range(21) if each % 22]


class Above:
    rate = 23

    def value(self):
        # what it is worth
        return self.rate + 24


@dataclass
class Model(Above):
    width: int = 25
    depths: list = field(default_factory=lambda: [26])

    @property
    def area(self):
        return self.width * 27 + self.value()
'''
STEPS = '''\
"""Steps."""
from lib import BASE, TABLE, Model, helper as help_with


def step(rows, limit=31):
    """Does it."""
    total = 32
    for row in rows:
        if (found := help_with(row)) and row < limit:
            total += found + BASE + TABLE["a"]
        else:
            total -= 33
    match total:
        case 34:
            return f"{total:35}"
        case _:
            pass
    try:
        return (lambda z=36: z)() + Model(37).area
    except ValueError as error:
        raise RuntimeError(38) from error
'''
CONSTANTS = [str(number) for number in range(11, 28)] + [str(number) for number in range(31, 39)]


def digest(steps: str, lib: str, *, script: bool = False) -> str:
    with TemporaryDirectory() as name:
        root = Path(name)
        (root / "lib.py").write_text(lib)
        (root / "steps.py").write_text(steps)
        found = (
            fingerprint_script(root / "steps.py", root)
            if script
            else fingerprint_function(root / "steps.py", "step", root)
        )
        return found.digest


def commented(text: str, draw: Callable[[str], bool]) -> str:
    """The text with comments and blank lines at line ends that are chosen."""
    lines = text.splitlines()
    in_text = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.STRING
        for line in range(token.start[0], token.end[0])
    }
    pieces = []
    for number, line in enumerate(lines, 1):
        pieces.append(f"{line}  # told" if number not in in_text and draw("comment") else line)
        if number not in in_text and draw("blank"):
            pieces.append("\n   # a line of its own\n")
    return "\n".join(pieces) + "\n"


def documented(text: str, draw: Callable[[str], bool]) -> str:
    """The text as Python writes it itself, with docstrings put in or taken away where it is chosen."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and draw("docstring"):
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
            else:
                node.body.insert(0, ast.Expr(ast.Constant("Says something.")))
    return ast.unparse(ast.fix_missing_locations(tree))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.booleans())
def test_comments_blank_lines_docstrings_and_layout_never_count(data: st.DataObject, script: bool) -> None:
    def draw(what: str) -> bool:
        return data.draw(st.booleans(), label=what)

    ways: list[Callable[[str], str]] = [lambda text: commented(text, draw), lambda text: documented(text, draw), str]
    first, second = (data.draw(st.sampled_from(ways)) for _ in range(2))
    assert digest(first(STEPS), second(LIB), script=script) == digest(STEPS, LIB, script=script)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CONSTANTS), st.integers(100, 10**9), st.booleans())
def test_an_edit_of_a_constant_that_is_reached_always_counts(old: str, new: int, script: bool) -> None:
    steps, lib = STEPS.replace(old, str(new)), LIB.replace(old, str(new))
    assert (steps, lib) != (STEPS, LIB)
    assert digest(steps, lib, script=script) != digest(STEPS, LIB, script=script)
