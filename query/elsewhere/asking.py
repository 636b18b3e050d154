"""Statements answered elsewhere: which engine a URL names, and SQL to take there by hand."""

from collections.abc import Mapping
from dataclasses import dataclass

from datamon.errors import Invalid
from datamon.query.answer import Answer
from datamon.query.elsewhere.answering import Elsewhere, ask_postgres
from datamon.query.elsewhere.dialects import DIALECTS
from datamon.query.elsewhere.explaining import explain
from datamon.query.elsewhere.postgres import is_postgres, shown_url
from datamon.query.elsewhere.spark import ask_spark
from datamon.query.index.opening import Index
from datamon.query.place import NOWHERE, Place
from datamon.store.external.access import Access
from datamon.store.opening import Store

SPARK = "spark"
"""What names the user's own Spark."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What answers: `url` names a database and `schema` the tables there, or is `spark`, whose tasks open the store by `access`;
    `dialect` is what EXPLAIN writes."""

    url: str | None = None
    schema: str = "datamon"
    dialect: str | None = None
    access: Access | None = None


def ask_elsewhere(
    store: Store,
    text: str,
    engine: Engine,
    *,
    index: Index,
    params: Mapping[str, object] | None = None,
    place: Place = NOWHERE,
) -> Answer:
    """The answer to one statement by that engine; with a dialect the SQL of an EXPLAIN. Raises Invalid (`bad-argument`) for an
    engine or a dialect that there is not, and as `ask_postgres` and `ask_spark`."""
    if engine.dialect is not None:
        if engine.dialect not in DIALECTS:
            said = f"there is no dialect {engine.dialect!r}; there are {', '.join(DIALECTS)}"
            raise Invalid("bad-argument", said, dialect=engine.dialect)
        return explain(store, text, engine.dialect, params=params, place=place, index=index)
    if engine.url == SPARK and engine.access is not None:
        return ask_spark(store, text, engine.access, params=params, place=place, index=index)
    if engine.url is None or not is_postgres(engine.url):
        said = (
            f"{shown_url(engine.url or '')!r} names no engine; expected postgresql://USER@HOST:PORT/DATABASE or spark"
        )
        raise Invalid("bad-argument", said)
    return ask_postgres(store, text, Elsewhere(engine.url, engine.schema), params=params, place=place, index=index)
