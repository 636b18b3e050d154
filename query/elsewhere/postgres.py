"""PostgreSQL: the one module that speaks to it."""

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from datamon.errors import Conflict, DatamonError, Denied, Invalid, Unavailable

Row = tuple[object, ...]
CONNECT_S = 10
_URL = re.compile(r"^postgres(?:ql)?://")
_SECRET = re.compile(r"(?<=:)[^:@/\s]+(?=@)|(?<=password=)[^&\s]+")


def is_postgres(url: str) -> bool:
    """Whether a URL names a PostgreSQL database."""
    return _URL.match(url) is not None


def shown_url(url: str) -> str:
    """The URL without its password.

    >>> shown_url("postgresql://ada:s3cret@db:5432/lineage")
    'postgresql://ada:***@db:5432/lineage'
    """
    return _SECRET.sub("***", url)


class Refused(Exception):  # noqa: N818 (what it says, not what went wrong here)
    """What PostgreSQL says of a statement that it cannot answer; `stopped` when a limit ended it."""

    def __init__(self, said: str, *, stopped: bool = False) -> None:
        super().__init__(said)
        self.stopped = stopped


class Postgres:
    """A connection to a database, in UTC. A context: what was not committed when it ends is undone."""

    def __init__(self, url: str) -> None:
        """Raises Invalid (`missing-extra`, `bad-url`), Denied (`engine-denied`), Unavailable (`engine-unavailable`)."""
        try:
            import psycopg  # an optional extra
        except ImportError as error:
            message = "PostgreSQL needs the package psycopg; install it with: pip install 'datamon[postgres]'"
            raise Invalid("missing-extra", message, extra="postgres") from error
        self._library: Any = psycopg
        self.place = shown_url(url)
        try:
            self._connection: Any = psycopg.connect(
                url, connect_timeout=CONNECT_S, options="-c TimeZone=UTC", application_name="datamon"
            )
        except psycopg.ProgrammingError as error:
            raise Invalid("bad-url", f"{self.place} names no database: {_line(error)}", url=self.place) from None
        except psycopg.OperationalError as error:
            raise self._unreachable(error) from None
        except UnicodeError:
            raise Invalid("bad-url", f"{self.place} names no database", url=self.place) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def execute(self, sql: str, values: Sequence[object] | None = None) -> list[Row]:
        """The rows that a statement of ours gives; `%s` are its values. Raises as `Postgres`."""
        with self._failures():
            cursor = self._connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def put(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """The table has these rows in addition; of texts, what PostgreSQL cannot hold is a '?'. Raises as `Postgres`."""
        listed = ", ".join(f'"{column}"' for column in columns)
        with (
            self._failures(),
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY {table} ({listed}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row([_holdable(value) for value in row])

    def commit(self) -> None:
        """What was done is durable, all of it. Raises as `Postgres`."""
        with self._failures():
            self._connection.commit()

    def read_only(self, limit_s: float) -> None:
        """From here on nothing but temporary tables can be written, and a statement ends after so many seconds."""
        self.commit()
        self.execute("SELECT set_config('statement_timeout', %s, FALSE)", [str(max(1, round(limit_s * 1000)))])
        self.commit()
        self._connection.read_only = True

    def answer(self, sql: str, most: int) -> list[Row]:
        """At most `most` rows of a SELECT. Raises Refused."""
        try:
            cursor = self._connection.execute(sql)
            rows = cursor.fetchmany(most)
        except self._library.errors.QueryCanceled as error:
            raise Refused(_line(error), stopped=True) from error
        except self._library.Error as error:
            raise Refused(_line(error)) from error
        return [tuple(_plain(value) for value in row) for row in rows]

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except self._library.errors.InsufficientPrivilege as error:
            said = f"{self.place} does not allow this user what is needed ({_line(error)}); ask its owner"
            raise Denied("engine-denied", said, url=self.place) from error
        except (self._library.errors.SerializationFailure, self._library.errors.DeadlockDetected) as error:
            raise Conflict(
                "engine-busy", f"another push to {self.place} was quicker; try again", url=self.place
            ) from error
        except self._library.OperationalError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> DatamonError:
        said = shown_url(_line(error))
        if "authentication" in said or "password" in said or getattr(error, "sqlstate", None) in ("28P01", "28000"):
            message = f"{self.place} refuses the user or the password ({said}); correct the URL, or set PGPASSWORD"
            return Denied("engine-denied", message, url=self.place)
        message = f"{self.place} cannot be reached ({said}); see that it runs and that host and port are right"
        return Unavailable("engine-unavailable", message, url=self.place)


def _line(error: Exception) -> str:
    diagnosis = getattr(getattr(error, "diag", None), "message_primary", None)
    lines = [line.strip() for line in str(diagnosis or error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _holdable(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\0", "?").encode("utf-8", "replace").decode()
    return [_holdable(each) for each in value] if isinstance(value, list | tuple) else value


def _plain(value: object) -> object:
    """Instants in UTC without a zone, as DuckDB gives them to Python."""
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.UTC).replace(tzinfo=None)
    return [_plain(each) for each in value] if isinstance(value, list) else value
