"""A statement reads the relations and reaches nothing else, by any way that we know of."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from datamon.errors import DatamonError, Denied, Invalid, Unavailable
from datamon.query import functions
from datamon.query.compile import Compiled, compile_select
from datamon.query.engine import ask
from datamon.query.index import FileIndex, Index, open_index
from datamon.query.language.parse import parse
from datamon.query.language.statement import Select
from datamon.query.relations import RELATIONS
from datamon.query.safety import check
from datamon.query.testing.worlds import Doing, World
from datamon.store.opening import memory_store
from datamon.store.testing.clocks import SteppingClock


@pytest.fixture(scope="module")
def world() -> World:
    """One history for the whole module: no statement changes it, which is what is tested."""
    made = World(memory_store(clock=SteppingClock()))
    made.upload("raw", {"a": "1"})
    made.run(Doing("prepare", ("raw",), {"features": {"f": "1"}}))
    return made


@pytest.fixture(scope="module")
def index(world: World) -> Index:
    """Its index."""
    return open_index(world.store)


@pytest.fixture(scope="module")
def connection(index: Index) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection as statements have it."""
    with index.connect() as opened:
        yield opened


def compiled(text: str) -> Compiled:
    statement = parse(text)
    assert isinstance(statement, Select)
    return compile_select(statement)


def checked(connection: duckdb.DuckDBPyConnection, text: str) -> frozenset[str]:
    return check(connection, compiled(text), RELATIONS)


