"""The tables of TPC-H, small, made from a seed."""

import random
from collections.abc import Sequence
from datetime import date, timedelta

import duckdb

SCHEMAS: dict[str, dict[str, str]] = {
    "region": {"r_regionkey": "INTEGER", "r_name": "VARCHAR", "r_comment": "VARCHAR"},
    "nation": {"n_nationkey": "INTEGER", "n_name": "VARCHAR", "n_regionkey": "INTEGER", "n_comment": "VARCHAR"},
    "supplier": {
        "s_suppkey": "INTEGER",
        "s_name": "VARCHAR",
        "s_address": "VARCHAR",
        "s_nationkey": "INTEGER",
        "s_phone": "VARCHAR",
        "s_acctbal": "DOUBLE",
        "s_comment": "VARCHAR",
    },
    "customer": {
        "c_custkey": "INTEGER",
        "c_name": "VARCHAR",
        "c_address": "VARCHAR",
        "c_nationkey": "INTEGER",
        "c_phone": "VARCHAR",
        "c_acctbal": "DOUBLE",
        "c_mktsegment": "VARCHAR",
        "c_comment": "VARCHAR",
    },
    "part": {
        "p_partkey": "INTEGER",
        "p_name": "VARCHAR",
        "p_mfgr": "VARCHAR",
        "p_brand": "VARCHAR",
        "p_type": "VARCHAR",
        "p_size": "INTEGER",
        "p_container": "VARCHAR",
        "p_retailprice": "DOUBLE",
        "p_comment": "VARCHAR",
    },
    "partsupp": {
        "ps_partkey": "INTEGER",
        "ps_suppkey": "INTEGER",
        "ps_availqty": "INTEGER",
        "ps_supplycost": "DOUBLE",
        "ps_comment": "VARCHAR",
    },
    "orders": {
        "o_orderkey": "INTEGER",
        "o_custkey": "INTEGER",
        "o_orderstatus": "VARCHAR",
        "o_totalprice": "DOUBLE",
        "o_orderdate": "DATE",
        "o_orderpriority": "VARCHAR",
        "o_clerk": "VARCHAR",
        "o_shippriority": "INTEGER",
        "o_comment": "VARCHAR",
    },
    "lineitem": {
        "l_orderkey": "INTEGER",
        "l_partkey": "INTEGER",
        "l_suppkey": "INTEGER",
        "l_linenumber": "INTEGER",
        "l_quantity": "DOUBLE",
        "l_extendedprice": "DOUBLE",
        "l_discount": "DOUBLE",
        "l_tax": "DOUBLE",
        "l_returnflag": "VARCHAR",
        "l_linestatus": "VARCHAR",
        "l_shipdate": "DATE",
        "l_commitdate": "DATE",
        "l_receiptdate": "DATE",
        "l_shipinstruct": "VARCHAR",
        "l_shipmode": "VARCHAR",
        "l_comment": "VARCHAR",
    },
}
_ROWS = {
    "region": 3,
    "nation": 6,
    "supplier": 8,
    "customer": 25,
    "part": 25,
    "partsupp": 60,
    "orders": 120,
    "lineitem": 400,
}
_KEYS = {"regionkey": "region", "nationkey": "nation", "suppkey": "supplier", "custkey": "customer", "partkey": "part"}
_CHOICES: dict[str, Sequence[object]] = {
    "r_name": ("EUROPE", "ASIA", "AMERICA"),
    "n_name": ("FRANCE", "GERMANY", "BRAZIL", "CANADA", "SAUDI ARABIA", "INDIA"),
    "phone": ("13-1", "31-2", "23-3", "99-4"),
    "mktsegment": ("BUILDING", "MACHINERY"),
    "brand": ("Brand#12", "Brand#23", "Brand#34", "Brand#45"),
    "type": ("PROMO BRASS", "ECONOMY ANODIZED STEEL", "MEDIUM POLISHED TIN"),
    "size": (3, 9, 14, 15, 49),
    "container": ("SM CASE", "MED BOX", "LG PACK"),
    "p_name": ("forest green", "green red", "blue"),
    "orderstatus": ("F", "O"),
    "orderpriority": ("1-URGENT", "2-HIGH", "5-LOW"),
    "returnflag": ("R", "A", "N"),
    "linestatus": ("F", "O"),
    "shipmode": ("AIR", "MAIL", "SHIP"),
    "shipinstruct": ("DELIVER IN PERSON", "NONE"),
    "comment": ("special requests", "Customer Complaints", "plain"),
    "discount": (0.05, 0.06, 0.07),
    "tax": (0.0, 0.02),
    "shippriority": (0, 1),
}


def load_tables(connection: duckdb.DuckDBPyConnection, seed: int) -> None:
    """The connection has the eight tables, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 (test rows)
    for table, columns in SCHEMAS.items():
        connection.execute(f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
        rows = [[value(chance, table, name, n) for name in columns] for n in range(1, _ROWS[table] + 1)]
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608


def value(chance: random.Random, table: str, name: str, number: int) -> object:
    """A value for a column in the row of this number."""
    short = name.split("_", 1)[1]
    own = next((key for key, whose in _KEYS.items() if whose == table and key == short), None)
    if own or (table == "orders" and short == "orderkey"):
        return number
    if name == "o_custkey":
        return chance.randint(1, _ROWS["customer"] * 2 // 3)  # a third of the customers have no orders, as in TPC-H
    if short in _KEYS:
        return chance.randint(1, _ROWS[_KEYS[short]])
    if name == "l_orderkey":
        return chance.randint(1, _ROWS["orders"])
    choices = _CHOICES.get(name) or _CHOICES.get(short)
    if choices:
        return chance.choice(choices)
    return _plain(chance, SCHEMAS[table][name], name)


def _plain(chance: random.Random, kind: str, name: str) -> object:
    if kind == "DATE":
        return date(1993, 1, 1) + timedelta(days=chance.randint(0, 1500))
    if kind == "VARCHAR":
        return f"{name} {chance.randint(1, 9)}"
    return chance.randint(1, 50) if kind == "INTEGER" else round(chance.uniform(1, 200), 1)
