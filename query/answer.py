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

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """What a notebook shows: a graph drawn, rows as a table."""
        from datamon.query.notebook import shown  # only where there is a page to show it

        return shown(self)

    def arrow(self) -> "pyarrow.Table":
        """The rows as a pyarrow Table. What Arrow has no like of becomes text. Raises Invalid (`bad-argument`) for a
        value that has no form there."""
        import pyarrow  # brings half a second's work that most questions do not need

        from datamon.query.arrow_types import array_of

        arrays = [array_of([row[n] for row in self.rows], kind) for n, kind in enumerate(self.types)]
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


def _missing(name: str) -> Invalid:
    return Invalid("missing-extra", f"{name} is not installed; `pip install 'datamon[{name}]'` adds it", extra=name)
