"""Checking an index: everything it says must be what the store says."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from datamon.errors import Unavailable
from datamon.query.index.connect import open_for_building
from datamon.query.index.publish import Generations
from datamon.query.index.refresh import apply, make_empty, read_position
from datamon.query.index.schema import KEPT, TABLES, Table
from datamon.query.index.status import Unusable, open_generation
from datamon.query.index.tail import BEGINNING, Position, Tail, read_tail
from datamon.store.opening import Store

Connection = duckdb.DuckDBPyConnection
Code = Literal["index-absent", "index-unusable", "index-unreadable", "row-missing", "row-unexpected"]
MOST_EXAMPLES = 5
"""How many differing rows of a table are told, each way."""
_PASSES = 5
_OF_ITS_OWN = {"state": "WHERE name IN ('schema', 'store', 'broken')"}
"""Rows of which only these must be the same: where the journal was read to can be said in more than one way."""


@dataclass(frozen=True, slots=True)
class IndexFinding:
    """One thing that a check of an index found. Damage needs `index rebuild`; a notice is harmless."""

    severity: Literal["damage", "notice"]
    code: Code
    table: str
    message: str

    @property
    def is_damage(self) -> bool:
        """Whether the index would answer wrongly, or not at all."""
        return self.severity == "damage"


@dataclass(frozen=True, slots=True)
class Checked:
    """An index's tables as they are, and as they are made from the store alone; both have the same records."""

    kept: Connection
    made: Connection


Check = Callable[[Checked], Iterator[IndexFinding]]


def check_index(store: Store, index_dir: Path) -> list[IndexFinding]:
    """What is wrong with the index of `store` below `index_dir`, that of an encrypted store excepted, which is made for each
    process; nothing is changed. What the index only lacks yet is nothing wrong. Takes the time and, for a while, the room of a
    rebuild.

    Raises Unavailable (`index-busy`) when the store changes faster than it can be read, else as `Index.connect`.
    """
    directory = index_dir / store.id
    if store.cover.hides or not directory.is_dir():
        return [_absent()]
    with ExitStack() as closing:
        room = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="checking-", dir=index_dir)))
        kept = _kept_copy(store, directory, room, closing)
        if isinstance(kept, IndexFinding):
            return [kept]
        made = closing.enter_context(open_for_building(room / "index.duckdb"))
        make_empty(made, store)
        try:
            _level(store, kept, made)
            return [finding for check in CHECKS for finding in check(Checked(kept, made))]
        except duckdb.Error as error:
            return [_unreadable(str(error).splitlines()[0])]


def _absent() -> IndexFinding:
    return IndexFinding("notice", "index-absent", "", "there is no index on this disk; a question makes one")


def _unreadable(reason: str) -> IndexFinding:
    said = f"the index cannot be read ({reason}); `datamon index rebuild` makes it anew"
    return IndexFinding("damage", "index-unreadable", "", said)


def _kept_copy(store: Store, directory: Path, room: Path, closing: ExitStack) -> Connection | IndexFinding:
    """A connection to a copy of the current generation, which may be written."""
    copy = room / "copy.duckdb"
    with Generations(directory).held() as found:
        if found is None:
            return _absent()
        shutil.copyfile(found[1], copy)
    opened = open_generation(store, copy)
    if isinstance(opened, Unusable):
        if opened.state == "unreadable":
            return _unreadable(opened.reason)
        said = "the index is of another version, or of another store; the next question makes another"
        return IndexFinding("notice", "index-unusable", "", said)
    opened[0].close()
    return closing.enter_context(open_for_building(copy))


def _level(store: Store, kept: Connection, made: Connection) -> None:
    """Both have the same records: each is read again until neither lacks any, in this order."""
    at = BEGINNING
    for _ in range(_PASSES):
        news, at = _advance(store, made, at)
        position = read_position(kept, store.id)
        assert position is not None, "it was opened as an index of this store"
        more, _ = _advance(store, kept, position)
        if not news and not more:
            return
    raise Unavailable(
        "index-busy", "the store changes faster than its index can be checked; check it at a quieter time"
    )


def _advance(store: Store, connection: Connection, position: Position) -> tuple[bool, Position]:
    tail = read_tail(store, position)
    if tail is None:
        raise Unavailable(
            "index-busy", "the store's journal is another one than the index was read from; ask a question first"
        )
    if tail.news:
        _apply(connection, tail)
    return tail.news, tail.after


def _apply(connection: Connection, tail: Tail) -> None:
    connection.begin()
    apply(connection, tail)
    connection.commit()


def _tables(checked: Checked) -> Iterator[IndexFinding]:
    """Rows that one has and the other has not."""
    for table in TABLES:
        if _sum(checked.kept, table) != _sum(checked.made, table):
            yield from _differences(checked, table)


def _rows(table: Table) -> str:
    return f"(FROM {KEPT}.{table.name} {_OF_ITS_OWN.get(table.name, '')}) t"


def _sum(connection: Connection, table: Table) -> tuple[object, ...]:
    """What differs when the rows do, but for one in 2⁶⁴ tables; the order of rows counts for nothing."""
    [row] = connection.execute(
        f"SELECT count(*), sum(hash(t)::HUGEINT), bit_xor(hash(t)) FROM {_rows(table)}"  # noqa: S608 (a table of ours)
    ).fetchall()
    return tuple(row)


def _differences(checked: Checked, table: Table) -> Iterator[IndexFinding]:
    kept, made = _hashes(checked.kept, table), _hashes(checked.made, table)
    yield from _told(checked.made, table, made - kept, "row-missing", "lacks")
    yield from _told(checked.kept, table, kept - made, "row-unexpected", "has, and the store has not,")


def _hashes(connection: Connection, table: Table) -> Counter[int]:
    return Counter(value for (value,) in connection.execute(f"SELECT hash(t) FROM {_rows(table)}").fetchall())  # noqa: S608


def _told(connection: Connection, table: Table, several: Counter[int], code: Code, verb: str) -> Iterator[IndexFinding]:
    if not several:
        return
    sql = f"SELECT t FROM {_rows(table)} WHERE hash(t) IN (SELECT unnest(?::UBIGINT[])) LIMIT {MOST_EXAMPLES}"  # noqa: S608
    examples = connection.execute(sql, [list(several)]).fetchall()
    count = several.total()
    for (row,) in examples:
        of = f", one of {count:,} such," if count > 1 else ""
        said = f"the index {verb} a row of {table.name}{of}: {_short(row)}; `datamon index rebuild` makes it anew"
        yield IndexFinding("damage", code, table.name, said)


def _short(row: object) -> str:
    fields = {name: value for name, value in row.items() if value is not None} if isinstance(row, dict) else {}
    text = ", ".join(f"{name} = {value!s:.60}" for name, value in list(fields.items())[:5])
    return text or "an empty one"


CHECKS: tuple[Check, ...] = (_tables,)
"""What is compared. A part of the index that is no table adds its check here."""
