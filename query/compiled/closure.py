"""UPSTREAM OF, DOWNSTREAM OF and AFFECTED BY as one recursive SELECT."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from datamon.query.compiled.arcs import arcs
from datamon.query.compiled.levels import levels, reached
from datamon.query.compiled.literals import listed, literal
from datamon.query.compiled.names import named
from datamon.query.sources.closure import Walk

_PART = """
        AND NOT (a.at_id = {bundle} AND a.next_id NOT IN (
            SELECT i.run FROM kept.inputs AS i WHERE i.bundle = {bundle} AND CASE WHEN i.observed THEN
                EXISTS (SELECT 1 FROM (
                    SELECT ltrim(i.path || '/' || c.path, '/') AS path FROM kept.accesses AS c
                    WHERE c.run = i.run AND c.role = i.role AND c.kind = 'read') AS r
                    WHERE r.path = {path} OR starts_with({path}, rtrim(r.path, '/') || '/')
                        OR starts_with(r.path, {path} || '/'))
                ELSE i.path = '' OR i.path = {path} OR starts_with({path}, i.path || '/')
                    OR starts_with(i.path, {path} || '/') END))"""


@dataclass(frozen=True, slots=True)
class Predicates:
    """STOP AT and VIA of a source as SQL over the columns of a node, empty where they were not said; `name` is what the source
    is called."""

    name: str = "source"
    stops: str = ""
    via: str = ""


def closure_sql(walk: Walk, predicates: Predicates, cause: str | None = None) -> str:
    """The SELECT that gives the rows of `sources.closure.closure_rows`; with `cause` those of AFFECTED BY."""
    begun = tuple(node.id for node in walk.starts if node.kind == "run")
    kept = replace(walk.kept, runs=(*walk.kept.runs, *begun))
    parts = [*_starts(walk), arcs(kept, walk.direction), _ways(walk), *_candidates(walk, predicates)]
    parts += [_steps(predicates), levels("spot", _first(predicates), "step", _hops(walk)), _met(predicates)]
    parts += [_nodes(walk, predicates), named("called", "node")]
    return "WITH RECURSIVE " + ",\n".join(parts) + "\n" + _rows(walk, cause)


def _hops(walk: Walk) -> int | None:
    return None if walk.within is None else 2 * walk.within


def _starts(walk: Walk) -> Iterator[str]:
    """Where the walk begins, with the deleted bundles that those stand in for."""
    bundles = listed(node.id for node in walk.starts if node.kind == "bundle")
    runs = listed(node.id for node in walk.starts if node.kind == "run")
    yield f"""given(kind, id) AS (
    SELECT 'bundle', b.id FROM with_system.bundles AS b WHERE b.id IN ({bundles})
    UNION
    SELECT 'run', r.id FROM with_system.runs AS r WHERE r.id IN ({runs})
)"""
    yield """stood(id) AS (
    SELECT d.bundle FROM kept.deletions AS d JOIN given AS g ON d.replaced_by = g.id
    UNION
    SELECT d.bundle FROM kept.deletions AS d JOIN stood AS b ON d.replaced_by = b.id
)"""
    yield "start(kind, id) AS (SELECT g.kind, g.id FROM given AS g UNION SELECT 'bundle', s.id FROM stood AS s)"


def _ways(walk: Walk) -> str:
    """The edges that a walk may follow: none back to where it began, and from a part of a bundle only to who read it."""
    part = ""
    if walk.target is not None and walk.target.path and walk.direction == "downstream":
        part = _PART.format(bundle=literal(walk.target.id), path=literal(walk.target.path))
    return f"""way AS (
    SELECT a.at_kind, a.at_id, a.next_kind, a.next_id, a.role, a.how
    FROM arc AS a
    WHERE a.next_id NOT IN (SELECT s.id FROM start AS s){part}
)"""


def _candidates(walk: Walk, predicates: Predicates) -> Iterator[str]:
    """What the predicates are asked of: all that can be reached without them."""
    if not predicates.stops and not predicates.via:
        return
    if walk.within is None:
        yield reached("touched", "SELECT s.id FROM start AS s", "way")
    else:
        yield levels("touched", "SELECT s.id FROM start AS s", "way", _hops(walk))
    begun = "UNION\n    SELECT g.kind, g.id FROM given AS g" if walk.themselves else ""
    yield f"""asked(kind, id) AS (
    SELECT DISTINCT w.next_kind, w.next_id FROM way AS w JOIN touched AS t ON t.id = w.next_id
    {begun}
)"""
    yield named("candidate", "asked")
    for kind, predicate, chosen in (("stops", predicates.stops, "stopped"), ("via", predicates.via, "wanted")):
        if predicate:
            relation = f"{predicates.name}_{kind}"
            starts = " AND id NOT IN (SELECT s.id FROM start AS s)" if kind == "stops" and predicates.via else ""
            yield f"{relation} AS (SELECT c.kind, c.id, c.name, c.repo, c.ref FROM candidate AS c)"
            yield f"{chosen}(id) AS (SELECT id FROM {relation} WHERE ({predicate}){starts})"


def _steps(predicates: Predicates) -> str:
    """One step of a walk. With VIA a place is a node and whether the way went through a wanted one, `…1`, or not yet, `…0`."""
    columns = "w.next_kind AS kind, w.next_id AS node, w.at_kind AS via_kind, w.at_id AS via, w.role, w.how"
    stop = " WHERE w.at_id NOT IN (SELECT s.id FROM stopped AS s)" if predicates.stops else ""
    if not predicates.via:
        return f"step AS (\n    SELECT w.at_id, w.next_id, {columns}\n    FROM way AS w{stop}\n)"
    return f"""step AS (
    SELECT w.at_id || '0' AS at_id, w.next_id || CASE WHEN v.id IS NULL THEN '0' ELSE '1' END AS next_id, {columns}
    FROM way AS w LEFT JOIN wanted AS v ON v.id = w.next_id{stop}
    UNION ALL
    SELECT w.at_id || '1', w.next_id || '1', {columns}
    FROM way AS w{stop}
)"""


def _first(predicates: Predicates) -> str:
    if not predicates.via:
        return "SELECT s.id FROM start AS s"
    passed = "CASE WHEN s.kind = 'run' AND s.id IN (SELECT v.id FROM wanted AS v) THEN '1' ELSE '0' END"
    return f"SELECT s.id || {passed} FROM start AS s"


def _met(predicates: Predicates) -> str:
    """Each node once: at its nearest, with the edge by which it was met first."""
    passed = " WHERE right(s.id, 1) = '1'" if predicates.via else ""
    return f"""met(kind, id, hop, how, via) AS (
    SELECT m.kind, m.node, m.hop, m.how, m.via FROM (
        SELECT t.kind, t.node, s.hop, t.how, t.via, row_number() OVER (
            PARTITION BY t.node ORDER BY s.hop, t.via_kind, t.at_id, coalesce(t.role, ''), t.how) AS place
        FROM spot AS s JOIN step AS t ON t.next_id = s.id JOIN spot AS p ON p.id = t.at_id AND p.hop = s.hop - 1{passed}
    ) AS m
    WHERE m.place = 1
)"""


def _nodes(walk: Walk, predicates: Predicates) -> str:
    """The nodes with their depth in runs. What leads to runs has these as its first rows, and what they lead to lies further."""
    depth = "CAST((m.hop + m.hop % 2) / 2 AS BIGINT)"
    if not walk.themselves:
        return f"node(kind, id, depth, how, via) AS (SELECT m.kind, m.id, {depth}, m.how, m.via FROM met AS m)"
    passed = " WHERE g.id IN (SELECT v.id FROM wanted AS v)" if predicates.via else ""
    within = "" if walk.within is None else f" WHERE n.depth <= {walk.within}"
    return f"""node(kind, id, depth, how, via) AS (
    SELECT n.kind, n.id, n.depth, n.how, n.via FROM (
        SELECT g.kind, g.id, CAST(1 AS BIGINT) AS depth, 'declared' AS how, CAST(NULL AS VARCHAR) AS via
        FROM given AS g{passed}
        UNION ALL
        SELECT m.kind, m.id, {depth} + CASE WHEN m.kind = 'run' THEN 1 ELSE 0 END, m.how, m.via FROM met AS m
    ) AS n{within}
)"""


def _rows(walk: Walk, cause: str | None) -> str:
    begins = "bundle" if walk.themselves or not walk.starts else walk.starts[0].kind
    shown = [] if walk.at == "any" else [f"n.kind = {literal(walk.at)}"]
    shown += [] if walk.deleted else ["NOT c.deleted"]
    where = f"\n    WHERE {' AND '.join(shown)}" if shown else ""
    because = f",\n    CASE WHEN f.depth = 1 THEN {literal(cause)} ELSE 'upstream' END AS cause" if cause else ""
    return f"""SELECT f.kind, f.id, f.name, f.repo, f.ref, f.depth, f.how, f.via_id,
    f.place = {walk.cap} AND f.everything > {walk.cap} AS truncated{because}
FROM (
    SELECT n.kind, n.id, c.name, c.repo, c.ref, n.depth, n.how, n.via AS via_id, count(*) OVER () AS everything,
        row_number() OVER (
            ORDER BY n.depth, CASE WHEN n.kind = '{begins}' THEN 1 ELSE 0 END, coalesce(c.name, ''), n.kind, n.id) AS place
    FROM node AS n JOIN called AS c ON c.kind = n.kind AND c.id = n.id{where}
) AS f
WHERE f.place <= {walk.cap}
ORDER BY f.place"""
