"""A session of questions at the prompt: one index, values for parameters, and the names that the store has."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from datamon.cli.asking import ask_with, index_here
from datamon.cli.globals import AnswerFormat
from datamon.cli.output import note, say
from datamon.cli.pairs import named_values
from datamon.cli.showing import Showing, show_answer
from datamon.errors import DatamonError, Invalid
from datamon.query.answer import Answer
from datamon.query.index import Index
from datamon.query.language.completing import Known
from datamon.query.language.unfinished import ends, readable
from datamon.query.relations import RELATIONS
from datamon.query.source_columns import SOURCES
from datamon.store.opening import Store

HELP = """\
A statement ends with ; or with an empty line. Tab completes; Ctrl-C clears what is typed; Ctrl-D, quit or \\q leaves.

  WHAT PRODUCED 'repo@label';     the run that wrote it
  WHAT USED 'repo';               the runs that read it
  WHAT IS STALE;                  what would come out otherwise now, and why
  UPSTREAM OF 'repo';             everything it came from
  GRAPH UPSTREAM OF 'repo';       the same as a tree
  SELECT step, status FROM runs;  any SELECT

  SHOW RELATIONS;                 the relations and sources
  DESCRIBE runs;                  the columns of one
  EXPLAIN …;                      the SELECT that a statement becomes

  \\set NAME=VALUE                 a value for $NAME in statements; \\set alone shows them
  \\format table|json|jsonl|csv    how answers are written
  \\?, help                        this
"""
_LEAVE = ("\\q", "quit", "exit")
_HELP = ("\\?", "\\h", "help", "?")
_MOST_NAMES = 5_000
_NAMES = {
    "repos": "SELECT name FROM repos WHERE deleted IS NULL ORDER BY name",
    "refs": """SELECT name FROM repos WHERE deleted IS NULL UNION ALL SELECT repo || '@' || name FROM labels
        UNION ALL SELECT repo || '@' || name FROM branches ORDER BY 1""",
    "steps": "SELECT pipeline || '/' || step FROM steps ORDER BY 1",
    "params": "SELECT DISTINCT name FROM params ORDER BY 1",
    "packages": "SELECT DISTINCT name FROM env ORDER BY 1",
}
COLUMNS = {
    each.name: tuple(column.name for column in each.columns) for each in (*RELATIONS.values(), *SOURCES.values())
}


@dataclass(slots=True)
class Session:
    """What lasts from one question to the next. Every answer has what is durable in the store when it is asked for."""

    store: Store
    values: dict[str, str]
    how: Showing
    index: Index = field(init=False)
    _known: Known | None = None
    _asking: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.index = index_here(self.store)

    def ask(self, statement: str, values: Mapping[str, object] | None = None) -> Answer:
        """The answer to a statement, with these values for its parameters or the session's. Raises as `ask`."""
        with self._asking:
            self._known = None
            return ask_with(self.index, self.store, statement, self.values if values is None else values)

    def known(self) -> Known:
        """The names that statements can have in them, as they were at the last answer."""
        with self._asking:
            if self._known is None:
                self._known = Known(COLUMNS, tuple(SOURCES), **{kind: self._names(sql) for kind, sql in _NAMES.items()})
            return self._known

    def _names(self, sql: str) -> tuple[str, ...]:
        """No more than anyone looks through; none of a store that cannot be asked now."""
        try:
            rows = ask_with(self.index, self.store, f"{sql} LIMIT {_MOST_NAMES}", {}).rows
        except DatamonError:
            return ()
        return tuple(str(name) for (name,) in rows)


def is_done(text: str) -> bool:
    """Whether Enter behind `text` sends it: a word to the prompt, a statement that ends with `;` or, before an empty line, one
    that no more text is needed for."""
    typed = text.strip()
    if not typed or typed.startswith("\\") or typed.rstrip(";").strip().lower() in (*_LEAVE, *_HELP):
        return True
    return ends(text) or (text.rpartition("\n")[2].strip() == "" and readable(text) != "unfinished")


def carry_out(session: Session, text: str) -> bool:
    """Does what was typed, and shows it; whether the prompt goes on afterwards. Raises as `ask` and `show_answer`."""
    typed = text.strip()
    word = typed.rstrip(";").strip().lower()
    if word in _LEAVE:
        return False
    if word in _HELP:
        say(HELP.rstrip())
    elif typed.startswith("\\set"):
        _set(session, typed.removeprefix("\\set").strip())
    elif typed.startswith("\\format"):
        session.how = replace(session.how, form=_form(typed.removeprefix("\\format").strip()))
    elif typed.startswith("\\"):
        raise Invalid("usage", f"{typed.split()[0]!r} is no word of the prompt; \\? lists them")
    elif readable(text) != "empty":
        show_answer(session.ask(text), session.how)
    return True


def _set(session: Session, pair: str) -> None:
    if pair:
        session.values |= named_values("set", [pair])
        return
    for name in session.values:
        note(f"${name} has a value")


def _form(word: str) -> AnswerFormat:
    known = [form.value for form in AnswerFormat if form.value in ("table", "json", "jsonl", "csv")]
    if word not in known:
        raise Invalid("usage", f"{word!r} is no form for a terminal; expected {', '.join(known)}")
    return AnswerFormat(word)
