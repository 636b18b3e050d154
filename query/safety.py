"""What a SELECT may hold. The first of two lines: the second is the engine itself, which is locked down before it runs anything.

DuckDB's own parser gives the tree, so that what is looked at is what will run. Everything in it has to be on a list: kinds of
nodes, relations, functions. What is not known is refused.
"""

import json
from collections.abc import Collection, Iterator
from typing import Any

import duckdb

from datamon.errors import DatamonError
from datamon.query import functions
from datamon.query.compile import Compiled
from datamon.query.language.faults import Span, fault, hint, nearest

_EXPRESSIONS = frozenset(
    """BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT DEFAULT FUNCTION LAMBDA LAMBDA_REF OPERATOR PARAMETER
    POSITIONAL_REFERENCE STAR SUBQUERY TYPE WINDOW""".split()  # noqa: SIM905
)
_NODES = frozenset("SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE CTE_NODE".split())  # noqa: SIM905
_TABLES = frozenset("BASE_TABLE SUBQUERY JOIN EXPRESSION_LIST TABLE_FUNCTION EMPTY PIVOT COLUMN_DATA".split())  # noqa: SIM905
_OTHERS = frozenset(
    """LIMIT_MODIFIER LIMIT_PERCENT_MODIFIER ORDER_MODIFIER DISTINCT_MODIFIER ASCENDING DESCENDING ORDER_DEFAULT""".split()  # noqa: SIM905
)
_CALLS = functions.CALLABLE | functions.OPERATORS | functions.TABLES
_MOST_GROWTH = 10_000_000
"""What the counts of `functions.COUNTS` in one statement may come to, multiplied, since calls can lie in each other."""
_TREE = "SELECT json_serialize_sql(?::VARCHAR, skip_default := true, skip_empty := true, skip_null := true)"
Tree = dict[str, Any]
"""A node of the tree as DuckDB writes it. `Any` stops here."""


def check(connection: duckdb.DuckDBPyConnection, compiled: Compiled, relations: Collection[str]) -> frozenset[str]:
    """The relations that the SELECT reads, all of which are among `relations` (lower case).

    Raises Denied (`statement-refused`) for what a statement may not do, Invalid (`bad-statement`) for what is no SELECT, each
    pointing at its place.
    """
    try:
        (answer,) = connection.execute(_TREE, [compiled.sql]).fetchall()
        tree = json.loads(answer[0])
    except RecursionError as error:
        raise fault(compiled.text, compiled.spans[0], "the statement is nested too deeply to be read") from error
    if tree["error"]:
        raise _syntax(compiled, tree)
    if len(tree["statements"]) != 1:
        raise fault(compiled.text, compiled.spans[0], "expected one SELECT")
    nodes = list(_nodes(tree["statements"][0]["node"]))
    _check_growth(compiled, nodes)
    defined = {entry["key"].lower() for node in nodes for entry in node.get("map", ()) if "key" in entry}
    read = set()
    for node in nodes:
        if "class" in node:
            _check_expression(connection, compiled, node)
        elif node.get("type") == "TABLE_FUNCTION":
            _check_table_function(connection, compiled, node)
        elif node.get("type") == "BASE_TABLE":
            name = _check_table(compiled, node, relations, defined)
            read |= {name} - defined
        elif isinstance(node.get("type"), str) and not _is_known(node["type"]):
            raise _refused(compiled, node, f"{_plain(node['type'])} is refused: a statement only reads relations")
    return frozenset(read)


def _nodes(root: Tree) -> Iterator[Tree]:
    waiting: list[object] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _is_known(kind: str) -> bool:
    return kind in _NODES or kind in _TABLES or kind in _OTHERS or kind.endswith("_TYPE_INFO")


def _check_expression(connection: duckdb.DuckDBPyConnection, compiled: Compiled, node: Tree) -> None:
    if node["class"] not in _EXPRESSIONS:
        raise _refused(compiled, node, f"{_plain(node['class'])} is refused: a statement only reads relations")
    name = str(node.get("function_name", ""))
    if name and not {name.lower(), name.upper()} & _CALLS:
        raise _no_function(connection, compiled, node, name)


def _check_growth(compiled: Compiled, nodes: list[Tree]) -> None:
    """Values stay of a size that can be made in a moment. Rows of a table function do not count: they are made as they are
    read."""
    tables = {id(node["function"]) for node in nodes if node.get("type") == "TABLE_FUNCTION"}
    growth = 1
    for node in nodes:
        name = str(node.get("function_name", "")).lower()
        if node.get("class") != "FUNCTION" or name not in functions.COUNTS or id(node) in tables:
            continue
        counts = [_literal(each["expression"]) for each in node.get("arguments", ())[functions.COUNTS[name]]]
        if None in counts:
            raise _refused(compiled, node, f"{name} is refused here unless its numbers are written out")
        growth *= max([1, *(count for count in counts if count is not None)])
        if growth > _MOST_GROWTH:
            raise _refused(
                compiled, node, f"{name} would make a value of more than {_MOST_GROWTH:,} parts; make it smaller"
            )


