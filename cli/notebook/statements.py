"""The text of `%datamon`: the statement in it, its parameters, and what can come next."""

from collections.abc import Mapping
from dataclasses import dataclass

from datamon.cli.notebook.cell_line import OPTIONS
from datamon.cli.query_session import Session
from datamon.errors import DatamonError, Invalid
from datamon.query.answer import Answer
from datamon.query.language.completing import complete
from datamon.query.language.tokens import tokenize
from datamon.query.language.words import WITH_EDGES

QUERY = "query"
MOST_DRAWN = 80
"""A lineage question is drawn beside its table as long as the drawing has no more nodes."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Texts that can stand in place of the last `replaced` characters before the cursor."""

    texts: tuple[tuple[str, str], ...]
    """Each with what it is."""
    replaced: str


def statement_of(text: str) -> str:
    """The statement in `query STATEMENT`, in quotes or without. Raises Invalid (`usage`) where there is none."""
    typed = text.strip()
    word, _, rest = typed.partition(" ") if "\n" not in typed.partition(" ")[0] else typed.partition("\n")
    if word == QUERY:
        typed = rest.strip()
    if len(typed) > 1 and typed[0] == typed[-1] == '"':
        typed = typed[1:-1]
    if not typed:
        raise Invalid("usage", "there is no question; write %datamon query WHAT IS STALE, or any other statement")
    return typed


def values_for(statement: str, variables: Mapping[str, object]) -> dict[str, object]:
    """The values of the statement's `$name`s among the notebook's variables."""
    try:
        names = {token.value for token in tokenize(statement) if token.kind == "param"}
    except DatamonError:
        return {}  # it is told when it is asked
    return {name: variables[name] for name in names if name in variables}


def drawn_beside(session: Session, statement: str, values: Mapping[str, object]) -> Answer | None:
    """The graph of a question about lineage that did not ask for one; None where it has none, or one too large to look at."""
    if not any(statement.upper().startswith(words) for words in WITH_EDGES):
        return None
    try:
        answer = session.ask(f"GRAPH {statement}", values)
    except DatamonError:
        return None
    return answer if answer.graph is not None and 1 < len(answer.graph) <= MOST_DRAWN else None


def offers(session: Session, before: str) -> Offer | None:
    """What can come next in a line or cell that `before` is the text of as far as the cursor; None where it is none of datamon's
    magics."""
    lines = before.lstrip().split("\n", 1)
    first, *_ = lines
    if first.startswith("%%datamon_run"):
        return _options(session, first) if len(lines) == 1 else None
    line = before.rpartition("\n")[2].lstrip()
    if first.startswith("%%datamon ") or first == "%%datamon":
        text = before.lstrip().removeprefix("%%datamon").lstrip(" ")
    elif "%datamon " in line:
        text = line.partition("%datamon ")[2].lstrip()
    else:
        return None
    if text and " " not in text and "\n" not in text and QUERY.startswith(text):
        return Offer(((QUERY, "word"),), text)
    typed = text.removeprefix(QUERY).lstrip() if text.startswith((f"{QUERY} ", f"{QUERY}\n")) else text
    found = complete(typed, len(typed), session.known())
    if not found:
        return Offer((), "")
    start = found[0].start
    return Offer(tuple((each.text, each.what) for each in found if each.start == start), typed[start:])


def _options(session: Session, line: str) -> Offer:
    """The magic's options, and behind one that takes a repo the references there are."""
    words = line.split(" ")
    typed, previous = words[-1], words[-2] if len(words) > 1 else ""
    if previous in ("--input", "--output"):
        names = session.known().refs if previous == "--input" else session.known().repos
        return Offer(tuple((f"{name}=", "reference") for name in names if name.startswith(typed)), typed)
    if previous == "--step":
        steps = dict.fromkeys(step.rpartition("/")[2] for step in session.known().steps)
        return Offer(tuple((step, "step") for step in steps if step.startswith(typed)), typed)
    return Offer(tuple((each.flag, "option") for each in OPTIONS if each.flag.startswith(typed)), typed)
