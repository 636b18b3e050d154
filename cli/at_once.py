"""`datamon query TEXT` answered at once: by the graph's file of a store that is remembered, when nothing has come since.

Nothing is loaded that takes longer than the answer. What is not surely answered here is left to the whole program, which says the
same (a test holds that) or says what is wrong.
"""

from __future__ import annotations

import os
import sys

from datamon.cli.cells import cell, csv_lines, in_words, printable
from datamon.cli.remembered import Remembered, recall
from datamon.query.quick.spoken import ABOUT_STALENESS, spoken

TYPE_CHECKING = False  # as typing has it: importing that would be much of what a quick answer takes
if TYPE_CHECKING:
    import sqlite3

    from datamon.query.quick.answering import Told
    from datamon.query.quick.spoken import Spoken

VERSION_KEY, CURSOR_KEY, WATCH_KEY, STORE_KEY = "version", "cursor", "watch", "store"


def at_once(words: list[str]) -> int | None:
    """The exit code when the words behind `datamon query` were a question that is answered now: on stdout, with its notes on
    stderr. None when nothing was written."""
    try:
        found = _answer(words)
    except Exception:  # noqa: BLE001 (what is unforeseen here, the whole program answers, or tells)
        return None
    return None if found is None else _written(*found)


def _answer(words: list[str]) -> tuple[str, Told] | None:
    form = _form(words)
    if form is None or "_DATAMON_COMPLETE" in os.environ or sys.stdout is None or sys.stderr is None:
        return None
    asked = spoken(words[0])
    store = recall(os.environ)
    if store is None:
        return None
    told = _selected(store, words[0]) if asked is None else _told(store, asked)
    if told is None:
        return None
    text = "".join(csv_lines(told.columns, told.rows) if form == "csv" else _table(told))
    is_long = sys.stdout.isatty() and text.count("\n") >= os.get_terminal_size().lines - 1
    return None if is_long else (text, told)  # a long one is the pager's


def _form(words: list[str]) -> str | None:
    """The form that is asked for; None when something else than the question and a form stands there."""
    if len(words) == 1:
        return "table"
    if len(words) == 3 and words[1] == "--format" and words[2] in ("csv", "table"):
        return words[2]
    return None


def _selected(store: Remembered, text: str) -> Told | None:
    from datamon.query.quick.plans import answered, find_plan  # everyday questions do without

    directory = os.path.dirname(store.graph)  # noqa: PTH120  pathlib takes 7 ms to load
    plan = find_plan(directory, text)
    return None if plan is None else answered(plan, directory, store.store, store.journal_bytes)


def _told(store: Remembered, asked: Spoken) -> Told | None:
    import sqlite3  # 4 ms that only an answer is worth

    from datamon.query.quick.answering import answered  # as above

    try:
        with open(f"{store.graph}/CURRENT", encoding="utf-8") as file:
            path = f"{store.graph}/{file.read()}"
        file_of = sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, timeout=0.2, isolation_level=None)
        file_of.execute("BEGIN")
        if not _is_level(file_of, store):
            return None
        return _judged(file_of, store, asked) if asked.asks in ABOUT_STALENESS else answered(file_of, asked)
    except (OSError, ValueError, sqlite3.Error, OverflowError):
        return None


def _judged(file: sqlite3.Connection, store: Remembered, asked: Spoken) -> Told | None:
    from datamon.query.quick.kept_stale import Seen, answered, open_kept  # other questions do without

    kept = open_kept(store.graph, Seen(store.store, store.journal_bytes, os.environ))
    return None if kept is None else answered(kept, file, asked)


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _is_level(file: sqlite3.Connection, store: Remembered) -> bool:
    """Whether the file is this store's, and the journal ends where the file has read it: nothing is looked for that it names."""
    from datamon.query.graph.schema import VERSION

    state = dict(file.execute("SELECT name, value FROM state"))
    known = state.get(VERSION_KEY) == VERSION and state.get(STORE_KEY) == store.store
    return (
        known
        and state.get(WATCH_KEY) == "[]"
        and str(state.get(CURSOR_KEY)).startswith(f'{{"offset": {store.journal_bytes}, ')
    )


def _table(told: Told) -> list[str]:
    from datamon.cli.tables import table_lines  # CSV does without

    rows = [[printable(cell(in_words(value))) for value in row] for row in told.rows]
    return [f"{line}\n" for line in table_lines(told.columns, rows, _width())]


def _width() -> int | None:
    """As `shutil.get_terminal_size` finds it; None where there is no terminal."""
    try:
        width = int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        width = 0
    if width <= 0:
        try:
            width = os.get_terminal_size(sys.__stdout__.fileno()).columns if sys.__stdout__ else 0
        except (OSError, ValueError, AttributeError):
            width = 0
    return width or None


def _written(text: str, told: Told) -> int:
    """Writes the answer. The exit code."""
    out = sys.stdout
    try:
        content = text.encode(out.encoding)
    except UnicodeEncodeError:
        content = text.encode(out.encoding, "backslashreplace")
    try:
        out.buffer.write(content)
        out.flush()
    except OSError as error:
        from datamon.cli import edge  # only what fails

        return edge.BROKEN_PIPE_EXIT if isinstance(error, BrokenPipeError) else edge.refused(error)
    cut = ["the answer is cut off at the row limit: narrow the question to see the rest"] if told.truncated else []
    try:
        sys.stderr.write("".join(f"{printable(sentence)}\n" for sentence in [*told.notes, *cut]))
        sys.stderr.flush()
    except OSError:
        return 0  # nobody can read it
    return 0
