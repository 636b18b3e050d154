"""What the graph's file says of nodes: names, deletions, who produced a content, and which run a reference means."""

from __future__ import annotations

import datetime

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

Row = tuple[object, ...]
_ID_LENGTH = 27
_SHORTEST_PART = 4
_AT_ONCE = 10_000
"""So many ids are asked for by one statement: SQLite takes 32,766 values."""
NOTHING: Mapping[str, str] = {}
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001  all our times are UTC and carry no zone

_DELETED = "(p.deleted IS NOT NULL OR EXISTS (SELECT 1 FROM deletions d WHERE d.repo = b.repo AND d.bundle = b.id))"
_STEPS = """SELECT r.id, s.pipeline || '/' || s.step FROM runs r JOIN steps s ON s.n = r.step
    WHERE r.id IN ({ids})"""
_BUNDLES = f"""SELECT b.id, coalesce(p.shown, b.repo), {_DELETED} FROM bundles b LEFT JOIN repos p ON p.id = b.repo
    WHERE b.repo IS NOT NULL AND b.id IN ({{ids}})"""  # noqa: S608
_REFS = """SELECT t.bundle, t.ref, t.kind FROM refs t LEFT JOIN repos p ON p.id = t.repo
    WHERE p.deleted IS NULL AND t.bundle IN ({ids})"""
_DELETIONS = """
    SELECT coalesce(p.shown, d.repo), d.bundle, d.time, d.author, d.reason, d.replaced_by
    FROM deletions d LEFT JOIN repos p ON p.id = d.repo
    WHERE d.bundle IN ({ids}) AND NOT EXISTS (SELECT 1 FROM deletions e
        WHERE e.repo = d.repo AND e.bundle = d.bundle AND e.position < d.position)"""
_DELETIONS_OF_REPOS = """
    SELECT p.shown, b.id, p.deleted, p.deleted_by, p.reason, NULL FROM bundles b JOIN repos p ON p.id = b.repo
    WHERE p.deleted IS NOT NULL AND b.id IN ({ids})
        AND NOT EXISTS (SELECT 1 FROM deletions e WHERE e.repo = b.repo AND e.bundle = b.id)"""
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

_PART = """SELECT id FROM {table} WHERE ((id >= ?1 AND id < ?1 || '~') OR (substr(id, -4) = substr(?1, -4)
    AND substr(id, -length(?1)) = ?1))"""


def moment(microseconds: int | None) -> datetime.datetime | None:
    """The time so long after 1970, in UTC and without zone. Raises OverflowError."""
    return None if microseconds is None else _EPOCH + datetime.timedelta(microseconds=microseconds)


class FileNames:
    """What the file calls nodes. `repos` has the ids of the repos of bundles of which they are known already."""

    def __init__(
        self, file: sqlite3.Connection, runs: Sequence[str], bundles: Sequence[str], repos: Mapping[str, str] = NOTHING
    ) -> None:
        self._steps = dict(_ask(file, _STEPS, runs))
        if has_deletions(file):
            repos = NOTHING
        shown = dict(file.execute("SELECT id, shown FROM repos").fetchall()) if repos else {}
        known = _ask(file, _BUNDLES, [identity for identity in bundles if identity not in repos])
        self._repos = {identity: shown.get(repo) or repo for identity, repo in repos.items()}
        self._repos |= {identity: repo for identity, repo, _ in known}
        self.deleted = frozenset(identity for identity, _, deleted in known if deleted)
        refs = _ask(file, _REFS, bundles)
        self._refs: dict[str, str] = {}
        for kind in ("branch", "label"):
            named = sorted(((bundle, ref) for bundle, ref, of in refs if of == kind), reverse=True)
            self._refs |= dict(named)

    def row(self, kind: str, identity: str) -> tuple[str, str, str | None, str | None, str | None]:
        """kind, id, name, repo, ref; of several refs the first label, else the first branch."""
        if kind == "run":
            return (kind, identity, self._steps.get(identity), None, None)
        repo, ref = self._repos.get(identity), self._refs.get(identity)
        return (kind, identity, f"{repo}@{ref or identity}" if repo else None, repo, ref)


