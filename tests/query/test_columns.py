"""The lineage of columns, a case for each way in which SQL can hand a column on."""

import pytest

from datamon.errors import Invalid
from datamon.query.columns.derive import derive
from datamon.query.columns.lineage import TableLineage

SCHEMAS = {
    "shop.orders": {"id": "INTEGER", "customer": "INTEGER", "Amount": "DOUBLE", "tags": "VARCHAR[]"},
    "crm.people": {"id": "INTEGER", "name": "VARCHAR", "boss": "INTEGER"},
}
CASES = {
    "a star": ("SELECT * FROM orders", "id=o.id customer=o.customer amount=o.Amount tags=o.tags"),
    "a star without": ("SELECT * EXCLUDE (tags, id) FROM shop.orders", "customer=o.customer amount=o.Amount"),
    "a star replaced": (
        "SELECT * REPLACE (id + amount AS id) FROM orders",
        "id=o.Amount,o.id customer=o.customer amount=o.Amount tags=o.tags",
    ),
    "a common table expression": ("WITH a AS (SELECT id + amount AS x FROM orders) SELECT x FROM a", "x=o.Amount,o.id"),
    "one of the table's own name": (
        "WITH orders AS (SELECT amount AS x FROM shop.orders) SELECT x FROM orders",
        "x=o.Amount",
    ),
    "a join": (
        "SELECT name, amount FROM orders JOIN people ON people.id = customer",
        "name=p.name amount=o.Amount | join o.customer,p.id",
    ),
    "a join by using": (
        "SELECT id, name FROM orders JOIN people USING (id)",
        "id=o.id,p.id name=p.name | join o.id,p.id",
    ),
    "a union": ("SELECT id FROM orders UNION ALL SELECT boss FROM people", "id=o.id,p.boss"),
    "a union of three": (
        "SELECT id FROM orders UNION ALL SELECT boss FROM people UNION ALL SELECT customer FROM orders",
        "id=o.customer,o.id,p.boss",
    ),
    "a union without repeats": (
        "SELECT id FROM orders UNION SELECT boss FROM people",
        "id=o.id,p.boss | group o.id,p.boss",
    ),
    "a window": (
        "SELECT sum(amount) OVER (PARTITION BY customer ORDER BY id) AS x FROM orders",
        "x=o.Amount,o.customer,o.id",
    ),
    "qualify": (
        "SELECT id FROM orders QUALIFY row_number() OVER (PARTITION BY customer ORDER BY amount) = 1",
        "id=o.id | filter o.Amount,o.customer",
    ),
    "a scalar subquery": (
        "SELECT id, (SELECT max(name) FROM people WHERE people.id = customer) AS n FROM orders",
        "id=o.id n=p.name | filter o.customer,p.id",
    ),
    "exists": (
        "SELECT id FROM orders WHERE EXISTS (SELECT * FROM people WHERE people.id = customer)",
        "id=o.id | filter o.customer,p.id",
    ),
    "unnest": ("SELECT id, unnest(tags) AS tag FROM orders", "id=o.id tag=o.tags"),
    "unnest beside": ("SELECT id, t.tag FROM orders, unnest(tags) AS t(tag)", "id=o.id tag=o.tags"),
    "recursion": (
        """WITH RECURSIVE r(a, b) AS (SELECT id, boss FROM people UNION ALL SELECT b, p.id FROM r JOIN people p ON p.id = b)
        SELECT a, b FROM r""",
        "a=p.boss,p.id b=p.boss,p.id | join p.boss,p.id",
    ),
    "distinct": ("SELECT DISTINCT customer FROM orders", "customer=o.customer | group o.customer"),
    "order and limit": ("SELECT id FROM orders ORDER BY amount LIMIT 3", "id=o.id | order o.Amount"),
    "a natural join": ("SELECT name FROM orders NATURAL JOIN people", "name=p.name | join o.id,p.id"),
    "group by all": ("SELECT id, sum(amount) AS s FROM orders GROUP BY ALL", "id=o.id s=o.Amount | group o.id"),
    "a limit from elsewhere": ("SELECT id FROM orders LIMIT (SELECT max(boss) FROM people)", "id=o.id | filter p.boss"),
    "a lambda": ("SELECT list_transform(tags, e -> e || id) AS z FROM orders", "z=o.id,o.tags"),
    "beside each row": (
        "SELECT q.name FROM orders, LATERAL (SELECT name FROM people WHERE people.id = orders.customer) q",
        "name=p.name | filter o.customer,p.id",
    ),
    "a count": ("SELECT count(*) AS n, 1 AS one FROM orders", "n= one="),
    "a name in the same SELECT": ("SELECT amount AS x, x * 2 AS y FROM orders", "x=o.Amount y=o.Amount"),
    "FROM first": ("FROM people SELECT name", "name=p.name"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_output_column_has_the_columns_it_comes_from(case: str) -> None:
    sql, expected = CASES[case]
    (found,) = derive(sql, SCHEMAS)
    assert _shown(found) == expected


def test_columns_are_followed_through_the_tables_of_earlier_statements() -> None:
    found = derive(
        """CREATE TEMP TABLE a AS SELECT amount AS x FROM orders WHERE id > 1;
        CREATE VIEW b AS SELECT x + 1 AS x FROM a;
        CREATE TABLE c AS SELECT x FROM b;
        SELECT name FROM people""",
        SCHEMAS,
    )
    assert [(each.name, _shown(each)) for each in found] == [
        ("c", "x=o.Amount | filter o.id"),
        ("result", "name=p.name"),
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT nothing FROM orders",
        "SELECT * FROM absent",
        "SELEC 1",
        "DROP TABLE orders",
        "SELECT (((",
        "SELECT COLUMNS('a') FROM orders",
        "SELECT orders FROM orders",
        "SELECT * FROM range(3)",
        "SELECT id FROM orders UNION ALL BY NAME SELECT id FROM people",
        "SELECT * FROM (PIVOT orders ON id USING sum(amount))",
    ],
)
def test_what_cannot_be_followed_is_said(sql: str) -> None:
    with pytest.raises(Invalid, match="cannot be told") as caught:
        derive(sql, SCHEMAS)
    assert caught.value.code == "no-column-lineage"


def _shown(found: TableLineage) -> str:
    def listed(sources: object) -> str:
        assert isinstance(sources, frozenset)
        return ",".join(sorted(f"{'o' if each.table == 'shop.orders' else 'p'}.{each.column}" for each in sources))

    values = " ".join(f"{column}={listed(sources)}" for column, sources in found.values.items())
    return " | ".join([values, *(f"{kind} {listed(sources)}" for kind, sources in found.influences.items())])
