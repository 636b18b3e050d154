"""What GRAPH gives: the nodes of an answer, and every edge among them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from datamon.errors import Invalid

MOST_NODES = 2_000
"""How many nodes a graph has at most: nobody reads more, and no layout is quick."""


class Key(NamedTuple):
    """What names a node: ids of two kinds may be alike."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """A node: the columns of a closure's rows. What was asked about has depth 0."""

    kind: str
    id: str
    name: str | None = None
    repo: str | None = None
    ref: str | None = None
    depth: int = 0

    @property
    def key(self) -> Key:
        """What names it."""
        return Key(self.kind, self.id)

    @property
    def called(self) -> str:
        """What a person calls it: its name, else its id."""
        return self.name or self.id


@dataclass(frozen=True, slots=True)
class DrawnEdge:
    """An edge in the direction of the data. One that is not `direct` leads through nodes that the answer leaves out, and has
    neither role nor how."""

    source: Key
    target: Key
    role: str | None = None
    how: str | None = None
    direct: bool = True


@dataclass(frozen=True, slots=True)
class AnswerGraph:
    """The nodes of an answer, nearest first, and all edges among them. `asked` are those that the question was about; the answer
    lies in this `direction` of them."""

    nodes: tuple[DrawnNode, ...]
    edges: tuple[DrawnEdge, ...]
    asked: tuple[Key, ...] = ()
    direction: Literal["upstream", "downstream"] = "downstream"

    def __len__(self) -> int:
        """How many nodes there are."""
        return len(self.nodes)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """What a notebook shows: the drawing; where none can be shown, the tree."""
        from datamon.query.drawing.draw import draw  # this module is below that one

        return {"text/plain": draw(self, "tree"), "image/svg+xml": draw(self, "svg")}

    def pairs(self) -> Iterator[tuple[Key, Key]]:
        """The two ends of each edge, each pair once."""
        yield from dict.fromkeys((edge.source, edge.target) for edge in self.edges)


def check_size(nodes: Iterable[object]) -> None:
    """Raises Invalid (`graph-too-large`) for more nodes than can be drawn."""
    count = sum(1 for _ in nodes)
    if count > MOST_NODES:
        said = (
            f"this graph has {count:,} nodes, and at most {MOST_NODES:,} are drawn; narrow it by WITHIN, AT run, AT bundle or "
            "STOP AT, or leave GRAPH out to get all rows"
        )
        raise Invalid("graph-too-large", said, nodes=count, most=MOST_NODES)
