"""What was seen of a command: each access once, in the order of its first time."""

import os
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["read", "write", "absent", "list", "named"]
LETTERS: Final[dict[str, Kind]] = {"r": "read", "w": "write", "a": "absent", "l": "list", "n": "named"}
"""How our own tools write each kind. `list` is the opening of a directory; `named` a path that led to another by symlinks."""


@dataclass(frozen=True, slots=True)
class Access:
    """One way in which one path (absolute; real, unless it is `named`) was used."""

    kind: Kind
    path: str


@dataclass(frozen=True, slots=True)
class Traced:
    """What a tracer saw. `whole` says that no read of a file's content by the command or its children can be missing; where it is
    not, `blind_spots` and `notes` say why."""

    method: str
    accesses: tuple[Access, ...]
    blind_spots: tuple[str, ...]
    whole: bool
    truncated: bool = False
    notes: tuple[str, ...] = ()


def read_lines(content: bytes) -> tuple[Access, ...]:
    """What one of our tools wrote: a letter, a path and a NUL for each access. An unfinished last one is left out."""
    pieces = content.split(b"\0")[:-1]
    found = (Access(LETTERS[chr(piece[0])], os.fsdecode(piece[1:])) for piece in pieces if chr(piece[0]) in LETTERS)
    return tuple(dict.fromkeys(found))