def _ask(file: sqlite3.Connection, sql: str, ids: Collection[str]) -> list[Any]:
    wanted = list(ids)
    rows: list[Any] = []
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        rows += file.execute(sql.replace("{ids}", ",".join("?" * len(part))), part)
    return rows


def stood_in_for(file: sqlite3.Connection, bundle: str) -> list[str]:
    """The deleted bundles that this one stands in for: one, and what that one stood in for."""
    return [before for (before,) in file.execute(_STOOD_IN, (bundle,))]


def has_deletions(file: sqlite3.Connection) -> bool:
    """Whether anything was ever deleted."""
    ((some,),) = file.execute(
        "SELECT EXISTS (SELECT 1 FROM deletions) OR EXISTS (SELECT 1 FROM repos WHERE deleted IS NOT NULL)"
    )
    return bool(some)


def deletions(file: sqlite3.Connection, bundles: Sequence[str]) -> list[Row]:
    """Of those that were deleted: repo@bundle, when, who, why and what stands in for it, by time."""
    told = [*_ask(file, _DELETIONS, bundles), *_ask(file, _DELETIONS_OF_REPOS, bundles)]
    rows: list[Row] = []
    for repo, bundle, time, author, reason, instead in sorted(told, key=lambda each: (each[2], each[1])):
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


def run_like(file: sqlite3.Connection, typed: str) -> str | None:
    """The run with this id, or the only one whose id begins or ends so; None when there is none, or several."""
    if len(typed) == _ID_LENGTH:
        rows = file.execute("SELECT id FROM runs WHERE step IS NOT NULL AND id = ?", (typed,)).fetchall()
    elif _SHORTEST_PART <= len(typed) < _ID_LENGTH and typed.isascii() and typed.isalnum():
        rows = file.execute(f"{_PART.format(table='runs')} AND step IS NOT NULL", (typed,)).fetchall()
    else:
        return None
    return rows[0][0] if len(rows) == 1 else None


def bundles_like(file: sqlite3.Connection, repo: str, part: str) -> list[str]:
    """The bundles of the repo whose ids begin or end with four or more characters, and that were not deleted."""
    rows = file.execute(f"{_PART.format(table='bundles')} AND repo = ?2", (part, repo)).fetchall()
    return [identity for (identity,) in rows if not is_deleted(file, repo, identity)]


def is_deleted(file: sqlite3.Connection, repo: str, bundle: str) -> bool:
    """Whether the bundle was deleted by itself."""
    told = file.execute("SELECT 1 FROM deletions WHERE repo = ? AND bundle = ? LIMIT 1", (repo, bundle))
    return told.fetchone() is not None


def repo_named(file: sqlite3.Connection, name: str) -> str | None:
    """The id of the repo that has this name now; None when none has."""
    found = file.execute("SELECT id FROM repos WHERE shown = ? AND deleted IS NULL", (name,)).fetchall()
    return found[0][0] if len(found) == 1 else None


def ref_named(file: sqlite3.Connection, repo: str, name: str) -> str | None:
    """The bundle at which the branch or label of this name points; None when the repo has none."""
    found = file.execute("SELECT bundle FROM refs WHERE repo = ? AND ref = ?", (repo, name)).fetchone()
    return found[0] if found else None


def repo_of(file: sqlite3.Connection, bundle: str) -> str | None:
    """The id of the repo in whose log the bundle stands."""
    found = file.execute("SELECT repo FROM bundles WHERE id = ?", (bundle,)).fetchone()
    return found[0] if found else None


def content_of(file: sqlite3.Connection, repo: str, bundle: str) -> str | None:
    """The content of a bundle that stands in the repo's log and was not deleted; None for any other."""
    found = file.execute("SELECT content FROM bundles WHERE id = ? AND repo = ?", (bundle, repo)).fetchone()
    return found[0] if found and not is_deleted(file, repo, bundle) else None


def run_of_step(file: sqlite3.Connection, pipeline: str, step: str) -> str | None:
    """The newest successful run of the step, else its newest; None when it has none."""
    found = file.execute(
        """SELECT r.id FROM runs r JOIN steps s ON s.n = r.step WHERE s.pipeline = ? AND s.step = ?
        ORDER BY r.status = 'succeeded' DESC, r.started DESC, r.id DESC LIMIT 1""",
        (pipeline, step),
    ).fetchone()
    return found[0] if found else None
