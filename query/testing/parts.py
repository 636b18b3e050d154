"""The recursive SELECT of a source, part by part: what an option changes in it."""

import re

import sqlglot

from datamon.query.asking import Asking, find_bundles, find_runs
from datamon.query.compiled.sources import source_sql
from datamon.query.language.parse import parse
from datamon.query.language.statement import Select
from datamon.query.place import NOWHERE
from datamon.query.testing.stories import Story

_PLAIN = {
    "UPSTREAM": "UPSTREAM OF 'model'",
    "DOWNSTREAM": "DOWNSTREAM OF 'raw'",
    "AFFECTED": "AFFECTED BY 'raw'",
    "STALE": "STALE",
}
_ID = re.compile(r"'([0-9A-Za-z]{27}|[0-9a-f]{64})'")


def parts_of(story: Story, text: str) -> str:
    """The definitions of the SELECT of `text` that the plain source of its first word has not, or has otherwise, one a line, then
    its last part where that is another. Ids and contents are '…'."""
    plain = _parts(story, _PLAIN[text.split()[0].upper()]) if text.split()[0].upper() in _PLAIN else {}
    return "\n".join(f"{name}: {sql}" for name, sql in _parts(story, text).items() if plain.get(name) != sql)


def _parts(story: Story, text: str) -> dict[str, str]:
    asking = Asking(story.world.store, text, {}, NOWHERE)
    statement = parse(text)
    assert isinstance(statement, Select)
    find_bundles(asking, statement)
    with story.index.connect() as connection:
        find_runs(asking, statement, connection)
        [placed] = statement.sources
        sql = source_sql(asking, asking.world(connection, placed.source), placed)
    assert sql is not None
    tree = sqlglot.parse_one(_ID.sub("'…'", sql), read="duckdb")
    assert isinstance(tree, sqlglot.exp.Query)
    parts = {cte.alias: cte.this.sql("duckdb") for cte in tree.ctes}
    tree.set("with_", None)
    return parts | {"SELECT": tree.sql("duckdb")}
