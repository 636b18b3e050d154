"""PostgreSQL, a real one: what is pushed there is what the index has, and what it answers is what this machine answers."""

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from datamon.errors import Conflict, DatamonError, Denied, Invalid, NotFound, Unavailable
from datamon.lineage.sql_parts import SqlRecord, SqlTable
from datamon.query.answer import Answer
from datamon.query.elsewhere.answering import Elsewhere, ask_postgres
from datamon.query.elsewhere.asking import Engine, ask_elsewhere
from datamon.query.elsewhere.postgres import Postgres, shown_url
from datamon.query.elsewhere.push import push
from datamon.query.elsewhere.schema import schemas
from datamon.query.engine import ask_on
from datamon.query.index import open_index
from datamon.query.index.schema import TABLES, VIEWS
from datamon.query.testing.postgres import postgres_server, programs
from datamon.query.testing.recorded import recorded
from datamon.query.testing.statements import statements_about
from datamon.query.testing.stories import Story
from datamon.query.testing.worlds import Doing, World
from datamon.store.opening import Store, memory_store
from datamon.store.testing.clocks import SteppingClock

pytestmark = pytest.mark.skipif(programs() is None, reason="needs PostgreSQL (Debian: apt-get install postgresql)")
CASES = Path(__file__).parent / "cases" / "postgres.sql"
TYPED = [pair.partition("\n-->\n")[0] for pair in CASES.read_text("utf-8").partition("\n")[2].split("\n;;\n")]
NAMES = (f"s{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server whose language sorts texts otherwise than by their bytes."""
    with postgres_server("--locale-provider=icu", "--icu-locale=en-US") as url:
        yield url


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


def pushed_rows(url: str, schema: str) -> dict[str, list[str]]:
    """Every table and relation of a schema, in an order of its own; the state but its version."""
    plain, kept, whole = schemas(schema)
    names = [f'"{kept}".{table.name}' for table in TABLES if table.name != "state"]
    names += [f'"{each}".{view}' for each in (plain, whole) for view in VIEWS]
    with Postgres(url) as database:
        return {
            name.partition(".")[2] + name[:9]: sorted(map(repr, database.execute(f"SELECT * FROM {name}")))
            for name in names
        }


def indexed_rows(store: Store, schema: str) -> dict[str, list[str]]:
    plain, kept, whole = (f'"{each}"' for each in schemas(schema))
    names = [(f"{kept}.{table.name}", f"kept.{table.name}") for table in TABLES if table.name != "state"]
    names += [
        (f"{there}.{view}", f"{here}.{view}")
        for there, here in ((plain, "main"), (whole, "with_system"))
        for view in VIEWS
    ]
    with open_index(store).connect() as connection:
        return {
            name.partition(".")[2] + name[:9]: sorted(map(repr, connection.execute(f"FROM {here}").fetchall()))
            for name, here in names
        }


def both(url: str, story: Story, schema: str, text: str, **params: object) -> tuple[Answer, Answer]:
    with story.index.connect() as connection:
        here = ask_on(connection, story.world.store, text, params=params)
    there = ask_postgres(story.world.store, text, Elsewhere(url, schema), index=story.index, params=params)
    return here, there


# pushing


@pytest.mark.parametrize("seed", range(300, 303))
def test_the_tables_and_relations_that_are_pushed_are_those_of_the_index(url: str, seed: int) -> None:
    history, name = recorded(seed), next(NAMES)
    push(history.world.store, url, name)
    assert pushed_rows(url, name) == indexed_rows(history.world.store, name)


def test_a_push_brings_what_is_new_and_one_without_news_changes_nothing(url: str) -> None:
    story, name = Story(), next(NAMES)
    assert push(story.world.store, url, name).whole
    before = pushed_rows(url, name)
    assert push(story.world.store, url, name) == type(push(story.world.store, url, name))(0, 0, False)
    assert pushed_rows(url, name) == before
    story.run(Doing("prepare", ("raw",), {"features": {"f": "2"}}))
    story.upload({"people.csv": "p3"})
    again = push(story.world.store, url, name)
    assert (again.events, again.whole) == (2, False)
    assert pushed_rows(url, name) == indexed_rows(story.world.store, name)


def test_pushes_at_once_come_one_after_the_other(url: str) -> None:
    story, name = Story(), next(NAMES)
    failures: list[BaseException] = []

    def pushing() -> None:
        try:
            push(story.world.store, url, name)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=pushing) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert pushed_rows(url, name) == indexed_rows(story.world.store, name)


