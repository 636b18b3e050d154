"""From a graph to a text in one of the formats."""

from typing import Literal, get_args

from datamon.query.drawing.document import document
from datamon.query.drawing.dot import dot
from datamon.query.drawing.drawn import AnswerGraph
from datamon.query.drawing.mermaid import mermaid
from datamon.query.drawing.tree import tree

Form = Literal["tree", "dot", "mermaid", "json", "svg"]
FORMS: tuple[Form, ...] = get_args(Form)


def draw(graph: AnswerGraph, form: Form) -> str:
    """The graph as text that ends with a line break."""
    match form:
        case "dot":
            return dot(graph)
        case "mermaid":
            return mermaid(graph)
        case "json":
            return document(graph)
        case "svg":
            from datamon.query.drawing.svg import svg  # brings networkx, 0.2 s

            return svg(graph)
        case "tree":
            return "".join(f"{line}\n" for line in tree(graph))
