"""A statement as the one SELECT that an engine elsewhere answers: its sources spelled out in front of it."""

from collections.abc import Mapping, Sequence

import sqlglot
from sqlglot import exp

from datamon.query.compiled.literals import literal
from datamon.query.language.statement import Placed, Select
from datamon.query.values import Params


def plain_sql(select: Select, params: Params) -> str:
    """The SELECT in DuckDB's dialect with its sources by their names, and its parameters' values in their places."""
    parts = []
    for piece in select.pieces:
        if isinstance(piece, Placed):
            parts.append(f"FROM {piece.name}" if piece.whole else piece.name)
        else:
            parts.append(literal(params[piece.value]) if piece.kind == "param" else piece.sql)
    return " ".join(parts)


def with_sources(sql: str, sources: Mapping[str, str]) -> str:
    """`sql` with each of these sources, a SELECT by its name, defined in front of everything that it defines itself. Raises
    sqlglot.errors.SqlglotError."""
    [tree] = sqlglot.parse(sql, read="duckdb")
    assert isinstance(tree, exp.Query)
    while isinstance(tree, exp.Subquery):
        tree = tree.unnest()
    own: Sequence[exp.Expression] = tree.ctes
    recursive = bool(tree.args["with_"].args.get("recursive")) if own else False
    made = [
        exp.CTE(this=sqlglot.parse_one(text, read="duckdb"), alias=exp.TableAlias(this=exp.to_identifier(name)))
        for name, text in sources.items()
    ]
    if made:
        tree.set("with_", exp.With(expressions=[*made, *own], recursive=recursive))
    return tree.sql("duckdb")
