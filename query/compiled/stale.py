"""STALE over tables: the sentences of `lineage.staleness` as relations, and the least set that they force, in one SELECT."""

from collections.abc import Sequence
from dataclasses import dataclass

from datamon.lineage.facts import CAUSES, Subject
from datamon.query.compiled import changes, history
from datamon.query.compiled.levels import levels, reached
from datamon.query.compiled.literals import literal, table_of
from datamon.query.compiled.now import NowKnown
from datamon.query.language.statement import Using


@dataclass(frozen=True, slots=True)
class Judged:
    """What is judged, and what of it is shown: `subjects` (None: what refs hold), of `repo` alone, for one cause, so many hops
    away at most. `using` says which reads count."""

    subjects: Sequence[Subject] | None = None
    repo: str | None = None
    because: str | None = None
    frozen: bool = False
    within: int | None = None
    using: Using = "any"


def stale_sql(judged: Judged, now: NowKnown) -> str:
    """The SELECT that gives the rows of `staleness.stale` for these subjects, nearest first."""
    parts = [*now.tables(), *history.relations(judged.using), _subjects(judged), _given(judged.frozen)]
    parts += [_passes(), reached("concerned", _ASKED, "passes"), *changes.relations()]
    parts += [_WRITTEN, _GONE, _ROUNDS, _STALE, _FRESH, _SETTLED, _OWN, _ABOVE]
    parts += [levels("distance", "SELECT DISTINCT o.bundle FROM own AS o", "below"), _ROOTS, _CAUSED]
    return "WITH RECURSIVE " + ",\n".join(parts) + "\n" + _rows(judged)


def _subjects(judged: Judged) -> str:
    if judged.subjects is not None:
        return table_of("subject", ("bundle", "ref"), [(each.bundle, each.ref) for each in judged.subjects])
    shown = [] if judged.frozen else ["NOT h.frozen"]
    shown += [] if judged.repo is None else [f"h.repo = {literal(judged.repo)}"]
    where = f" WHERE {' AND '.join(shown)}" if shown else ""
    return f"subject(bundle, ref) AS (SELECT h.bundle, h.repo || '@' || h.name FROM held AS h{where})"


def _given(frozen: bool) -> str:
    """The inputs that pass staleness on, each with the bundle that its ref gives now."""
    unfrozen = "" if frozen else " WHERE NOT h.frozen"
    return f"""given(production, via, bundle) AS (
    SELECT DISTINCT p.production, i.repo || '@' || i.ref, h.bundle
    FROM follows AS i JOIN production AS p ON p.run = i.run
    JOIN held AS h ON h.repo = i.repo AND h.name = i.ref{unfrozen}
)"""


def _passes() -> str:
    """From a bundle to what decides whether it is stale: what the refs of those give now who produced its content."""
    return """of_content(bundle, production) AS (
    SELECT DISTINCT w.bundle, p.production
    FROM production AS w JOIN production AS p ON p.bundle_repo = w.bundle_repo AND p.content = w.content
),
passes(at_id, next_id) AS (
    SELECT DISTINCT o.bundle, g.bundle FROM of_content AS o JOIN given AS g ON g.production = o.production
)"""


