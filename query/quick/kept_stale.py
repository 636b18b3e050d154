"""The judgement of everything that refs hold, kept beside the graph's file: right as long as nothing was recorded since, and
nothing outside changed that it looked at."""

from __future__ import annotations

import os
import sqlite3

from datamon.query.graph import lookups
from datamon.query.quick.answering import Told
from datamon.query.quick.meant import is_name, meant
from datamon.query.quick.witness import RACY_NS, UnseenError, Witness
from datamon.query.sources import columns_of

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from datamon.query.quick.spoken import Spoken

VERSION = "1"
NAME = "stale.sqlite"
_SELECT = "SELECT output, ref, cause, subject, old, new, via, distance, last_status FROM stale"
_TABLES = (
    "CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    "CREATE TABLE subjects (ref TEXT PRIMARY KEY, bundle TEXT) WITHOUT ROWID",
    """CREATE TABLE stale (n INTEGER PRIMARY KEY, output TEXT, ref TEXT, cause TEXT, subject TEXT, old TEXT, new TEXT, via TEXT,
        distance INTEGER, last_status TEXT)""",
    "CREATE INDEX stale_ref ON stale (ref)",
)


class Seen:
    """Where and of what a question is asked now: the state of the store with this id whose journal has `journal_bytes`, from the
    directory `cwd` of the machine `host`, under these variables."""

    __slots__ = ("cwd", "host", "journal_bytes", "store", "variables")

    def __init__(self, store: str, journal_bytes: int, variables: Mapping[str, str]) -> None:
        """From the working directory. Raises OSError when it is gone."""
        self.store = store
        self.journal_bytes = journal_bytes
        self.cwd = os.getcwd()
        self.host = os.uname().nodename
        self.variables = variables


def open_kept(directory: str, seen: Seen) -> sqlite3.Connection | None:
    """The judgement that is kept in this directory, if it stands."""
    try:
        file = sqlite3.connect(f"file:{quoted(directory)}/{NAME}?mode=ro", uri=True, timeout=0.2, isolation_level=None)
        file.execute("BEGIN")
        state = dict(file.execute("SELECT name, value FROM state"))
        expected = (VERSION, seen.store, str(seen.journal_bytes), seen.cwd, seen.host)
        if tuple(state.get(name) for name in ("version", "store", "journal", "cwd", "host")) != expected:
            return None
        witness = Witness(seen.cwd, seen.host, state["roots"].split("\n") if state["roots"] else (), state["blob"])
        return file if witness.text(seen.variables) == state["witness"] else None
    except (sqlite3.Error, OSError, UnseenError, KeyError, ValueError):
        return None


def quoted(path: str) -> str:
    """The path as it stands in a URI."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def answered(kept: sqlite3.Connection, graph: sqlite3.Connection, spoken: Spoken) -> Told | None:
    """The answer to a question about staleness; None when only the engine can give it. Raises sqlite3.Error."""
    if spoken.asks == "why":
        return _why(kept, graph, spoken)
    if spoken.counted:
        return Told(columns_of.COUNT, kept.execute("SELECT count(*) FROM stale").fetchall(), [])
    repo = spoken.ref
    if repo and not (is_name(repo) and lookups.repo_named(graph, repo)):
        return None
    where, values = ("WHERE substr(ref, 1, length(?1) + 1) = ?1 || '@'", (repo,)) if repo else ("", ())
    rows = kept.execute(f"{_SELECT} {where} ORDER BY n", values).fetchall()
    note = f"nothing{f' in {repo!r}' if repo else ''} is stale"
    return Told(columns_of.STALE, rows, [] if rows else [note])


def _why(kept: sqlite3.Connection, graph: sqlite3.Connection, spoken: Spoken) -> Told | None:
    target = meant(graph, spoken.form, spoken.ref)
    if target is None or target.held_by is None:
        return None
    judged = kept.execute("SELECT bundle FROM subjects WHERE ref = ?", (target.held_by,)).fetchall()
    if judged != [(target.id,)]:
        return None  # a frozen label, which is judged only when it is asked for
    rows = kept.execute(f"{_SELECT} WHERE ref = ? ORDER BY n", (target.held_by,)).fetchall()
    return Told(columns_of.STALE, rows, [target.note] if rows else [target.note, "it is not stale"])


class Judged:
    """A judgement: its rows in order, and the refs that were judged with their bundles. It began at `began_ns`, read the code
    below `roots`, and asked the blobs at `blob`."""

    __slots__ = ("began_ns", "blob", "roots", "rows", "subjects")

    def __init__(self, began_ns: int, roots: Iterable[str], blob: str) -> None:
        self.began_ns = began_ns
        self.roots = sorted(roots)
        self.blob = blob
        self.rows: Sequence[tuple[object, ...]] = ()
        self.subjects: Sequence[tuple[str, str]] = ()


def keep(directory: str, seen: Seen, judged: Judged) -> bool:
    """Whether the judgement is kept: not, when something it saw cannot be told from stamps, or changed while it was made. Either
    all of it is there, or what was there before."""
    fresh = f"{directory}/{NAME}-{os.getpid()}"
    try:
        witness = Witness(seen.cwd, seen.host, judged.roots, judged.blob)
        text = witness.text(seen.variables)
        if witness.newest_ns >= judged.began_ns - RACY_NS:
            return False
        _write(fresh, seen, judged, text)
        os.replace(fresh, f"{directory}/{NAME}")
    except (sqlite3.Error, OSError, UnseenError, UnicodeEncodeError):
        if os.path.lexists(fresh):
            os.unlink(fresh)
        return False
    return True


def _write(path: str, seen: Seen, judged: Judged, witness: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)
    file = sqlite3.connect(path, isolation_level=None)
    try:
        file.execute("PRAGMA journal_mode = OFF")
        file.execute("BEGIN")
        for statement in _TABLES:
            file.execute(statement)
        state = {
            "version": VERSION,
            "store": seen.store,
            "journal": str(seen.journal_bytes),
            "cwd": seen.cwd,
            "host": seen.host,
            "roots": "\n".join(judged.roots),
            "blob": judged.blob,
            "witness": witness,
        }
        file.executemany("INSERT INTO state VALUES (?, ?)", state.items())
        file.executemany("INSERT INTO subjects VALUES (?, ?)", judged.subjects)
        file.executemany("INSERT INTO stale VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)", judged.rows)
        file.execute("COMMIT")
    finally:
        file.close()