def _literal(expression: Tree) -> int | None:
    """The size of a whole number that is written out."""
    literal = expression.get("literal", {})
    if expression.get("class") == "CONSTANT" and isinstance(literal, dict) and literal.get("kind") == "INTEGER":
        return abs(int(literal["text"]))
    if (
        expression.get("class") == "FUNCTION"
        and expression.get("function_name") == "-"
        and len(expression["arguments"]) == 1
    ):
        return _literal(expression["arguments"][0]["expression"])
    return None


def _check_table_function(connection: duckdb.DuckDBPyConnection, compiled: Compiled, node: Tree) -> None:
    name = str(node["function"].get("function_name", ""))
    if name.lower() not in functions.TABLES:
        raise _no_function(connection, compiled, node, name)


def _check_table(compiled: Compiled, node: Tree, relations: Collection[str], defined: Collection[str]) -> str:
    name = str(node.get("table_name", "")).lower()
    if "at_clause" in node:
        raise _refused(compiled, node, "AT (…) after a relation is refused; ref_history has every past state")
    if node.get("schema_name") or node.get("catalog_name"):
        raise _refused(compiled, node, "a relation is named by one word; SHOW RELATIONS lists them")
    if name not in relations and name not in defined:
        near = hint(name, {*relations, *defined})
        said = f"there is no relation {node.get('table_name', '')!r}{near or '; SHOW RELATIONS lists them'}"
        raise fault(compiled.text, _place(compiled, node), said, relation=name)
    return name


def _no_function(connection: duckdb.DuckDBPyConnection, compiled: Compiled, node: Tree, name: str) -> DatamonError:
    """Refused when the engine has it, else unknown."""
    place = _place(compiled, node)
    rows = connection.execute("SELECT 1 FROM duckdb_functions() WHERE lower(function_name) = ? LIMIT 1", [name.lower()])
    if rows.fetchall():
        return fault(compiled.text, place, f"the function {name} is refused in statements", code="statement-refused")
    near = hint(name, functions.CALLABLE | functions.TABLES)
    return fault(compiled.text, place, f"there is no function {name!r}{near}")


def _refused(compiled: Compiled, node: Tree, said: str) -> DatamonError:
    return fault(compiled.text, _place(compiled, node), said, code="statement-refused")


def _place(compiled: Compiled, node: Tree) -> Span:
    offset = node.get("query_location")
    return compiled.at_byte(offset) if isinstance(offset, int) and offset < len(compiled.sql) * 4 else compiled.spans[0]


def _syntax(compiled: Compiled, tree: Tree) -> DatamonError:
    message, offset = str(tree["error_message"]), str(tree.get("position", ""))
    if "Only SELECT statements" in message:
        said = "expected a SELECT over relations; PIVOT, SUMMARIZE and statements that change something are refused"
        return fault(compiled.text, compiled.spans[0], said, code="statement-refused")
    if not offset.isdigit():
        return fault(compiled.text, compiled.spans[0], _first_line(message))
    at_end = int(offset) >= len(compiled.sql.encode())
    place = (
        Span(len(compiled.text.rstrip()), len(compiled.text.rstrip()) + 1) if at_end else compiled.at_byte(int(offset))
    )
    word = compiled.text[place.start : place.end]
    if at_end or not word.strip():
        return fault(compiled.text, place, "the SELECT ends too early")
    before = compiled.before(place)
    meant = nearest(compiled.text[before.start : before.end], _KEYWORDS, likeness=0.75)
    if meant and len(meant) > 3 and meant != compiled.text[before.start : before.end].upper():
        return fault(compiled.text, before, f"expected a word of SQL; did you mean {meant}?")
    missing = ", or something is missing after it" if place == compiled.spans[-1] else ""
    return fault(compiled.text, place, f"{word} was not expected here{missing}{hint(word, _KEYWORDS)}")


_KEYWORDS = tuple(
    """SELECT FROM WHERE GROUP ORDER BY LIMIT OFFSET HAVING QUALIFY JOIN LEFT RIGHT FULL INNER OUTER CROSS ON USING UNION EXCEPT
    INTERSECT ALL DISTINCT WITH RECURSIVE AS AND OR NOT IN IS NULL LIKE ILIKE BETWEEN CASE WHEN THEN ELSE END ASC DESC""".split()  # noqa: SIM905
)


def _first_line(message: str) -> str:
    first = message.strip().splitlines()[0] if message.strip() else "the SELECT cannot be read"
    return first.split(". Use ")[0].rstrip("!. ")


def _plain(kind: str) -> str:
    return kind.removesuffix("_NODE").removesuffix("_QUERY").removesuffix("_REF").replace("_", " ")