_ASKED = "SELECT b.id FROM bundle AS b WHERE b.id IN (SELECT s.bundle FROM subject AS s)"
_WRITTEN = """producer(bundle, production, changed) AS (
    SELECT o.bundle, o.production, o.production IN (SELECT c.production FROM change AS c)
    FROM of_content AS o WHERE o.bundle IN (SELECT c.id FROM concerned AS c)
)"""
_GONE = """gone(bundle) AS (
    SELECT m.bundle FROM missing AS m WHERE m.bundle IN (SELECT c.id FROM concerned AS c)
        AND m.bundle IN (SELECT b.id FROM bundle AS b)
)"""
_ROUNDS = """stale_round(number, ids, size) AS (
    SELECT 0, (SELECT array_agg(b.id) FROM bundle AS b WHERE FALSE), CAST(0 AS BIGINT)
    UNION ALL
    SELECT r.number + 1, n.ids, n.size
    FROM stale_round AS r CROSS JOIN LATERAL (
        SELECT array_agg(x.bundle) AS ids, count(*) AS size FROM (
            SELECT p.bundle FROM producer AS p
            EXCEPT
            SELECT p.bundle FROM producer AS p
            LEFT JOIN (
                SELECT DISTINCT g.production FROM given AS g JOIN unnest(r.ids) AS s(id) ON s.id = g.bundle
            ) AS b ON b.production = p.production
            WHERE NOT p.changed AND b.production IS NULL
            UNION
            SELECT g.bundle FROM gone AS g
        ) AS x
    ) AS n
    WHERE n.size > r.size
)"""
_STALE = """stale_bundle(bundle) AS (
    SELECT DISTINCT u.id FROM stale_round AS r CROSS JOIN unnest(r.ids) AS u(id)
)"""
_FRESH = """spared(bundle) AS (
    SELECT DISTINCT p.bundle FROM producer AS p
    WHERE NOT p.changed AND p.production NOT IN (
        SELECT g.production FROM given AS g JOIN stale_bundle AS s ON s.bundle = g.bundle)
)"""
_SETTLED = """settled(bundle, production) AS (
    SELECT w.bundle, w.production FROM writer AS w JOIN stale_bundle AS s ON s.bundle = w.bundle
    WHERE w.bundle NOT IN (SELECT g.bundle FROM gone AS g) OR w.bundle NOT IN (SELECT f.bundle FROM spared AS f)
)"""
_OWN = """own(bundle, cause, subject, was, becomes) AS (
    SELECT g.bundle, 'missing', g.bundle, b.content, CAST(NULL AS VARCHAR)
    FROM gone AS g JOIN bundle AS b ON b.id = g.bundle
    UNION
    SELECT s.bundle, c.cause, c.subject, c.was, c.becomes
    FROM settled AS s JOIN change AS c ON c.production = s.production
)"""
_ABOVE = """above(bundle, via, given) AS (
    SELECT s.bundle, g.via, g.bundle FROM settled AS s JOIN given AS g ON g.production = s.production
    JOIN stale_bundle AS t ON t.bundle = g.bundle
),
below(at_id, next_id) AS (SELECT DISTINCT a.given, a.bundle FROM above AS a)"""
_ROOTS = """root(bundle, root) AS (
    SELECT o.bundle, o.bundle FROM own AS o
    UNION
    SELECT a.bundle, r.root
    FROM root AS r JOIN above AS a ON a.given = r.bundle
    JOIN distance AS d ON d.id = a.bundle JOIN distance AS g ON g.id = a.given AND d.hop = g.hop + 1
)"""
_CAUSED = """caused(bundle, cause, subject, was, becomes, via, distance) AS (
    SELECT o.bundle, o.cause, o.subject, o.was, o.becomes, CAST(NULL AS VARCHAR), CAST(0 AS BIGINT) FROM own AS o
    UNION
    SELECT a.bundle, 'upstream', o.subject, o.was, o.becomes, a.via, CAST(d.hop + 1 AS BIGINT)
    FROM above AS a JOIN distance AS d ON d.id = a.given
    JOIN root AS r ON r.bundle = a.given JOIN own AS o ON o.bundle = r.root
    WHERE r.root <> a.bundle
)"""


def _rows(judged: Judged) -> str:
    shown = [] if judged.because is None else [f"c.cause = {literal(judged.because)}"]
    shown += [] if judged.within is None else [f"c.distance <= {judged.within}"]
    where = f"\n    WHERE {' AND '.join(shown)}" if shown else ""
    order = " ".join(f"WHEN '{cause}' THEN {place}" for place, cause in enumerate(CAUSES))
    return f"""SELECT f.output, f.ref, f.cause, f.subject, f.was AS "old", f.becomes AS "new", f.via, f.distance, f.last_status
FROM (
    SELECT DISTINCT s.bundle AS output, s.ref, c.cause, c.subject, c.was, c.becomes, c.via, c.distance, t.status AS last_status
    FROM subject AS s JOIN caused AS c ON c.bundle = s.bundle
    LEFT JOIN writer AS w ON w.bundle = s.bundle LEFT JOIN last_status AS t ON t.production = w.production{where}
) AS f
ORDER BY f.distance, coalesce(f.ref, ''), f.output, CASE f.cause {order} END, f.subject, coalesce(f.via, ''),
    coalesce(f.was, ''), coalesce(f.becomes, '')"""
