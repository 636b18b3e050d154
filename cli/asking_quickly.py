"""`datamon query TEXT` for a line that is read by its table: a question with a quick answer loads neither typer nor the
engine."""

from typing import TYPE_CHECKING, cast

from datamon.cli.environment import process_environment
from datamon.cli.globals import AnswerFormat, Globals
from datamon.cli.opening import open_tidied
from datamon.cli.pairs import named_values
from datamon.cli.progress import Awaited
from datamon.cli.remembered import remember
from datamon.cli.settings import load_settings
from datamon.cli.showing import show_answer, showing
from datamon.cli.words import Line
from datamon.query.quick.of_store import answer
from datamon.store.opening import Store

if TYPE_CHECKING:
    from datamon.query.answer import Answer
    from datamon.query.place import Place


def ask(line: Line) -> int:
    """Answers the statement of the line, by the engine where it has no quick answer. Raises as `datamon query`."""
    (text,) = line.rest
    values = named_values("param", cast(tuple[str, ...], line.given["params"]))
    form = cast(str | None, line.given["form"])
    how = showing(AnswerFormat(form) if form else None, None, pager=not line.given["unpaged"])
    settings = load_settings(line.flags)
    store = open_tidied(settings)
    told = _quick(store, text, values)
    if told is None:
        from datamon.cli.asking import ask_to_be_asked_again  # brings duckdb, 80 ms, which quick answers do without

        told = ask_to_be_asked_again(store, text, values)
    if line.flags == Globals():
        remember(settings, store, process_environment())
    show_answer(told, how)
    return 0


def _quick(store: Store, text: str, values: dict[str, str]) -> "Answer | None":
    index_dir = None if store.state_dir is None else store.state_dir / "index"

    def here() -> "Place":
        from datamon.cli.place_here import place_here  # 20 ms, which only questions about staleness need

        return place_here(store)

    return None if values else answer(store, text, index_dir=index_dir, place=here, progress=Awaited())