def test_a_push_that_is_killed_leaves_what_was_there(url: str) -> None:
    story, name = Story(), next(NAMES)
    push(story.world.store, url, name)
    before = pushed_rows(url, name)
    story.run(Doing("prepare", ("raw",), {"features": {"f": "2"}}))
    raised: list[DatamonError] = []

    def pushing() -> None:
        try:
            push(story.world.store, url, name)
        except DatamonError as error:
            raised.append(error)

    thread = threading.Thread(target=pushing)
    with Postgres(url) as other:  # the last table that a push writes cannot be written while this is open
        other.execute(f'LOCK TABLE "{name}_kept".wanted IN SHARE MODE')
        thread.start()
        while not other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
        ):
            pass
        thread.join()
    assert isinstance(raised[0], Unavailable)
    assert pushed_rows(url, name) == before
    push(story.world.store, url, name)
    assert pushed_rows(url, name) == indexed_rows(story.world.store, name)


def test_a_schema_holds_one_store(url: str, story: Story) -> None:
    name = next(NAMES)
    push(Story().world.store, url, name)
    with pytest.raises(Conflict) as raised:
        push(story.world.store, url, name)
    assert raised.value.code == "other-store"
    with pytest.raises(Conflict):
        both(url, story, name, "FROM runs")


@pytest.mark.parametrize("name", ["", "a b", 'x"; DROP', "A", "ü", "pg" * 30])
def test_what_cannot_name_a_schema_is_refused(url: str, story: Story, name: str) -> None:
    with pytest.raises(Invalid):
        push(story.world.store, url, name)


# answering


@pytest.mark.parametrize("seed", range(310, 313))
def test_every_source_gives_there_what_it_gives_here(url: str, seed: int) -> None:
    check_equal(url, seed, 20)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(400, 440))
def test_thousands_of_statements_give_there_what_they_give_here(url: str, seed: int) -> None:
    check_equal(url, seed, 50)


def check_equal(url: str, seed: int, statements: int) -> None:
    """So many statements over one history. Of every second history the records come late, shuffled and by import."""
    history, name = recorded(seed, late=seed % 2 == 1), next(NAMES)
    store = history.world.store
    push(store, url, name)
    index = open_index(store)
    with index.connect() as connection:
        for text in statements_about(history.bundles, history.runs, history.refs, seed, statements):
            here = ask_on(connection, store, text)
            there = ask_postgres(store, text, Elsewhere(url, name), index=index)
            assert (there.columns, there.types) == (here.columns, here.types)
            assert sorted(map(repr, there.rows)) == sorted(map(repr, here.rows)), text


SELECTS = (
    "FROM runs ORDER BY id",
    "SELECT * FROM bundles ORDER BY id",
    "SELECT * EXCLUDE (time) FROM labels ORDER BY repo, name",
    "SELECT step, count(*), max(started) FROM runs GROUP BY step ORDER BY step DESC",
    "SELECT step, list(status ORDER BY id) FROM runs GROUP BY ALL ORDER BY ALL",
    "SELECT pipeline, count(*) FILTER (status = 'failed') AS bad FROM runs GROUP BY pipeline ORDER BY 1",
    "SELECT u.name, r.status FROM UPSTREAM OF 'model' u JOIN runs r ON r.id = u.id ORDER BY ALL",
    "SELECT cause, count(*) AS n FROM STALE GROUP BY cause ORDER BY n DESC, cause",
    "SELECT path, size, kind FROM files WHERE repo = 'raw' ORDER BY path, size, bundle",
    "SELECT avg(duration_s), sum(exit_code), 7 / 2, 7 // 2 FROM runs",
    "SELECT (SELECT count(*) FROM DOWNSTREAM OF 'raw') AS n, started::DATE AS day FROM runs ORDER BY id",
    "WITH RECURSIVE runs AS (SELECT 1 AS id) SELECT id, (SELECT count(*) FROM STALE) FROM runs",
    "SELECT hop, name FROM PATHS FROM 'raw' TO 'model' ORDER BY path, hop",
    "SELECT position, step FROM PLAN FOR 'model' ORDER BY position",
    "SELECT name FROM UPSTREAM OF 'model' AS OF '2999-01-01' ORDER BY name",
    "SELECT parents, frozen FROM bundles b LEFT JOIN labels l ON l.bundle = b.id ORDER BY b.id, l.name",
    "SELECT DISTINCT ON (step) step, status FROM runs ORDER BY step, id DESC",
    "SELECT step, row_number() OVER (PARTITION BY pipeline ORDER BY id) AS n FROM runs QUALIFY n = 1 ORDER BY ALL",
    "SELECT error FROM runs ORDER BY error DESC, id",
    "SELECT name FROM (VALUES ('b'), ('B'), ('a'), (NULL)) t(name) ORDER BY name",
    "SELECT id LIKE 'x%', if(exit_code = 0, 'good', 'bad') AS said FROM runs ORDER BY id",
)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT output_column, input_column, kind FROM columns ORDER BY ALL",
        "SELECT name, depth FROM UPSTREAM OF column 's1.t.a' AT column ORDER BY ALL",
        "WHAT USED column 's0.t.b'",
        "WHAT PRODUCED column 's1.t.a'",
    ],
)
def test_columns_are_found_here_and_joined_there(url: str, text: str) -> None:
    world, name = World(memory_store(clock=SteppingClock())), next(NAMES)
    world.upload("s0", {"t.csv": "raw"})
    read = SqlTable("s0", "source", "t", ("a", "b"), ("BIGINT", "BIGINT"))
    made = SqlTable("s1", "", "t", ("a",), ("BIGINT",))
    sql = SqlRecord("CREATE TABLE t AS SELECT b AS a FROM source.t WHERE a > 1", (read,), (made,))
    world.run(Doing("step", ("s0",), {"s1": {"t.parquet": "1"}}, sql=sql))
    push(world.store, url, name)
    index = open_index(world.store)
    with index.connect() as connection:
        here = ask_on(connection, world.store, text)
    there = ask_postgres(world.store, text, Elsewhere(url, name), index=index)
    assert here.rows
    assert (there.columns, there.types, there.rows) == (here.columns, here.types, here.rows)


