"""The causes that need no other bundle to be stale, each a SELECT over what was recorded and what is known of now."""

from datamon.query.compiled.sentences import appeared, code, env, inputs, params, superseded

_SENTENCES = (inputs.SQL, appeared.SQL, code.SQL, params.SQL, env.SQL, superseded.SQL)


def relations() -> list[str]:
    """Definitions of `newest` (of each production, the newest of its slot) and of `change(production, cause, subject, was,
    becomes)`."""
    return [
        _JUDGED,
        _NEWEST,
        "change(production, cause, subject, was, becomes) AS (\n" + "\nUNION\n".join(_SENTENCES) + "\n)",
    ]


_JUDGED = """judged AS (
    SELECT p.* FROM production AS p WHERE p.production IN (
        SELECT o.production FROM of_content AS o JOIN concerned AS c ON c.id = o.bundle)
)"""
_NEWEST = """newest AS (
    SELECT n.* FROM (
        SELECT p.*, row_number() OVER (
            PARTITION BY p.pipeline, p.step, p.role, p.repo, p.branch
            ORDER BY p.position DESC, p.run DESC, p.production) AS place
        FROM production AS p
    ) AS n
    WHERE n.place = 1
)"""
