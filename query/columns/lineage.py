"""What the lineage of columns is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Kind = Literal["value", "filter", "join", "group", "order"]
INFLUENCES: tuple[Kind, ...] = ("filter", "join", "group", "order")
"""How a column can decide which rows there are: every column of the table is influenced."""
Schemas = Mapping[str, Mapping[str, str]]
"""The columns of each table with their types as DuckDB writes them; a table is `name` or `repo.name`."""


class TableColumn(NamedTuple):
    """A column of a table that the SQL reads, or of one it makes."""

    table: str
    column: str


@dataclass(frozen=True, slots=True)
class TableLineage:
    """Of one table that a SQL text makes: for each of its columns in order the columns whose values it is calculated from (none
    for a constant or `count(*)`), and by kind those that decide which rows it has. `read` are the tables whose rows it reads."""

    name: str
    values: Mapping[str, frozenset[TableColumn]]
    influences: Mapping[Kind, frozenset[TableColumn]] = field(default_factory=dict)
    read: frozenset[str] = frozenset()

    def sources(self, column: str) -> frozenset[TableColumn]:
        """Everything that a change of can change this column."""
        return self.values[column].union(*self.influences.values())