@pytest.fixture(scope="module")
def told(url: str, story: Story) -> str:
    name = next(NAMES)
    push(story.world.store, url, name)
    return name


@pytest.mark.parametrize("text", SELECTS)
def test_a_select_gives_there_what_it_gives_here(url: str, story: Story, told: str, text: str) -> None:
    here, there = both(url, story, told, text)
    assert (there.columns, there.types) == (here.columns, here.types)
    assert [repr(row) for row in there.rows] == [repr(row) for row in here.rows]


def test_values_are_bound_there_too(url: str, story: Story, told: str) -> None:
    text = "SELECT $x AS x, count(*) AS n FROM UPSTREAM OF $ref WITHIN $n STOP AT (repo = $x) WHERE name <> $y"
    here, there = both(url, story, told, text, x="o'Hara", ref="model", n=2, y="100%s")
    assert there.rows == here.rows


def test_only_reads_are_answered_and_errors_are_those_of_this_machine(url: str, story: Story, told: str) -> None:
    for text in (
        "SELECT pg_read_file('/etc/passwd')",
        "FROM pg_authid",
        "DELETE FROM runs",
        "SELECT nmae FROM runs",
        "FROM rnus",
    ):
        with pytest.raises(DatamonError) as here, story.index.connect() as connection:
            ask_on(connection, story.world.store, text)
        with pytest.raises(DatamonError) as there:
            ask_postgres(story.world.store, text, Elsewhere(url, told), index=story.index)
        assert str(there.value) == str(here.value)


def test_a_statement_that_takes_too_long_is_stopped(url: str, story: Story, told: str) -> None:
    slow = (
        "SELECT count(*) FROM edges a, edges b, edges c, edges d, edges e, edges f, edges g, edges h, edges i, edges j"
    )
    with pytest.raises(Unavailable) as raised:
        ask_postgres(story.world.store, slow, Elsewhere(url, told, limit_s=0.05), index=story.index)
    assert raised.value.code == "query-stopped"


def test_what_was_never_pushed_says_how_to_push(url: str, story: Story) -> None:
    with pytest.raises(NotFound) as raised:
        both(url, story, "nothing_here", "FROM runs")
    assert raised.value.code == "not-pushed"
    assert "datamon index push" in raised.value.message


def test_a_server_that_is_away_a_wrong_url_and_a_refused_user_are_told_without_the_password(
    url: str, story: Story
) -> None:
    with pytest.raises(Unavailable) as away:
        push(story.world.store, "postgresql://ada:s3cret@127.0.0.1:1/x")
    assert away.value.code == "engine-unavailable"
    with pytest.raises(Invalid) as wrong:
        push(story.world.store, "postgresql://ada:s3cret@host/x?nothing=1")
    with pytest.raises(Denied) as refused, Postgres(url) as owner:
        owner.execute("CREATE ROLE guest LOGIN")
        owner.commit()
        push(story.world.store, url.replace("postgres@", "guest:s3cret@"), next(NAMES))
    assert refused.value.code == "engine-denied"
    for raised in (away, wrong, refused):
        assert "s3cret" not in str(raised.value)
        assert "s3cret" not in repr(raised.value.facts)


def test_an_url_is_shown_without_its_password() -> None:
    assert shown_url("postgresql://a:b%40c@h/d?password=e&x=1") == "postgresql://a:***@h/d?password=***&x=1"


def test_an_engine_that_there_is_not_is_told(story: Story) -> None:
    with pytest.raises(Invalid) as raised:
        ask_elsewhere(story.world.store, "FROM runs", Engine("mysql://h/d"), index=story.index)
    assert "postgresql://" in raised.value.message


@pytest.mark.parametrize("text", TYPED)
def test_postgresql_answers_every_select_of_the_golden_file_as_this_machine_does(
    url: str, story: Story, told: str, text: str
) -> None:
    here, there = both(url, story, told, text)
    assert (there.columns, there.types) == (here.columns, here.types)
    if "now()" not in text:
        assert sorted(map(repr, there.rows)) == sorted(map(repr, here.rows))
