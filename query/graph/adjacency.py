"""What lies next to a node in the graph's SQLite file, which knows everything."""

from __future__ import annotations

from datamon.query.graph.arrays import READERS, READS, WRITERS, WRITES

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    import sqlite3

Said = tuple[str | None, str]
"""Role and how of an edge."""

_LOST = ("failed", "abandoned")
_WHERE_NOT_TOLD = "NOT EXISTS (SELECT 1 FROM outputs o WHERE o.run = b.run AND o.bundle = b.n)"
_READ_BY = """SELECT r.n, r.id, i.role, i.how, i.hidden, r.status FROM inputs i JOIN runs r ON r.n = i.run WHERE i.bundle = ?"""
_READS = """SELECT b.n, b.id, i.role, i.how, i.hidden, r.status FROM inputs i JOIN bundles b ON b.n = i.bundle
    JOIN runs r ON r.n = i.run WHERE i.run = ?"""
_WRITTEN_BY = f"""SELECT r.n, r.id, o.role, 'declared', o.hidden, r.status FROM outputs o JOIN runs r ON r.n = o.run
    WHERE o.bundle = ?1
    UNION ALL SELECT r.n, r.id, b.role, 'declared', b.repo = ?2, r.status FROM bundles b JOIN runs r ON r.n = b.run
    WHERE b.n = ?1 AND {_WHERE_NOT_TOLD}"""  # noqa: S608
_WRITES = f"""SELECT b.n, b.id, o.role, 'declared', o.hidden, r.status FROM outputs o JOIN bundles b ON b.n = o.bundle
    JOIN runs r ON r.n = o.run WHERE o.run = ?1
    UNION ALL SELECT b.n, b.id, b.role, 'declared', b.repo = ?2, r.status FROM bundles b JOIN runs r ON r.n = b.run
    WHERE b.run = ?1 AND {_WHERE_NOT_TOLD}"""  # noqa: S608
_SQL = {WRITERS: _WRITTEN_BY, READS: _READS, READERS: _READ_BY, WRITES: _WRITES}

LISTS = {
    ("upstream", "bundle"): WRITERS,
    ("upstream", "run"): READS,
    ("downstream", "bundle"): READERS,
    ("downstream", "run"): WRITES,
}
OTHER = {"run": "bundle", "bundle": "run"}
"""What lies next to nodes of a kind."""


class Rules:
    """Which edges count: those of runs that failed or were abandoned only with `failed`, or where `runs` names the run; what
    touches the hidden repo only with `system`."""

    __slots__ = ("failed", "runs", "system")

    def __init__(self, *, failed: bool = False, system: bool = False, runs: frozenset[str] = frozenset()) -> None:
        self.failed = failed
        self.system = system
        self.runs = runs

    def drop(self, run: str, status: str | None) -> bool:
        """Whether nothing goes through the run."""
        return status in _LOST and not self.failed and run not in self.runs


class Adjacency:
    """Edges by node, asked one node at a time."""

    def __init__(self, file: sqlite3.Connection, rules: Rules) -> None:
        self._file = file
        self._rules = rules
        self._rows: dict[tuple[str, str], int] = {}
        ((self._store,),) = file.execute("SELECT value FROM state WHERE name = 'store'").fetchall()

    def of(self, kind: str, identity: str, direction: str) -> list[tuple[str, Said]]:
        """The ids at the other ends of the edges that leave the node in this direction, each with what its edge says; sorted by
        id, role and how. None twice."""
        row = self._row(kind, identity)
        if row is None:
            return []
        other = OTHER[kind]
        sql = _SQL[LISTS[direction, kind]]
        edges: dict[tuple[str, str, str], tuple[str, Said]] = {}
        for n, end, role, how, hidden, status in self._file.execute(sql, (row, self._store) if "?2" in sql else (row,)):
            run = identity if kind == "run" else end
            if not self._rules.drop(run, status) and (self._rules.system or not hidden):
                self._rows[other, end] = n
                edges.setdefault((end, role or "", how), (end, (role, how)))
        return [edges[key] for key in sorted(edges)]

    def _row(self, kind: str, identity: str) -> int | None:
        known = self._rows.get((kind, identity))
        if known is None:
            found = self._file.execute(f"SELECT n FROM {kind}s WHERE id = ?", (identity,)).fetchone()  # noqa: S608
            known = found[0] if found else None
        return known
