"""`any_value(x)` is one of the x that are known, where an engine has no such aggregate."""

from sqlglot import exp


def any_value(node: exp.Expr) -> exp.Expr:
    """`(array_agg(x) FILTER (WHERE x IS NOT NULL))[1]`."""
    if not isinstance(node, exp.AnyValue):
        return node
    known = exp.Where(this=exp.Not(this=exp.Is(this=node.this.copy(), expression=exp.Null())))
    gathered = exp.Filter(this=exp.ArrayAgg(this=node.this.copy()), expression=known)
    return exp.Bracket(this=exp.Paren(this=gathered), expressions=[exp.Literal.number(1)], offset=1)
