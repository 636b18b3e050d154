"""The lineage of one qualified SELECT: a walk through its scopes, from each output expression down to columns of tables.

Subqueries, CTEs and derived tables are scopes of their own; a set operation gives each column what its branches have at that
place. A recursive CTE is followed until nothing new is found."""

from collections.abc import Iterable

from sqlglot import exp
from sqlglot.errors import OptimizeError
from sqlglot.optimizer.scope import Scope

from datamon.query.columns.lineage import Kind, TableColumn

Columns = dict[str, frozenset[TableColumn]]
NOTHING: frozenset[TableColumn] = frozenset()


class ScopeWalk:
    """The columns of each scope below `root` with what they are calculated from."""

    def __init__(self, root: Scope) -> None:
        self.root = root
        self.has_cycle = False
        self._scopes = list(root.traverse())
        self._by_query = {id(scope.expression): scope for scope in self._scopes}
        self._found: dict[int, Columns] = {}
        self._open: set[int] = set()
        self._seed: dict[int, Columns] = {}
        """What an earlier walk found: where a recursive CTE reads itself, this stands for it."""

    def values(self) -> Columns:
        """The output columns in order, and the columns of tables that each is calculated from."""
        found = self._columns(self.root)
        while self.has_cycle:
            before, self.has_cycle = dict(self._found), False
            self._seed, self._found = before, {}
            found = self._columns(self.root)
            if self._found == before:
                break
        return found

    def influences(self) -> dict[Kind, frozenset[TableColumn]]:
        """The columns of tables that decide in any scope which rows there are."""
        found: dict[Kind, frozenset[TableColumn]] = {}
        for scope in self._scopes:
            for kind, deciding in _deciding(scope):
                found[kind] = found.get(kind, NOTHING) | self._of(deciding, scope)
            if _compares_rows(scope.expression):
                found["group"] = found.get("group", NOTHING).union(*map(self._everything, _branches(scope)))
        return {kind: columns for kind, columns in found.items() if columns}

    def _everything(self, scope: Scope) -> frozenset[TableColumn]:
        return NOTHING.union(*self._columns(scope).values())

    def _columns(self, scope: Scope) -> Columns:
        key = id(scope)
        if key in self._found:
            return self._found[key]
        if key in self._open:
            self.has_cycle = True
            return self._seed.get(key, {})
        self._open.add(key)
        self._found[key] = (
            self._set_operation(scope) if isinstance(scope.expression, exp.SetOperation) else self._selected(scope)
        )
        self._open.discard(key)
        return self._found[key]

    def _selected(self, scope: Scope) -> Columns:
        expression = scope.expression
        if isinstance(expression, exp.Subquery) and (inner := self._scope_of(expression.this)) is not None:
            return self._columns(inner)
        if not isinstance(expression, exp.Query):
            read = self._of(expression, scope)  # UNNEST and such: each column is made from all that goes in
            return _Anything(read)
        return {each.alias_or_name: self._of(each, scope) for each in expression.selects}

    def _set_operation(self, scope: Scope) -> Columns:
        left, right = (self._columns(branch) for branch in _branches(scope))
        if not right:
            return left
        return {
            name: one | other
            for (name, one), other in zip(left.items(), [*right.values(), *[NOTHING] * len(left)], strict=False)
        }

    def _of(self, expression: exp.Expr, scope: Scope) -> frozenset[TableColumn]:
        """What an expression reads, subqueries in it included by what they give."""
        found: frozenset[TableColumn] = NOTHING
        for node in expression.walk(prune=lambda each: each is not expression and isinstance(each, exp.Query)):
            if isinstance(node, exp.Column):
                found |= self._resolved(node, scope)
            elif isinstance(node, exp.Query) and node is not expression:
                inner = self._scope_of(node)
                if inner is not None and not isinstance(
                    node.parent, exp.Exists
                ):  # which columns it gives is of no matter there
                    found = found.union(*self._columns(inner).values())
        return found

    def _scope_of(self, query: exp.Expr) -> Scope | None:
        found = self._by_query.get(id(query))
        return self._scope_of(query.this) if found is None and isinstance(query, exp.Subquery) else found

    def _resolved(self, column: exp.Column, scope: Scope) -> frozenset[TableColumn]:
        if not column.table:
            named = [
                each
                for each in _selects(scope)
                if each.alias == column.name and column not in each.find_all(exp.Column)
            ]
            if not named and not _is_of_lambda(column):
                raise OptimizeError(f"the column {column.sql()} is in no table")
            return self._of(named[0], scope) if named else NOTHING
        source: object = None
        looked: Scope | None = scope
        while source is None and looked is not None:
            source, looked = looked.sources.get(column.table), looked.parent
        if isinstance(source, exp.Table):
            return frozenset({TableColumn(table_name(source), column.name)})
        if not isinstance(source, Scope):
            raise OptimizeError(f"the table of the column {column.sql()} is not known")
        around = source.expression.parent
        if isinstance(around, exp.SetOperation):  # a recursive CTE reads itself: sqlglot gives its first branch only
            source = self._by_query.get(id(around), source)
        columns = self._columns(source)
        return columns.get(column.name, NOTHING)


def _is_of_lambda(column: exp.Column) -> bool:
    around = column.find_ancestor(exp.Lambda)
    while around is not None:
        if any(each.name == column.name for each in around.expressions):
            return True
        around = around.find_ancestor(exp.Lambda)
    return False


def _branches(scope: Scope) -> list[Scope]:
    """The two sides of a set operation."""
    found: list[Scope] = scope.set_operation_scopes
    return found


def _compares_rows(query: exp.Expr) -> bool:
    return isinstance(query, exp.SetOperation) and bool(query.args.get("distinct") or not isinstance(query, exp.Union))


def _selects(scope: Scope) -> list[exp.Expr]:
    return list(scope.expression.selects) if isinstance(scope.expression, exp.Query) else []


class _Anything(Columns):
    """The columns of what makes rows from a value: whatever its name, each comes from all of it."""

    def __init__(self, read: frozenset[TableColumn]) -> None:
        super().__init__({"": read})

    def get(self, _name: str, _default: object = None) -> frozenset[TableColumn]:
        return self[""]


def table_name(table: exp.Table) -> str:
    """As schemas name it: with its repo when it was written so."""
    return ".".join(part.name for part in table.parts)


def _deciding(scope: Scope) -> Iterable[tuple[Kind, exp.Expr]]:
    """The parts of a scope's own query that decide which rows it gives."""
    query = scope.expression
    if not isinstance(query, exp.Query):
        return
    for part in ("where", "having", "qualify"):
        if query.args.get(part):
            yield "filter", query.args[part]
    for join in query.args.get("joins") or ():
        if join.args.get("on"):
            yield "join", join.args["on"]
    if query.args.get("group"):
        yield "group", query.args["group"]
        if query.args["group"].args.get("all"):
            yield from (("group", each) for each in query.selects if not each.find(exp.AggFunc))
    for part in ("limit", "offset"):
        if query.args.get(part):
            yield "filter", query.args[part]
    distinct = query.args.get("distinct")
    if isinstance(distinct, exp.Distinct):
        yield from (("group", each) for each in (distinct.args.get("on") and [distinct.args["on"]]) or query.selects)
    cut = (
        query.args.get("limit")
        or query.args.get("offset")
        or (isinstance(distinct, exp.Distinct) and distinct.args.get("on"))
    )
    if cut and query.args.get("order"):
        yield "order", query.args["order"]
    if query.args.get("sample"):
        yield "filter", query.args["sample"]