HOSTILE = [
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_parquet('x.parquet')",
    "SELECT * FROM read_json_auto('x.json')",
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "/etc/passwd"',
    "FROM 'https://example.org/x.csv'",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table(['runs'])",
    "SELECT * FROM json_execute_serialized_sql('{}')",
    "SELECT getenv('HOME')",
    "SELECT main.getenv('HOME')",
    "SELECT 'HOME'.getenv()",
    "SELECT \"getenv\"('HOME')",
    "SELECT current_setting('home_directory')",
    "SELECT getvariable('x')",
    "SELECT nextval('s')",
    "SELECT pg_sleep(1)",
    "SELECT sleep_ms(1000)",
    "SELECT write_log('x')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_tables",
    "SELECT * FROM pragma_database_size()",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM kept.runs",
    "SELECT * FROM with_system.bundles",
    "SELECT * FROM system.main.duckdb_functions",
    "SELECT * FROM memory.main.runs",
    "SELECT * FROM (DESCRIBE runs)",
    "SELECT * FROM (SHOW TABLES)",
    "SELECT * FROM (SUMMARIZE runs)",
    "SELECT * FROM (PIVOT runs ON step USING count(*))",
    "SELECT * FROM runs AT (VERSION => 1)",
    "WITH a AS (INSERT INTO runs VALUES (1) RETURNING *) SELECT * FROM a",
    "WITH a AS (DELETE FROM runs RETURNING *) SELECT * FROM a",
    "SELECT * INTO copied FROM runs",
    "SELECT * FROM runs FOR UPDATE",
    "SELECT 1; DROP TABLE runs",
    "SELECT 1; SELECT 2",
    "SELECT 1 /* ; */; ATTACH 'x.db'",
    "DROP TABLE runs",
    "CREATE TABLE x AS SELECT 1",
    "CREATE TEMP MACRO f() AS 1",
    "INSERT INTO runs VALUES (1)",
    "UPDATE runs SET id = 'x'",
    "DELETE FROM runs",
    "COPY runs TO '/tmp/x.csv'",
    "EXPORT DATABASE '/tmp/x'",
    "ATTACH '/tmp/x.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 1",
    "PRAGMA database_list",
    "CALL duckdb_settings()",
    "VACUUM",
    "EXPLAIN DROP TABLE runs",
    "EXPLAIN ANALYZE SELECT 1",
    "FROM UPSTREAM OF 'raw' STOP AT (id = getenv('HOME'))",
    "FROM UPSTREAM OF 'raw' STOP AT (id IN (SELECT content FROM read_text('/etc/passwd')))",
    "FROM UPSTREAM OF 'raw' STOP AT (true); DROP TABLE runs",
    "FROM upstream('raw', stop_at := 'true) UNION SELECT (1')",
    "FROM upstream('raw', stop_at := 'true; DROP TABLE runs')",
    "SELECT list_transform(['/etc/passwd'], lambda x: read_text(x))",
    "SELECT * FROM runs, LATERAL (SELECT * FROM read_csv(runs.id))",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM runs ORDER BY getenv('HOME')",
    "SELECT * FROM runs LIMIT (SELECT count(*) FROM glob('*'))",
    "SELECT CASE WHEN true THEN getenv('HOME') END",
    "SELECT row_number() OVER (ORDER BY getenv('HOME')) FROM runs",
    "SELECT len(range(100000000))",
    "SELECT length(repeat('a', 1000000000))",
    "SELECT [[repeat('a', 5000) for y in range(5000)] for x in range(5000)]",
    "SELECT lpad(id, length(id) * 1000000, 'x') FROM runs",
    "SELECT 'a'.repeat(1000000000)",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM pandas_scan(1)",
    "SELECT * FROM store",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_statement_gets_an_error_with_a_place(world: World, index: Index, text: str) -> None:
    with pytest.raises(DatamonError) as raised:
        ask(world.store, text, index=index)
    assert isinstance(raised.value, Denied | Invalid)
    assert raised.value.code in ("statement-refused", "bad-statement")
    assert raised.value.message.startswith("line ")


def test_a_comment_in_a_predicate_ends_with_it(world: World, index: Index) -> None:
    text = "FROM upstream('features', stop_at := 'true -- ') WHERE false"
    assert ask(world.store, text, index=index).rows == []


def test_there_are_many_hostile_statements() -> None:
    assert len(HOSTILE) >= 70


ORDINARY = [
    "SELECT strftime(started, '%Y'), started::DATE, EXTRACT(year FROM started) FROM runs",
    "SELECT [x + 1 for x in [1, 2]], {'a': 1}.a, list_transform([1], lambda x: x + 1), [1, 2][1], [1, 2][1:2]",
    "SELECT value ->> 'a', json_extract(value, '$.a') FROM params",
    "SELECT CASE WHEN id IS NULL THEN 1 ELSE 2 END, coalesce(id, 'x'), id COLLATE nocase, -1, NOT true FROM runs",
    "SELECT row_number() OVER (ORDER BY id), lag(id) OVER w FROM runs WINDOW w AS (PARTITION BY step ORDER BY id)",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT * FROM t",
    "WITH a AS MATERIALIZED (SELECT 1 AS x), b AS (FROM a) SELECT * FROM a, b",
    "SELECT step, max(duration_s) FROM runs GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 3 OFFSET 1",
    "SELECT DISTINCT ON (step) step, * EXCLUDE (id) FROM runs QUALIFY row_number() OVER () = 1",
    "SELECT step FROM runs GROUP BY ROLLUP (step), grouping sets ((step), ())",
    "SELECT * FROM runs r LEFT JOIN params p ON p.run = r.id SEMI JOIN metrics m ON m.run = r.id",
    "FROM runs SELECT COLUMNS('s.*') WHERE id NOT IN (SELECT run FROM params) AND step LIKE 'a%'",
    "SELECT * FROM unnest([1, 2]) u(x), range(3) r, generate_series(1, 2) g, (VALUES (1, 2)) v(a, b)",
    "SELECT unnest(parents) FROM bundles",
    "SELECT repeat('-', 20), lpad(id, 40, ' '), range(-3, 10, 2), (FROM range(1000000) SELECT count(*)) FROM runs",
    "FROM runs UNION ALL BY NAME FROM runs EXCEPT FROM runs",
    "SELECT count(*) FILTER (WHERE status = 'failed'), string_agg(id, ',' ORDER BY id) FROM runs",
    "SELECT TRY_CAST(value AS DOUBLE), value::DECIMAL(10, 2) FROM params",
    "SELECT name, arg_max(run, value) FROM metrics GROUP BY name",
    "SELECT a.id FROM runs a ASOF JOIN runs b ON a.started >= b.started",
    "SELECT EXISTS (FROM runs), id = ANY(['a']), id BETWEEN 'a' AND 'b', id IS DISTINCT FROM 'x' FROM runs",
    "SELECT started - INTERVAL 1 DAY, date_trunc('day', started), now(), current_date FROM runs",
    "FROM runs PIVOT (count(*) FOR status IN ('failed', 'succeeded'))",
    "SELECT * FROM runs TABLESAMPLE 10%",
    "(SELECT 1) UNION (SELECT 2) ORDER BY 1",
    "SELECT id.upper() FROM runs",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_sql_is_let_through_and_runs(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assert checked(connection, text) <= set(RELATIONS)
    connection.execute(compiled(text).sql)


def test_the_relations_that_are_read_are_known_wherever_they_stand(connection: duckdb.DuckDBPyConnection) -> None:
    text = "WITH a AS (FROM Runs) SELECT (SELECT max(value) FROM metrics) FROM a WHERE a.id IN (SELECT run FROM params)"
    assert checked(connection, text) == {"runs", "metrics", "params"}


def test_a_name_that_a_statement_defines_hides_the_relation(connection: duckdb.DuckDBPyConnection) -> None:
    assert checked(connection, "WITH files AS (SELECT 1) SELECT * FROM files") == frozenset()


def test_every_callable_function_is_one_that_this_duckdb_has(connection: duckdb.DuckDBPyConnection) -> None:
    rows = connection.execute("SELECT DISTINCT lower(function_name) FROM duckdb_functions()").fetchall()
    words_of_the_parser = {
        *("coalesce", "grouping", "try", "cume_dist", "dense_rank", "fill", "first_value", "lag", "last_value", "lead"),
        *(
            "nth_value",
            "ntile",
            "percent_rank",
            "rank",
            "rank_dense",
            "row_number",
            "current_time",
            "current_timestamp",
        ),
    }
    assert functions.CALLABLE - {name for (name,) in rows} <= words_of_the_parser


def test_no_callable_function_reads_a_setting_a_variable_or_a_file() -> None:
    for name in functions.CALLABLE | functions.TABLES:
        words = ("getenv", "setting", "variable", "read_", "glob", "query", "execute", "sleep", "log_message", "pragma")
        assert not any(word in name for word in words), name
    assert not {"nextval", "setseed", "write_log", "copy_database"} & functions.CALLABLE


class Hurried(FileIndex):
    """An index whose connections allow a statement a fifth of a second."""

    def connect(self, *, limit_s: float = 0.2, about: str | None = None) -> duckdb.DuckDBPyConnection:
        """Ends sooner than others."""
        return super().connect(limit_s=limit_s, about=about)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT count(*) FROM range(100000000000) a, range(100000) b",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL FROM t) FROM t",
    ],
)
def test_a_statement_without_end_is_stopped(world: World, tmp_path: Path, text: str) -> None:
    with pytest.raises(Unavailable) as raised:
        ask(world.store, text, index=Hurried(world.store, tmp_path))
    assert raised.value.code == "query-stopped"
