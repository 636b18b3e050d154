"""What the graph's file says of nodes: names, deletions, who produced a content, and which run a reference means."""

import datetime
import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from datamon.query.graph.in_memory import Node

Row = tuple[object, ...]
_ID_LENGTH = 27
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001  all our times are UTC and carry no zone

_DELETED = "(p.deleted IS NOT NULL OR EXISTS (SELECT 1 FROM deletions d WHERE d.repo = b.repo AND d.bundle = b.id))"
_STEPS = """SELECT r.id, s.pipeline || '/' || s.step FROM runs r JOIN steps s ON s.n = r.step
    WHERE r.id IN (SELECT value FROM json_each(?))"""
_BUNDLES = f"""SELECT b.id, coalesce(p.shown, b.repo), {_DELETED} FROM bundles b LEFT JOIN repos p ON p.id = b.repo
    WHERE b.repo IS NOT NULL AND b.id IN (SELECT value FROM json_each(?))"""  # noqa: S608
_REFS = """SELECT t.bundle, t.ref, t.kind FROM refs t LEFT JOIN repos p ON p.id = t.repo
    WHERE p.deleted IS NULL AND t.bundle IN (SELECT value FROM json_each(?))"""
_DELETIONS = """
    SELECT coalesce(p.shown, d.repo), d.bundle, d.time, d.author, d.reason, d.replaced_by
    FROM deletions d LEFT JOIN repos p ON p.id = d.repo
    WHERE d.bundle IN (SELECT value FROM json_each(?1)) AND NOT EXISTS (SELECT 1 FROM deletions e
        WHERE e.repo = d.repo AND e.bundle = d.bundle AND e.position < d.position)
    UNION ALL
    SELECT p.shown, b.id, p.deleted, p.deleted_by, p.reason, NULL FROM bundles b JOIN repos p ON p.id = b.repo
    WHERE p.deleted IS NOT NULL AND b.id IN (SELECT value FROM json_each(?1))
        AND NOT EXISTS (SELECT 1 FROM deletions e WHERE e.repo = b.repo AND e.bundle = b.id)
    ORDER BY 3, 2"""
_WROTE = """
    SELECT r.id, s.pipeline, s.step, r.status, r.started, r.ended, r.author, r.code, w.repo, w.bundle, w.role, w.position
    FROM (
        SELECT o.run, o.role, coalesce(p.shown, o.repo_name) AS repo, b.id AS bundle,
            CASE WHEN coalesce(q.shown, b.repo) = coalesce(p.shown, o.repo_name) THEN b.position END AS position
        FROM outputs o LEFT JOIN repos p ON p.id = o.repo JOIN bundles b ON b.n = o.bundle LEFT JOIN repos q ON q.id = b.repo
        WHERE o.content = ?1
        UNION ALL
        SELECT b.run, b.role, coalesce(p.shown, b.repo), b.id, b.position FROM bundles b LEFT JOIN repos p ON p.id = b.repo
        WHERE b.content = ?1 AND b.run IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM outputs o WHERE o.run = b.run AND o.bundle = b.n)
    ) w JOIN runs r ON r.n = w.run JOIN steps s ON s.n = r.step
    WHERE w.repo = ?2
    ORDER BY r.status = 'succeeded' DESC, w.position NULLS LAST, r.ended NULLS LAST, r.id, w.role NULLS LAST"""
_STOOD_IN = """WITH RECURSIVE before(id) AS (
        SELECT bundle FROM deletions WHERE replaced_by = ?
        UNION SELECT d.bundle FROM deletions d JOIN before b ON d.replaced_by = b.id)
    SELECT id FROM before ORDER BY id"""


def moment(microseconds: int | None) -> datetime.datetime | None:
    """The time so long after 1970, in UTC and without zone. Raises OverflowError."""
    return None if microseconds is None else _EPOCH + datetime.timedelta(microseconds=microseconds)


class FileNames:
    """What the file calls nodes, as `closure.Names`."""

    def __init__(self, file: sqlite3.Connection, nodes: Sequence[Node]) -> None:
        bundles = [node.id for node in nodes if node.kind == "bundle"]
        self._steps = dict(_ask(file, _STEPS, [node.id for node in nodes if node.kind == "run"]))
        known = _ask(file, _BUNDLES, bundles)
        self._repos = {identity: repo for identity, repo, _ in known}
        self.deleted = frozenset(identity for identity, _, deleted in known if deleted)
        refs = _ask(file, _REFS, bundles)
        self._refs: dict[str, str] = {}
        for kind in ("branch", "label"):
            named = sorted(((bundle, ref) for bundle, ref, of in refs if of == kind), reverse=True)
            self._refs |= dict(named)

    def row(self, node: Node) -> Row:
        """As `NodeNames.row`."""
        if node.kind == "run":
            return ("run", node.id, self._steps.get(node.id), None, None)
        repo, ref = self._repos.get(node.id), self._refs.get(node.id)
        return ("bundle", node.id, f"{repo}@{ref or node.id}" if repo else None, repo, ref)


def _ask(file: sqlite3.Connection, sql: str, ids: Collection[str]) -> list[Any]:
    return file.execute(sql, (json.dumps(list(ids)),)).fetchall() if ids else []


def stood_in_for(file: sqlite3.Connection, bundles: Iterable[str]) -> list[Node]:
    """The deleted bundles that these stand in for: each, and what that one stood in for."""
    return [Node("bundle", before) for bundle in bundles for (before,) in file.execute(_STOOD_IN, (bundle,))]


def deletions(file: sqlite3.Connection, bundles: Sequence[str]) -> list[Row]:
    """Of those that were deleted: repo@bundle, when, who, why and what stands in for it, by time."""
    rows: list[Row] = []
    for repo, bundle, time, author, reason, instead in _ask(file, _DELETIONS, bundles):
        when = moment(time)
        rows.append((f"{repo}@{bundle}", f"{when:%Y-%m-%dT%H:%M:%SZ}" if when else None, author, reason, instead))
    return rows


def producers(file: sqlite3.Connection, repo: str, content: str) -> list[Row]:
    """The rows of WHAT PRODUCED, as `sources.produced` has them."""
    rows = file.execute(_WROTE, (content, repo)).fetchall()
    return [
        (run, pipeline, step, status, moment(started), moment(ended), author, code, of, bundle, content, role)
        for run, pipeline, step, status, started, ended, author, code, of, bundle, role, _ in rows
    ]


def runs_like(file: sqlite3.Connection, typed: str) -> list[str]:
    """The runs whose id begins or ends with this."""
    if len(typed) == _ID_LENGTH:
        rows = file.execute("SELECT id FROM runs WHERE step IS NOT NULL AND id = ?", (typed,))
    else:
        rows = file.execute(
            """SELECT id FROM runs WHERE step IS NOT NULL AND (substr(id, 1, ?1) = ?2 OR substr(id, -?1) = ?2)""",
            (len(typed), typed),
        )
    return [identity for (identity,) in rows]


def run_of_step(file: sqlite3.Connection, pipeline: str, step: str) -> str | None:
    """The newest successful run of the step, else its newest; None when it has none."""
    found = file.execute(
        """SELECT r.id FROM runs r JOIN steps s ON s.n = r.step WHERE s.pipeline = ? AND s.step = ?
        ORDER BY r.status = 'succeeded' DESC, r.started DESC, r.id DESC LIMIT 1""",
        (pipeline, step),
    ).fetchone()
    return found[0] if found else None
