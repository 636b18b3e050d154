"""The text of a syntax tree, and the names that a piece of code needs."""

import ast
import warnings

import pytest

from datamon.lineage.scopes import needs
from datamon.lineage.syntax import normal, parse


def text(source: str) -> str:
    tree = parse(source)
    assert tree is not None
    return normal(tree)


def names(source: str) -> set[str]:
    found = [needs(statement) for statement in ast.parse(source).body]
    return {".".join(name) for need in found for name in need.names | {(*each, "?") for each in need.perhaps}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("f(a, b)", "f(\n    a,\n    b,\n)"),
        ("x = 'a'", 'x = """a"""'),
        ("x = 1000", "x = 1_000"),
        ("x = f'{a}' 'b'", "x = f'{a}b'"),
        ("x = f'{a}'", "x = f'{a}' ''"),
        ("del (a, b)", "del a, b"),
        ("def f(): 'doc'", "def f(): pass"),
        ("class A: 'doc'", "class A: pass"),
        ("if a: b\nelse: pass", "if a: b"),
        ("for x in y:  # why\n  z", "for (x) in (y):\n  z"),
        ("x = u'a'", "x = 'a'"),
    ],
)
def test_spellings_of_the_same_code_have_one_text(one: str, other: str) -> None:
    assert text(one) == text(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 0.0", "x = -0.0"),
        ("x = 'a'", "x = b'a'"),
        ("x = None", "x = 'None'"),
        ("x = ...", "x = None"),
        ("x = 'a]'", "x = ['a']"),
        ("f(a, *b)", "f(a, b)"),
        ("f(a=b)", "f(b)"),
        ("{**a}", "{None: a}"),
        ("x[1:]", "x[:1]"),
        ("def f(a, /): pass", "def f(a): pass"),
        ("def f(*, a): pass", "def f(a): pass"),
        ("from . import a", "from .. import a"),
        ("x = f'{a!r}'", "x = f'{a!s}'"),
        ("x = f'{a:>3}'", "x = f'{a:>4}'"),
        ("async def f(): pass", "def f(): pass"),
        ("if a: b", "while a: b"),
        ("a\nb", "b\na"),
        ("x = 'one'; 'two'", "x = 'two'; 'one'"),
    ],
)
def test_different_code_has_different_text(one: str, other: str) -> None:
    assert text(one) != text(other)


def test_the_text_is_written_down_so_that_no_python_may_change_it() -> None:
    source = "@d\ndef f(a, b=1, *c, k=None) -> int:\n    'doc'\n    return f'{a:.2f}!' if b is not None else -c[0]\n"
    expected = (
        '(Module body=[(FunctionDef name="f"  args=(arguments args=[(arg arg="a" )(arg arg="b" )] vararg=(arg arg="c" )'
        ' kwonlyargs=[(arg arg="k" )] kw_defaults=[(Constant value=NoneType None )] defaults=[(Constant value=int 1 )])'
        ' body=[(Return value=(IfExp test=(Compare left=(Name id="b" ) ops=[(IsNot)] comparators=[(Constant value=NoneType'
        ' None )]) body=(JoinedStr values=[(FormattedValue value=(Name id="a" ) conversion=int -1  format_spec=(JoinedStr'
        ' values=[(Constant value=".2f" )]))(Constant value="!" )]) orelse=(UnaryOp op=(USub) operand=(Subscript value='
        '(Name id="c" ) slice=(Constant value=int 0 )))))] decorator_list=[(Name id="d" )] returns=(Name id="int" ))])'
    )
    assert text(source) == expected


def test_a_text_with_half_a_character_and_a_huge_number_can_be_read() -> None:
    assert text(r"x = '\ud800'") != text(r"x = '\ud801'")
    assert text(f"x = {'9' * 4000}0") != text(f"x = {'9' * 4000}1")


def test_reading_source_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse(r"x = '\d'") is not None


@pytest.mark.parametrize("source", ["def (", "x = 'a\0'", "(" * 10_000])
def test_what_is_not_python_has_no_tree(source: str) -> None:
    assert parse(source) is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(x):\n    return x + y", {"y"}),
        ("def f():\n    y = 1\n    return y", set()),
        ("def f():\n    global y\n    y = 1", {"y"}),
        ("def f(x=y): pass", {"y"}),
        ("def f(x: y) -> z: pass", {"y", "z"}),
        ("@d.e(a)\ndef f(): pass", {"d.e", "a"}),
        ("def f():\n    def g():\n        return x\n    x = 1\n    return g", set()),
        ("f = lambda x: x + y", {"y"}),
        ("z = [x for x in x if y]", {"x", "y"}),
        ("def f():\n    return {k: v for k, v in pairs}", {"pairs"}),
        ("def f(a):\n    [b := x for x in a]\n    return b", set()),
        ("class A(B):\n    c = d\n    def m(self):\n        return c", {"B", "d", "c.?"}),
        ("class A:\n    rate = rate * 2", {"rate.?"}),
        ("def f():\n    try:\n        a()\n    except E as e:\n        return e", {"a", "E"}),
        (
            "def f(v):\n    match v:\n        case P(x=[q, *rest]) | {'k': q, **rest}:\n            return q, rest",
            {"P"},
        ),
        ("def f():\n    with a() as (b, c):\n        return b, c", {"a"}),
        ("def f():\n    import a.b\n    return a.b.c", {"a.b.c"}),
        ("a.b.c(d).e", {"a.b.c", "d"}),
        ("A.b = 1", {"A.b"}),
        ("a[b] = 1", {"a", "b"}),
        ("def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = 2", set()),
        ("def f(x):\n    for x in y:\n        del x", {"y"}),
    ],
)
def test_what_code_takes_from_outside_is_what_its_scopes_do_not_bind(source: str, expected: set[str]) -> None:
    assert names(source) == expected
