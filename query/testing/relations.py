"""Everything an index says, to be compared with what another says."""

import duckdb

from datamon.query.index.refresh import apply, make_empty
from datamon.query.index.schema import KEPT, TABLES, VIEWS, WITH_SYSTEM
from datamon.query.index.tail import BEGINNING, read_tail
from datamon.store.opening import Store

Content = dict[str, list[str]]
KEPT_TABLES = tuple(f"{KEPT}.{table.name}" for table in TABLES)
RELATIONS = tuple(f"{schema}.{view}" for schema in ("main", WITH_SYSTEM) for view in VIEWS)
EVERYTHING = KEPT_TABLES + RELATIONS


def content_of(connection: duckdb.DuckDBPyConnection, names: tuple[str, ...] = EVERYTHING) -> Content:
    """The rows of these tables and relations, in an order of their own."""
    return {name: sorted(map(repr, connection.execute(f"FROM {name}").fetchall())) for name in names}


def rebuilt(store: Store, names: tuple[str, ...] = EVERYTHING) -> Content:
    """What an index says that is made from the store alone."""
    with duckdb.connect(":memory:", config={"threads": "1"}) as connection:
        connection.begin()
        make_empty(connection, store)
        tail = read_tail(store, BEGINNING)
        assert tail is not None
        apply(connection, tail)
        connection.commit()
        return content_of(connection, names)
