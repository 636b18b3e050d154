"""`(a, b) IN (SELECT (c, d) …)` compares with a row in one column, which other engines write as two columns."""

from sqlglot import exp


def columns_of_a_row(node: exp.Expr) -> exp.Expr:
    """The SELECT of such an IN with the parts of its row as columns."""
    query = node.args.get("query") if isinstance(node, exp.In) and isinstance(node.this, exp.Tuple) else None
    inner = query.this if isinstance(query, exp.Subquery) else query
    if isinstance(inner, exp.Select) and len(inner.expressions) == 1:
        row = inner.expressions[0].unalias()
        if isinstance(row, exp.Tuple):
            inner.set("expressions", row.expressions)
    return node
