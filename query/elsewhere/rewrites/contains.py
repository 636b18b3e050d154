"""`contains(text, part)` asks for a place that is not 0."""

from sqlglot import exp


def contains(node: exp.Expr) -> exp.Expr:
    """`strpos(text, part) > 0`."""
    if isinstance(node, exp.Contains):
        place = exp.StrPosition(this=node.this.copy(), substr=node.expression.copy())
        return exp.GT(this=place, expression=exp.Literal.number(0))
    return node
