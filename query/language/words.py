"""The words of the language, as a person types them."""

from typing import get_args

from datamon.query.language.statement import ASPECTS, CAUSES, Including, Level, Using
from datamon.query.language.typed import CHANGES

BEGINNINGS = (
    *("UPSTREAM OF", "DOWNSTREAM OF", "AFFECTED BY", "PATHS FROM", "PLAN FOR", "STALE", "DIFF"),
    *("WHAT PRODUCED", "WHAT USED", "WHAT CONTAINS", "WHAT IS STALE", "WHAT IS AFFECTED BY"),
    *("WHY IS", "WHY DOES", "WHY WAS run", "HOW TO REBUILD"),
    *("SELECT", "FROM", "WITH", "GRAPH", "EXPLAIN", "DESCRIBE", "SHOW RELATIONS"),
)
"""How a statement begins."""
WITH_EDGES = (*BEGINNINGS[:5], "WHAT PRODUCED", "WHAT USED")
"""What GRAPH takes."""
SOURCES = BEGINNINGS[:7]
"""What can stand where a table can."""
INSIDE = (
    *(
        "OF",
        "BY",
        "FROM",
        "FOR",
        "TO",
        "PRODUCED",
        "USED",
        "CONTAINS",
        "IS",
        "STALE",
        "AFFECTED BY",
        "DOES",
        "DIFFER FROM",
    ),
    *("WAS", "NOT REUSED", "TO REBUILD", "REBUILD", "REUSED", "RELATIONS", "IN", "BECAUSE", "ON", "STARTED"),
    *("AT", "WITHIN", "STOP AT (", "VIA (", "AS OF", "BY STARTED", "USING", "INCLUDING"),
)
"""What continues a source or a question."""
FORMS = (*CHANGES, "hash")
"""What says of which kind a reference is."""
CHOICES = tuple(
    dict.fromkeys(
        [each for each in get_args(Level) if each != "any"]
        + [*get_args(Using), *get_args(Including), *CAUSES, *ASPECTS, "all", *FORMS]
    )
)
"""What is chosen from: kinds, causes, forms of references."""
ARGUMENTS = tuple(
    f"{name} :=" for name in ("at", "within", "stop_at", "via", "as_of", "by", "using", "including", "on")
)
"""The arguments of function forms."""
AFTER_TABLE = (
    "WHERE",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "GROUP BY",
    "ORDER BY",
    "LIMIT",
    "UNION ALL",
    "HAVING",
    "AS",
    "SELECT",
)
"""What follows a table."""
IN_CLAUSES = (
    *("FROM", "AND", "OR", "NOT", "IN", "LIKE", "ILIKE", "BETWEEN", "IS NULL", "IS NOT NULL", "DISTINCT", "AS", "CASE"),
    *(
        "WHEN",
        "THEN",
        "ELSE",
        "END",
        "DESC",
        "ASC",
        "NULLS LAST",
        "QUALIFY",
        "OVER",
        "PARTITION BY",
        "FILTER",
        "OFFSET",
    ),
)
"""Other words of SELECT."""
CANDIDATE = ("kind", "id", "name", "repo", "ref")
"""What a predicate of STOP AT or VIA can speak of."""
