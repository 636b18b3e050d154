"""What a question gives: always a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from datamon.errors import Invalid
from datamon.query.drawing.drawn import AnswerGraph

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

_UNITS_OF_TIMESTAMP = {"TIMESTAMP_S": "s", "TIMESTAMP_MS": "ms", "TIMESTAMP": "us", "TIMESTAMP_NS": "ns"}


@dataclass(frozen=True)
class Answer:
    """Rows with named, typed columns. `types` are DuckDB's names of types; times are in UTC and carry no zone.

    `truncated` says that a cap cut rows off; `notes` are sentences for the person who asked (what a name resolved to, what was
    left out); `graph` is what GRAPH asked for. Iterating gives one dict for each row.

    >>> answer = Answer(("repo", "bundles"), ("VARCHAR", "BIGINT"), [("orders", 3)])
    >>> len(answer), list(answer)
    (1, [{'repo': 'orders', 'bundles': 3}])
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    truncated: bool = False
    notes: list[str] = field(default_factory=list)
    graph: AnswerGraph | None = None

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each row as a dict, in order. Of columns with one name the last shows."""
        for row in self.rows:
            yield dict(zip(self.columns, row, strict=True))

    def arrow(self) -> "pyarrow.Table":
        """The rows as a pyarrow Table. A type that Arrow has no like of is left to Arrow to infer."""
        import pyarrow  # brings half a second's work that most questions do not need

        arrays = [self._array(n, kind) for n, kind in enumerate(self.types)]
        return pyarrow.Table.from_arrays(arrays, names=list(self.columns))

    def pandas(self) -> "pandas.DataFrame":
        """The rows as a DataFrame. Raises Invalid (`missing-extra`) when pandas is not installed."""
        try:
            import pandas  # an optional extra; pyarrow looks for it by itself
        except ImportError as error:
            raise _missing("pandas") from error
        frame: pandas.DataFrame = self.arrow().to_pandas()
        return frame

    def polars(self) -> "polars.DataFrame":
        """The rows as a DataFrame. Raises Invalid (`missing-extra`) when polars is not installed."""
        try:
            import polars  # an optional extra
        except ImportError as error:
            raise _missing("polars") from error
        frame = polars.from_arrow(self.arrow())
        assert isinstance(frame, polars.DataFrame)
        return frame

    def _array(self, position: int, kind: str) -> "pyarrow.Array":
        import pyarrow

        values = [row[position] for row in self.rows]
        wanted = arrow_type(kind)
        return pyarrow.array(values) if wanted is None else pyarrow.array(values, type=wanted)


def arrow_type(kind: str) -> "pyarrow.DataType | None":
    """The Arrow type for DuckDB's type of this name, None where there is no plain one.

    >>> arrow_type("VARCHAR[]"), arrow_type("TIMESTAMP")
    (ListType(list<item: string>), TimestampType(timestamp[us]))
    """
    import pyarrow

    if kind.endswith("[]"):
        inner = arrow_type(kind[:-2])
        return None if inner is None else pyarrow.list_(inner)
    if kind in _UNITS_OF_TIMESTAMP:
        return pyarrow.timestamp(_UNITS_OF_TIMESTAMP[kind])
    plain = {
        "VARCHAR": pyarrow.string(),
        "BOOLEAN": pyarrow.bool_(),
        "TINYINT": pyarrow.int8(),
        "SMALLINT": pyarrow.int16(),
        "INTEGER": pyarrow.int32(),
        "BIGINT": pyarrow.int64(),
        "UINTEGER": pyarrow.uint32(),
        "UBIGINT": pyarrow.uint64(),
        "FLOAT": pyarrow.float32(),
        "DOUBLE": pyarrow.float64(),
        "DATE": pyarrow.date32(),
        "BLOB": pyarrow.binary(),
    }
    return plain.get(kind)


def _missing(name: str) -> Invalid:
    return Invalid("missing-extra", f"{name} is not installed; `pip install 'datamon[{name}]'` adds it", extra=name)
