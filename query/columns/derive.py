"""Deriving the lineage of columns from a SQL text and the schemas of the tables that it reads; no data is read."""

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope

from datamon.errors import Invalid
from datamon.query.columns.lineage import Schemas, TableColumn, TableLineage
from datamon.query.columns.scopes import NOTHING, ScopeWalk, table_name

DIALECT = "duckdb"
ANSWER = "result"
"""The name of the table that a bare SELECT makes."""


def derive(sql: str, schemas: Schemas) -> tuple[TableLineage, ...]:
    """The lineage of each table that the statements of `sql` make (`CREATE TABLE … AS`, or a bare SELECT, which makes `result`),
    in terms of the columns in `schemas`: through temporary tables, views and tables made by earlier statements.

    Raises Invalid (`no-column-lineage`) where it cannot be told: a statement that sqlglot does not understand, a column that no
    table has.
    """
    try:
        statements = [each for each in sqlglot.parse(sql, dialect=DIALECT) if each is not None]
        return tuple(_Script(schemas).run(statements))
    except (SqlglotError, ValueError, KeyError, RecursionError) as error:
        said = " ".join(str(error).split())[:300]
        raise Invalid("no-column-lineage", f"where the columns come from cannot be told: {said}") from error


class _Script:
    """The tables known so far: those read, and those made with what they are made from. Names are compared in small letters, as
    DuckDB does, and given back as the schemas write them."""

    def __init__(self, schemas: Schemas) -> None:
        self._known = {
            name.lower(): {column.lower(): kind for column, kind in columns.items()}
            for name, columns in schemas.items()
        }
        self._written = {
            TableColumn(name.lower(), column.lower()): TableColumn(name, column)
            for name, columns in schemas.items()
            for column in columns
        }
        self._names = {name.lower(): name for name in schemas}
        self._made: dict[str, TableLineage] = {}

    def run(self, statements: list[exp.Expr]) -> list[TableLineage]:
        kept: list[str] = []
        for statement in statements:
            name, query, is_kept = _made_by(statement)
            self._made[name.lower()] = lineage = self._lineage(name, query)
            self._known[name.lower()] = dict.fromkeys((column.lower() for column in lineage.values), "UNKNOWN")
            kept += [name.lower()] if is_kept else []
        return [self._made[name] for name in dict.fromkeys(kept)]

    def _lineage(self, name: str, query: exp.Query) -> TableLineage:
        query = query.copy()
        read = self._name_tables(query)
        schema: dict[str, object] = {table: self._known[table] for table in read}
        qualified = qualify(query, schema=schema, dialect=DIALECT, quote_identifiers=False)
        _refuse_unfollowed(qualified)
        root = build_scope(qualified)
        if root is None:
            raise ValueError("it is no SELECT")
        walk = ScopeWalk(root)
        values = {column: self._first(found) for column, found in walk.values().items()}
        influences = {kind: self._first(found) for kind, found in walk.influences().items()}
        for table in read & self._made.keys():
            for kind, found in self._made[table].influences.items():
                influences[kind] = influences.get(kind, NOTHING) | found
        tables = frozenset[str]().union(*(self._first_tables(table) for table in read))
        return TableLineage(name, values, {kind: found for kind, found in influences.items() if found}, tables)

    def _first_tables(self, table: str) -> frozenset[str]:
        """The tables, as the schemas call them, that no statement made, behind one that is read."""
        return self._made[table].read if table in self._made else frozenset({self._names[table]})

    def _name_tables(self, query: exp.Query) -> set[str]:
        """Every table that is read is called by its one name, with its own name as alias. Raises KeyError for one not known."""
        scope = build_scope(query)
        tables = {id(each): each for inner in (scope.traverse() if scope else ()) for each in inner.sources.values()}
        read: set[str] = set()
        for table in tables.values():
            if isinstance(table, exp.Table) and table.name:
                name = self._one_name(table_name(table).lower())
                if not table.alias:
                    table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
                for part in ("catalog", "db"):
                    table.set(part, None)
                table.set("this", exp.to_identifier(name, quoted=True))
                read.add(name)
        return read

    def _one_name(self, said: str) -> str:
        if said in self._known:
            return said
        whole = [name for name in self._known if name.endswith(f".{said}")]
        if len(whole) != 1:
            raise ValueError(f"the table {said} is {'not known' if not whole else 'in several inputs'}")
        return whole[0]

    def _first(self, read: frozenset[TableColumn]) -> frozenset[TableColumn]:
        """The same in terms of tables that no statement made."""
        found = NOTHING
        for each in read:
            made = self._made.get(each.table)
            columns = {name.lower(): values for name, values in made.values.items()} if made else {}
            found |= columns[each.column] if made else {self._written.get(each, each)}
        return found


def _made_by(statement: exp.Expr) -> tuple[str, exp.Query, bool]:
    """The name of what a statement makes, the query that it is made by, and whether it is kept."""
    if isinstance(statement, exp.Query):
        return ANSWER, statement, True
    if isinstance(statement, exp.Create) and isinstance(statement.expression, exp.Query):
        properties = statement.args.get("properties")
        is_temporary = properties is not None and properties.find(exp.TemporaryProperty) is not None
        name = statement.find(exp.Table)
        if name is not None and statement.kind in ("TABLE", "VIEW"):
            return name.name, statement.expression, statement.kind == "TABLE" and not is_temporary
    raise ValueError(f"only SELECT and CREATE TABLE or VIEW … AS SELECT are understood, not {statement.key.upper()}")


def _refuse_unfollowed(query: exp.Expr) -> None:
    """Raises ValueError for what would be followed wrongly."""
    for node in query.walk():
        is_star = isinstance(node, exp.Star) and isinstance(node.parent, exp.Select | exp.Column)
        is_unknown = is_star or isinstance(node, exp.Columns | exp.TableColumn | exp.Pivot)
        if is_unknown and node.find_ancestor(exp.Exists) is None:
            raise ValueError(f"which columns {node.sql(DIALECT)} stands for is not known")
        if isinstance(node, exp.SetOperation) and node.args.get("by_name"):
            raise ValueError("a set operation BY NAME is not followed")
