"""What a relation or a source is to who reads it: columns with types and meanings."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Times are in UTC; a content is 64 hexadecimal digits."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation, or a source (which is read by its own words, and not by `name`)."""

    name: str
    meaning: str
    columns: tuple[Column, ...]


def relation(name: str, meaning: str, columns: str) -> Relation:
    """From lines of `name TYPE meaning`."""
    parts = (line.split(None, 2) for line in columns.strip().splitlines())
    return Relation(name, meaning, tuple(Column(each[0], each[1], each[2]) for each in parts))
