"""`GROUP BY ALL` and `ORDER BY ALL` name their columns, where an engine does not know ALL."""

from sqlglot import exp


def all_columns(node: exp.Expr) -> exp.Expr:
    """Groups by every column without an aggregate, orders by every column in turn."""
    if not isinstance(node, exp.Select):
        return node
    group, order = node.args.get("group"), node.args.get("order")
    if group is not None and group.args.get("all") is True:
        plain = [n for n, each in enumerate(node.expressions, 1) if not each.find(exp.AggFunc)]
        node.set("group", exp.Group(expressions=[exp.Literal.number(n) for n in plain]) if plain else None)
    if order is not None and len(order.expressions) == 1 and order.expressions[0].this.sql().upper() == "ALL":
        falling = bool(order.expressions[0].args.get("desc"))
        numbers = [exp.Literal.number(n) for n in range(1, len(node.expressions) + 1)]
        each_in_turn = [exp.Ordered(this=number, desc=falling, nulls_first=False) for number in numbers]
        node.set("order", exp.Order(expressions=each_in_turn))
    return node
