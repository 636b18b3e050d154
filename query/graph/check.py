"""Checking the graph's file: everything it says must be what the store says."""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from datamon.query.graph.adjacency import OTHER, Rules
from datamon.query.graph.file import GraphFile
from datamon.query.graph.walking import Walker
from datamon.query.index.check import IndexFinding
from datamon.store.opening import Store

_SAID: Final = {
    "repos": "SELECT id, shown, deleted, deleted_by, reason FROM repos t",
    "runs": """SELECT t.id, s.pipeline, s.step, t.status, t.started, t.ended, t.author, t.code
        FROM runs t JOIN steps s ON s.n = t.step""",
    "bundles": """SELECT t.id, t.repo, t.position, t.content, t.author, t.time, r.id, t.role
        FROM bundles t LEFT JOIN runs r ON r.n = t.run WHERE t.repo IS NOT NULL""",
    "inputs": """SELECT r.id, t.place, b.id, t.role, t.how, t.hidden
        FROM inputs t JOIN runs r ON r.n = t.run JOIN bundles b ON b.n = t.bundle""",
    "outputs": """SELECT r.id, t.place, b.id, t.role, t.repo, t.repo_name, t.branch, t.content, t.hidden
        FROM outputs t JOIN runs r ON r.n = t.run JOIN bundles b ON b.n = t.bundle""",
    "deletions": "SELECT repo, bundle, position, time, author, reason, replaced_by FROM deletions t",
    "refs": "SELECT repo, ref, kind, bundle FROM refs t",
}
"""What the file says, free of the numbers that it gives to things."""


def check_graph(store: Store, index_dir: Path) -> list[IndexFinding]:
    """What is wrong with the graph's file of `store` below `index_dir`; nothing is changed. A file that is not there, or lacks
    what is new, is nothing wrong. Takes the time and, for a while, the room of making it anew. Raises as reading the store."""
    directory = index_dir / store.id / "graph"
    if store.cover.hides or not (directory / "CURRENT").is_file():
        return []
    with tempfile.TemporaryDirectory(prefix="checking-", dir=index_dir) as room:
        kept, made = Path(room) / "kept", Path(room) / "made"
        shutil.copytree(directory, kept)
        with contextlib.ExitStack() as closing:
            file = GraphFile(store, kept).level()
            if file is None:
                return [_unreadable()]
            closing.push(contextlib.closing(file))
            fresh = closing.enter_context(GraphFile(store, made).opened())
            try:
                if file.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                    return [_unreadable()]
                found = [] if fresh is None else list(_differing(file, fresh))
                return [*found, *_arrays_that_differ(file)]
            except sqlite3.DatabaseError:
                return [_unreadable()]


def _unreadable() -> IndexFinding:
    said = "the graph's file is damaged; `datamon index rebuild` makes it anew"
    return IndexFinding("damage", "index-unreadable", "graph", said)


def _arrays_that_differ(file: sqlite3.Connection) -> Iterator[IndexFinding]:
    """Where the arrays say something else than the SQLite file, about nodes of which they should be right."""
    walker = Walker(file, Rules(failed=True))
    if walker.arrays is None:
        if file.execute("SELECT 1 FROM state WHERE name = 'arrays'").fetchall():
            said = (
                "the graph's arrays are damaged; questions do without them, and `datamon index rebuild` makes them anew"
            )
            yield IndexFinding("damage", "index-unreadable", "graph.arrays", said)
        return
    for name, kind in walker.kinds.items():
        wrong = [number for number in range(kind.count) if kind.is_right(number) and not _agree(walker, name, number)]
        if wrong:
            said = (
                f"the graph's arrays say something else of {len(wrong):,} {name}s, such as {kind.identity(wrong[0])!r}"
            )
            yield IndexFinding("damage", "row-unexpected", "graph.arrays", said)


def _agree(walker: Walker, name: str, number: int) -> bool:
    kind, ends = walker.kinds[name], walker.kinds[OTHER[name]]
    try:
        for direction in ("upstream", "downstream"):
            near = walker.near(name, number, direction)
            told = [
                (end, walker.said[said]) for end, (_, said) in zip(ends.ids([n for n, _ in near]), near, strict=True)
            ]
            if told != walker.adjacency.of(name, kind.identity(number), direction):
                return False
    except (IndexError, UnicodeDecodeError):
        return False
    return True


def _differing(kept: sqlite3.Connection, made: sqlite3.Connection) -> Iterator[IndexFinding]:
    for table, sql in _SAID.items():
        said, true = set(kept.execute(sql)), set(made.execute(sql))
        for code, rows, words in (
            ("row-missing", true - said, "lacks"),
            ("row-unexpected", said - true, "has, and the store does not say,"),
        ):
            if rows:
                example = min(map(repr, rows))
                message = f"the graph's {table} {words} {len(rows):,} rows, such as {example}"
                yield IndexFinding("damage", code, f"graph.{table}", message)  # type: ignore[arg-type]  # one of two
