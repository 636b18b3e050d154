"""`max_by(x, by)` is the first of the x in falling order of what they are sorted by, where an engine has no such aggregate."""

from sqlglot import exp


def arg_max(node: exp.Expr) -> exp.Expr:
    """`(array_agg(x ORDER BY by DESC))[1]` for max_by, rising for min_by; rows without x or without by do not count."""
    if not isinstance(node, exp.ArgMax | exp.ArgMin):
        return node
    falling = isinstance(node, exp.ArgMax)
    by = node.expression
    ordered = exp.Ordered(this=by.copy(), desc=falling, nulls_first=False)
    aggregate = exp.ArrayAgg(this=exp.Order(this=node.this.copy(), expressions=[ordered]))
    both = exp.and_(exp.Not(this=exp.Is(this=node.this.copy(), expression=exp.Null())), *_known(by))
    filtered = exp.Filter(this=aggregate, expression=exp.Where(this=both))
    return exp.Bracket(this=exp.Paren(this=filtered), expressions=[exp.Literal.number(1)], offset=1)


def _known(by: exp.Expr) -> list[exp.Expr]:
    """A row counts even when a part of it is unknown, as DuckDB has it."""
    return [] if isinstance(by, exp.Tuple) else [exp.Not(this=exp.Is(this=by.copy(), expression=exp.Null()))]
