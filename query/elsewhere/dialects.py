"""SQL of DuckDB's dialect as the text of another engine."""

import sqlglot
from sqlglot import exp

from datamon.query.elsewhere.rewrites import rewritten
from datamon.query.elsewhere.rewrites.bytewise import bytewise
from datamon.query.index.schema import KEPT, WITH_SYSTEM

DIALECTS = ("duckdb", "postgres", "bigquery", "snowflake", "trino")
"""What EXPLAIN can be printed for."""


def translated(sql: str, dialect: str, *, schema: str | None = None, pretty: bool = False) -> str:
    """The one statement `sql` in that dialect. With `schema` the relations are those that `index push` keeps: in that schema, the
    stored tables in `<schema>_kept`, and in `<schema>_with_system` the relations with the hidden repo. Raises
    sqlglot.errors.SqlglotError for what sqlglot cannot read or write."""
    [tree] = sqlglot.parse(sql, read="duckdb")
    assert tree is not None
    if dialect != "duckdb":
        tree = rewritten(tree)
    if dialect == "postgres":
        tree = tree.transform(bytewise)
    if schema is not None:
        _place(tree, schema)
    return tree.sql(dialect, pretty=pretty, unsupported_level=sqlglot.ErrorLevel.IGNORE)


def _place(tree: exp.Expr, schema: str) -> None:
    """The schemas of an index by their names elsewhere; `main` by none, so that a name of the statement's own WITH wins."""
    names = {KEPT: f"{schema}_kept", WITH_SYSTEM: f"{schema}_with_system", "main": schema}
    for table in tree.find_all(exp.Table):
        if table.db in names:
            table.set("db", exp.to_identifier(names[table.db], quoted=True))
