"""Texts that a statement writes itself sort by their bytes, as stored ones do, whatever the database's language is."""

from sqlglot import exp


def bytewise(node: exp.Expr) -> exp.Expr:
    """A text that is a column, a row's part or a branch of its own says so. (What is compared is left as it is: a time may be
    written as a text there.)"""
    if not (isinstance(node, exp.Literal) and node.is_string):
        return node
    above = node.parent
    column = isinstance(above, exp.Alias | exp.Select) and node.arg_key in ("this", "expressions")
    row = isinstance(above, exp.Tuple) and isinstance(above.parent, exp.Values)
    branch = isinstance(above, exp.If | exp.Case) and node.arg_key in ("true", "false", "default")
    if column or row or branch:
        return exp.Collate(this=node.copy(), expression=exp.to_identifier("C", quoted=True))
    return node
