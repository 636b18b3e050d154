"""How far things are: level after level, each thing once."""


def levels(name: str, start: str, step: str, most: int | None = None) -> str:
    """Definitions of `<name>_level` and of `<name>(id, hop)`: how many steps each thing is at least from those that the SELECT
    `start` gives, themselves (hop 0) included; at most `most` steps. `step` is a relation `(at_id, next_id)`.

    A level is one row that holds what is on it and what was seen before, so that a way is never followed twice and a cycle ends:
    a row that carried a depth for each thing would be as many rows as there are lengths of ways to it.
    """
    bound = f" AND l.hop < {most}" if most is not None else ""
    return f"""{name}_level(hop, ids, seen) AS (
    SELECT 0, array_agg(s.id), array_agg(s.id) FROM ({start}) AS s(id)
    UNION ALL
    SELECT l.hop + 1, n.ids, n.seen
    FROM {name}_level AS l CROSS JOIN LATERAL (
        SELECT array_agg(x.next_id) AS ids, l.seen || array_agg(x.next_id) AS seen FROM (
            SELECT e.next_id FROM unnest(l.ids) AS f(id) JOIN {step} AS e ON e.at_id = f.id
            EXCEPT
            SELECT o.id FROM unnest(l.seen) AS o(id)
        ) AS x
    ) AS n
    WHERE n.ids IS NOT NULL{bound}
),
{name}(id, hop) AS (
    SELECT u.id, l.hop FROM {name}_level AS l CROSS JOIN unnest(l.ids) AS u(id)
)"""


def reached(name: str, start: str, step: str) -> str:
    """The definition of `<name>(id)`: what can be reached, with what it starts at, as a set."""
    return f"""{name}(id) AS (
    SELECT s.id FROM ({start}) AS s(id)
    UNION
    SELECT e.next_id FROM {name} AS r JOIN {step} AS e ON e.at_id = r.id
)"""
