"""`list(x)` gathers values as `array_agg(x)` does."""

from sqlglot import exp


def lists(node: exp.Expr) -> exp.Expr:
    """`array_agg` for DuckDB's `list`."""
    if isinstance(node, exp.List) and len(node.expressions) == 1:
        return exp.ArrayAgg(this=node.expressions[0].copy())
    return node
