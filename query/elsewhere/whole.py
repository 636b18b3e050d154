"""A statement as the one SELECT that an engine elsewhere answers: its sources spelled out in front of it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, SchemaError
from sqlglot.optimizer.qualify import qualify

from datamon.query.asking import Columns
from datamon.query.compiled.literals import literal
from datamon.query.language.statement import Placed, Select, stem
from datamon.query.relations import RELATIONS
from datamon.query.sources import closure, closures, paths, plan, produced, stale
from datamon.query.values import Params

Tables = Mapping[str, Sequence[tuple[str, str]]]
"""The columns of relations, each with its name and its type."""
COLUMNS: Mapping[str, Columns] = {
    "upstream": closure.COLUMNS,
    "downstream": closure.COLUMNS,
    "affected": closures.AFFECTED_COLUMNS,
    "stale": stale.COLUMNS,
    "produced": produced.COLUMNS,
    "paths": paths.COLUMNS,
    "plan": plan.COLUMNS,
}
"""The columns of each source, by what it is called where a SELECT needs a name for it."""


def plain_sql(select: Select, params: Params) -> str:
    """The SELECT in DuckDB's dialect with its sources by their names, and its parameters' values in their places."""
    parts = []
    for piece in select.pieces:
        if isinstance(piece, Placed):
            parts.append(f"FROM {piece.name}" if piece.whole else piece.name)
        else:
            parts.append(literal(params[piece.value]) if piece.kind == "param" else piece.sql)
    return " ".join(parts)


def with_sources(sql: str, sources: Mapping[str, str], tables: Tables) -> str:
    """`sql` with each of these sources, a SELECT by its name, defined in front of what it defines itself, and its stars spelled
    out; `tables` are the columns of all relations that it may read, with their types. Raises
    sqlglot.errors.SqlglotError."""
    [tree] = sqlglot.parse(sql, read="duckdb")
    assert isinstance(tree, exp.Query)
    with suppress(OptimizeError, SchemaError):  # what cannot be spelled out is left as it is
        tree = qualify(
            tree,
            dialect="duckdb",
            schema={name: dict(columns) for name, columns in tables.items()},
            validate_qualify_columns=False,
        )
        assert isinstance(tree, exp.Query)
    own: Sequence[exp.Expression] = tree.ctes
    recursive = bool(tree.args["with_"].args.get("recursive")) if own else False
    made = [
        exp.CTE(this=sqlglot.parse_one(text, read="duckdb"), alias=exp.TableAlias(this=exp.to_identifier(name)))
        for name, text in sources.items()
    ]
    if made:
        tree.set("with_", exp.With(expressions=[*made, *own], recursive=recursive))
    return tree.sql("duckdb")


def tables_of(select: Select) -> dict[str, Columns]:
    """The columns of everything that a statement may read."""
    relations: dict[str, Columns] = {
        name: [(column.name, column.type) for column in known.columns] for name, known in RELATIONS.items()
    }
    return relations | {
        placed.name: COLUMNS[stem(placed.source)] for placed in select.sources if stem(placed.source) in COLUMNS
    }
