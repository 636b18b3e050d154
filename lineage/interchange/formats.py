"""The formats that runs are told in: adding one is adding a row."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from datamon.lineage.interchange import openlineage, prov, statements
from datamon.lineage.interchange.story import Telling


@dataclass(frozen=True, slots=True)
class Document:
    """A format that is one text, a piece at a time."""

    pieces: Callable[[Telling], Iterator[bytes]]


def _prov(notation: prov.Notation, telling: Telling) -> Iterator[bytes]:
    yield prov.text(telling, notation)


def _unsigned(telling: Telling) -> Iterator[bytes]:
    return statements.lines(telling, None)


DOCUMENTS: dict[str, Document] = {
    "openlineage": Document(openlineage.lines),
    "in-toto": Document(_unsigned),
    "prov": Document(partial(_prov, "json")),
    "prov-n": Document(partial(_prov, "provn")),
    "prov-xml": Document(partial(_prov, "xml")),
    "prov-rdf": Document(partial(_prov, "rdf")),
}
"""Formats by the name that people give them."""
