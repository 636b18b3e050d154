"""WHAT PRODUCED as a SELECT."""

from collections.abc import Iterable

from datamon.query.compiled.literals import listed, literal
from datamon.query.language.references import Target


def produced_sql(target: Target, contents: Iterable[str]) -> str:
    """The SELECT that gives the rows of `sources.produced.producers`; `contents` are the contents of bundles that count."""
    return f"""SELECT o.run, r.pipeline, r.step, r.status, r.started, r.ended, r.author, r.code, o.repo, o.bundle,
    {literal(target.content)} AS content, o.role
FROM with_system.outputs AS o JOIN with_system.runs AS r ON r.id = o.run
LEFT JOIN with_system.bundles AS b ON b.id = o.bundle AND b.repo = o.repo
WHERE o.repo = {literal(target.repo)} AND o.content IN ({listed(sorted(contents))})
ORDER BY CASE WHEN r.status = 'succeeded' THEN 0 ELSE 1 END, b.position NULLS LAST, r.ended NULLS LAST, o.run, o.role"""
