"""Quick answers: the same rows, columns, order and notes as the engine gives, from the graph's file alone."""

from __future__ import annotations

from itertools import islice

from datamon.query.graph import lookups
from datamon.query.graph.adjacency import OTHER, Rules
from datamon.query.graph.walking import Level, Walker
from datamon.query.quick.meant import Meant, meant
from datamon.query.quick.ways import MOST_WAYS, Ways
from datamon.query.sources import columns_of
from datamon.query.sources.deleted import told_of_deleted

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    import sqlite3

    from datamon.query.quick.spoken import Spoken

Row = tuple[object, ...]
_TRUNCATED = len(columns_of.CLOSURE) - 1
_BUNDLE = [name for name, _ in columns_of.PRODUCED].index("bundle")


class Told:
    """An answer: as `Answer`, which takes longer to load."""

    __slots__ = ("columns", "notes", "rows", "truncated", "types")

    def __init__(self, columns: tuple[tuple[str, str], ...], rows: list[Row], notes: list[str]) -> None:
        self.columns = tuple(name for name, _ in columns)
        self.types = tuple(kind for _, kind in columns)
        self.rows = rows
        self.notes = list(dict.fromkeys(notes))
        self.truncated = False


def answered(file: sqlite3.Connection, asked: Spoken) -> Told | None:
    """The answer from the state that the connection sees; None when only the engine can give it. Raises sqlite3.Error,
    OverflowError for a time that has no form here."""
    target = meant(file, asked.form, asked.ref)
    if target is None:
        return None
    if asked.asks == "paths":
        return _paths(file, asked, target)
    return _produced(file, target) if asked.asks == "produced" else _closure(file, asked, target)


def _paths(file: sqlite3.Connection, asked: Spoken, start: Meant) -> Told | None:
    end = meant(file, *asked.to)
    if end is None:
        return None
    walker = Walker(file, Rules())
    ways = Ways(walker, start.id, end.id)
    if ways.count is None:
        return None
    if ways.count == 0:
        return Told(columns_of.PATHS, [], [start.note, end.note, *_why_none(file, walker, ways, (start, end))])
    shown: list[tuple[int, int, str, str, str | None]] = []
    for number, way in enumerate(islice(ways, MOST_WAYS), 1):
        if asked.limit is not None and len(shown) >= asked.limit:
            break
        shown += [(number, hop, kind, identity, how) for hop, (kind, identity, how) in enumerate(way)]
    shown = shown if asked.limit is None else shown[: asked.limit]
    runs = [identity for _, _, kind, identity, _ in shown if kind == "run"]
    bundles = [identity for _, _, kind, identity, _ in shown if kind == "bundle"]
    names = lookups.FileNames(file, runs, bundles)
    rows: list[Row] = [(number, hop, *names.row(kind, identity)[:3], how) for number, hop, kind, identity, how in shown]
    more = ways.count > MOST_WAYS
    said = [f"only the first {MOST_WAYS:,} ways are shown; WITHIN or VIA narrow it"] if more else []
    told = Told(columns_of.PATHS, rows, [start.note, end.note, *said])
    told.truncated = more
    return told


def _why_none(file: sqlite3.Connection, walker: Walker, ways: Ways, ends: tuple[Meant, Meant]) -> list[str]:
    """What is said where no way leads from the one to the other."""
    start, end = ends
    if start.id == end.id:
        return ["both references mean the same thing"]
    before = walker.levels("bundle", [start.id], "upstream")
    there = walker.kinds["bundle"].number(end.id)
    if any(number == there for level in before if level.kind == "bundle" for number in level.nodes):
        return ["no way leads there in the direction of the data; one leads the other way round"]
    others = walker.of_one_repo(lookups.repo_of(file, start.id), ways.above)
    if not others:
        return []
    called = lookups.FileNames(file, (), (start.id,)).row("bundle", start.id)[2]
    more = " and others" if len(others) > 1 else ""
    return [f"{called} did not go into it; {start.repo}@{max(others)} did{more}"]


def _produced(file: sqlite3.Connection, target: Meant) -> Told | None:
    rows = lookups.producers(file, target.repo, target.content)
    if not rows:
        return None  # the engine tells who uploaded it
    written = [str(row[_BUNDLE]) for row in rows if row[_BUNDLE] != target.id]
    said = told_of_deleted(lookups.deletions(file, written), shown=True)
    return Told(columns_of.PRODUCED, rows, [target.note, *said])


def _closure(file: sqlite3.Connection, asked: Spoken, target: Meant) -> Told:
    named = frozenset({target.id} if target.kind == "run" else ())
    walker = Walker(file, Rules(failed="failed" in asked.including, system="system" in asked.including, runs=named))
    starts = [target.id, *lookups.stood_in_for(file, target.id)]
    levels = walker.levels(target.kind, starts, asked.direction, asked.within)
    count = sum(len(level.found) for level in levels if asked.at in ("any", level.kind))
    if asked.counted and count <= columns_of.CLOSURE_CAP and not lookups.has_deletions(file):
        return Told(columns_of.COUNT, [(count,)], [target.note])
    return _told(file, asked, target, (walker, levels))


def _told(file: sqlite3.Connection, asked: Spoken, target: Meant, walked: tuple[Walker, list[Level]]) -> Told:
    reached = _reached(*walked)
    runs = [identity for _, kind, identity, _, _ in reached if kind == "run"]
    bundles = [identity for _, kind, identity, _, _ in reached if kind == "bundle"]
    names = lookups.FileNames(file, runs, bundles, _repos(*walked))
    deleted = "deleted" in asked.including
    shown = [
        (depth, kind == target.kind, names.row(kind, identity), how, via)
        for depth, kind, identity, how, via in reached
        if asked.at in ("any", kind) and (deleted or identity not in names.deleted)
    ]
    shown.sort(key=lambda each: (each[0], each[1], each[2][2] or ""))
    cap = columns_of.CLOSURE_CAP
    rows: list[Row] = [(*name, depth, how, via, False) for depth, _, name, how, via in shown[:cap]]
    notes = [target.note]
    if len(shown) > cap:
        rows[-1] = (*rows[-1][:_TRUNCATED], True)
        notes.append(f"only the nearest {cap:,} rows are shown; WITHIN or STOP AT narrow it")
    passed = [identity for _, _, identity, _, _ in reached if identity in names.deleted]
    notes += told_of_deleted(lookups.deletions(file, passed), shown=deleted)
    told = Told(columns_of.COUNT, [(len(rows),)], notes) if asked.counted else Told(columns_of.CLOSURE, rows, notes)
    told.truncated = len(shown) > cap
    return told


def _repos(walker: Walker, levels: list[Level]) -> dict[str, str]:
    """The ids of the repos of bundles that were reached, by the bundles' ids."""
    known = walker.repos_of([number for level in levels if level.kind == "bundle" for number in level.nodes])
    return dict(zip(walker.kinds["bundle"].ids(list(known)), known.values(), strict=True))


def _reached(walker: Walker, levels: list[Level]) -> list[tuple[int, str, str, str, str]]:
    """Depth, kind, id, how and the id of the node before, nearest first, then by kind and id."""
    reached: list[tuple[int, str, str, str, str]] = []
    for level in levels:
        ids = walker.kinds[level.kind].ids(level.nodes)
        vias = walker.kinds[OTHER[level.kind]].ids([via for _, via, _ in level.found])
        for identity, via, (_, _, said) in zip(ids, vias, level.found, strict=True):
            reached.append((level.depth, level.kind, identity, walker.said[said][1], via))
    reached.sort()
    return reached
