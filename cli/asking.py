"""Questions from this working directory, answered from this machine's index of the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datamon.cli.place_here import place_here
from datamon.cli.progress import Awaited
from datamon.errors import Denied
from datamon.query.answer import Answer
from datamon.query.engine import ask
from datamon.query.index.opening import Index, open_index
from datamon.query.index.schema import version
from datamon.query.quick.plans import Plan, keep_plan
from datamon.store.opening import Store

if TYPE_CHECKING:
    from datamon.store.external.access import Access


@dataclass(frozen=True, slots=True)
class Where:
    """What answers: this machine, or `engine`: the tables in `schema` at a URL, or `spark`, which needs `access`. `dialect` is
    that of EXPLAIN's SQL."""

    engine: str | None = None
    schema: str = "datamon"
    dialect: str | None = None
    access: "Access | None" = None


HERE = Where()


def ask_here(store: Store, text: str, params: Mapping[str, object], where: Where = HERE) -> Answer:
    """The answer to one statement; `now` means this working directory. Raises as `ask` and `ask_elsewhere`."""
    return ask_with(index_here(store), store, text, params, where)


def ask_to_be_asked_again(store: Store, text: str, params: Mapping[str, object]) -> Answer:
    """As `ask_here`; where the statement can be answered again without being read, how is kept beside the index."""

    def keep(sql: str) -> None:
        if store.state_dir is not None and not store.cover.hides:
            keep_plan(str(store.state_dir / "index" / store.id), text, Plan(version(), sql))

    return ask(store, text, params=params, place=place_here(store), index=index_here(store), planned=keep)


def ask_with(index: Index, store: Store, text: str, params: Mapping[str, object], where: Where = HERE) -> Answer:
    """As `ask_here`, from an index that several questions share."""
    place = place_here(store)
    if where == HERE:
        return ask(store, text, params=params, place=place, index=index)
    from datamon.query.elsewhere.asking import Engine, ask_elsewhere  # brings sqlglot, 90 ms, which few questions need

    engine = Engine(where.engine, where.schema, where.dialect, where.access)
    return ask_elsewhere(store, text, engine, params=params, place=place, index=index)


def index_here(store: Store) -> Index:
    """This machine's index of the store; where it may not keep one, one for this process."""
    if store.state_dir is None:
        return open_index(store, progress=Awaited())
    try:
        return open_index(store, index_dir=store.state_dir / "index", progress=Awaited())
    except Denied:
        return open_index(store, progress=Awaited())
