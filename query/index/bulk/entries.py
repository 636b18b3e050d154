"""Entries of repos' logs as most look: their rows by SQL, the same that `derive` makes."""

from typing import Final

from datamon.query.index.bulk.shapes import ENTRY, ENTRY_IS_WHOLE

READ: Final = (
    f"""CREATE OR REPLACE TEMP TABLE entries AS
    SELECT repo, number, coalesce({ENTRY_IS_WHOLE}, false) AS whole, r.* EXCLUDE (number), body
    FROM (SELECT repo, number, body, from_json(body, '{ENTRY}') AS r FROM entry_news)""",  # noqa: S608 (all names are ours)
)
"""Statements that read the Arrow table `entry_news` (`repo`, `number`, `body`)."""
LEFT: Final = "SELECT repo, number, body FROM entries WHERE NOT whole ORDER BY repo, number"
"""What is left to Python."""

_MADE = "CASE kind WHEN 'commit' THEN [bundle] WHEN 'delete' THEN made END"
ROWS: Final[dict[str, str]] = {
    "log_entries": "SELECT repo, number, kind, body FROM entries WHERE whole",
    "bundles": f"""SELECT b.id, repo, number, b.content, b.manifest, b.parents, b.author.name, b.author.email,
        make_timestamp(b.time // 1000), b.message, b.entries, b.bytes, nullif(b.run, ''), b.role
        FROM (SELECT repo, number, unnest({_MADE}) AS b FROM entries WHERE whole)""",  # noqa: S608
    "ref_history": """SELECT repo, m.ref, if(m.ref_kind = 'label', 'label', 'branch'), number, place - 1, nullif(m.old, ''),
        nullif(m.new, ''), coalesce(m.frozen, false), author.name, author.email,
        make_timestamp(coalesce(origin.time, time) // 1000), nullif(if(kind = 'commit', bundle.run, run), '')
        FROM (SELECT repo, number, kind, author, origin, time, bundle, run, unnest(moves) AS m,
            generate_subscripts(moves, 1) AS place FROM entries WHERE whole)""",
}
"""The rows of each kept table, in the order of its columns."""
