"""How far a graph's file has read its store."""

import json
import sqlite3

from datamon.query.graph.schema import VERSION
from datamon.query.index.tail import LogName, Position
from datamon.store.ids import RepoId

STORE_LOG = ""
"""What the file calls the store's own log."""


class OutOfReachError(Exception):
    """A record tells something else of what was settled, so that only making the file anew helps; or nothing does."""


def read_position(file: sqlite3.Connection, store_id: str) -> Position | None:
    """How far the file has read; None when it is not one of this store in this version. Raises sqlite3.Error, ValueError."""
    state = dict(file.execute("SELECT name, value FROM state"))
    if state.get("version") != VERSION or state.get("store") != store_id:
        return None
    tips = {_log_name(log): number for log, number in file.execute("SELECT log, number FROM tips")}
    watch = frozenset((_log_name(log), number) for log, number in json.loads(state["watch"]))
    return Position(cursor=json.loads(state["cursor"]), tips=tips, watch=watch)


def _log_name(log: str) -> LogName:
    return None if log == STORE_LOG else RepoId(log)
