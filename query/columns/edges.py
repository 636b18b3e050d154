"""What leads from column to column: the runs of SQL steps; and what they cannot tell, from bundle to bundle."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from datamon.query.columns.recorded import ROWS, Made, SqlRuns
from datamon.query.graph.in_memory import Direction, Graph, Node


class Cell(NamedTuple):
    """A column of a table of a bundle; with `ROWS` as the column which rows the table has, which is followed and no row of an
    answer; the whole bundle where `table` is empty too."""

    bundle: str
    table: str = ""
    column: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it is a bundle, and no column."""
        return not self.table

    @property
    def id(self) -> str:
        """What it is called in answers."""
        return self.bundle if self.is_whole else f"{self.bundle}:{self.table}.{self.column}"


class Step(NamedTuple):
    """A way over a run to what lies behind it; `far` is None where the run has nothing there."""

    near: Cell
    run: str
    how: str
    far: Cell | None
    far_how: str


class ColumnEdges:
    """The steps that a graph of bundles and runs allows."""

    def __init__(self, graph: Graph, runs: SqlRuns) -> None:
        self._graph = graph
        self._runs = runs
        self.untold: set[str] = set()
        """The runs over which whole bundles were followed from a column."""

    def steps(self, cells: Sequence[Cell], direction: Direction) -> Iterator[Step]:
        """The steps that leave these cells."""
        next_runs = {cell: self._graph.next_to(Node("bundle", cell.bundle), direction) for cell in cells}
        self._runs.look({edge.node.id for edges in next_runs.values() for edge in edges})
        leaving = self._upstream if direction == "upstream" else self._downstream
        for cell, edges in next_runs.items():
            for edge in edges:
                told = leaving(cell, edge.node.id, edge.role or "")
                if told is None:
                    if not cell.is_whole:
                        self.untold.add(edge.node.id)
                    ends = self._graph.next_to(edge.node, direction)
                    told = [(Cell(end.node.id), end.how) for end in ends]
                    yield Step(cell, edge.node.id, edge.how, None, edge.how)
                for far, how in told:
                    yield Step(cell, edge.node.id, edge.how, far, how)

    def columns_of(self, bundle: str) -> set[Cell]:
        """The columns of a bundle of which the runs beside it tell, and the rows of their tables."""
        found: set[Cell] = set()
        node = Node("bundle", bundle)
        beside = {way: self._graph.next_to(node, way) for way in _WAYS}
        self._runs.look({edge.node.id for edges in beside.values() for edge in edges})
        for way, edges in beside.items():
            for edge in edges:
                sql = self._runs.sql(edge.node.id)
                for table in () if sql is None else (sql.made if way == "upstream" else sql.read):
                    name = table.name if way == "upstream" else self._runs.place(edge.node.id, table.role, table.name)
                    if table.role == edge.role:
                        found |= {Cell(bundle, name, column) for column in (*table.columns, ROWS)}
        return found

    def _upstream(self, cell: Cell, run: str, role: str) -> list[tuple[Cell, str]] | None:
        derived = None if cell.is_whole else self._runs.derived(run)
        sources = derived.get(Made(role, cell.table, cell.column)) if derived else None
        if sources is None:
            return None
        ends: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for edge in self._graph.next_to(Node("run", run), "upstream"):
            ends[edge.role or ""].append((edge.node.id, edge.how))
        return [
            (Cell(bundle, self._runs.place(run, source.role, source.table), source.column), how)
            for source in sources
            for bundle, how in ends[source.role]
        ]

    def _downstream(self, cell: Cell, run: str, role: str) -> list[tuple[Cell, str]] | None:
        derived = None if cell.is_whole else self._runs.derived(run)
        if derived is None:
            return None
        ends = {edge.role: (edge.node.id, edge.how) for edge in self._graph.next_to(Node("run", run), "downstream")}
        return [
            (Cell(ends[made.role][0], made.table, made.column), ends[made.role][1])
            for made, sources in derived.items()
            if made.role in ends
            and any(
                source.role == role
                and source.column == cell.column
                and self._runs.place(run, role, source.table) == cell.table
                for source in sources
            )
        ]


_WAYS: tuple[Direction, Direction] = ("upstream", "downstream")
