"""From DuckDB's tree of a SELECT to what other engines read: one rule, one file, one function."""

from collections.abc import Callable

from sqlglot import exp

from datamon.query.elsewhere.rewrites.all_columns import all_columns
from datamon.query.elsewhere.rewrites.any_value import any_value
from datamon.query.elsewhere.rewrites.arg_max import arg_max
from datamon.query.elsewhere.rewrites.columns_of_a_row import columns_of_a_row
from datamon.query.elsewhere.rewrites.contains import contains
from datamon.query.elsewhere.rewrites.lists import lists

Rule = Callable[[exp.Expr], exp.Expr]
RULES: tuple[Rule, ...] = (all_columns, columns_of_a_row, any_value, arg_max, contains, lists)
"""Each takes a node of the tree and gives what stands in its place."""


def rewritten(tree: exp.Expr) -> exp.Expr:
    """The tree with every rule applied, one after the other."""
    for rule in RULES:
        tree = tree.transform(rule)
    return tree
