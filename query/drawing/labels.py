"""The words of a drawing, safe in every format."""

from datamon.query.drawing.drawn import DrawnEdge, DrawnNode

LONGEST = 38
"""Characters of a label; the whole stands in the tooltip."""
_SHORT_ID = 8


def visible(text: str) -> str:
    r"""`text` with everything that is no printable character as an escape, so that no format can trip over it.

    >>> visible("a\nb\x00")
    'a\\nb\\x00'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def cut(text: str, longest: int = LONGEST) -> str:
    """`text`, or its two ends with `…` between them when it is longer.

    >>> cut("abcdefghij", 7)
    'abc…hij'
    """
    if len(text) <= longest:
        return text
    kept = longest - 1
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"


def label(node: DrawnNode) -> str:
    """What stands in a node; of a bundle named by its id, the end of that, which tells bundles apart."""
    name = node.called
    if node.repo and name == f"{node.repo}@{node.id}":
        name = f"{node.repo}@…{node.id[-_SHORT_ID:]}"
    return cut(visible(name))


def tooltip(node: DrawnNode) -> str:
    """What is told of a node in full."""
    name = f" {node.name}" if node.name else ""
    return visible(f"{node.kind}{name} {node.id}")


def edge_words(edge: DrawnEdge) -> str:
    """What is told of an edge: its role, and how it is known where that is not as the run declared it."""
    if not edge.direct:
        return "through what is not shown"
    how = edge.how if edge.how not in (None, "declared") else None
    return visible(", ".join(word for word in (edge.role, how) if word))
