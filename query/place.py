"""Where a question is asked: what `now` means for code and parameter files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from datamon.lineage.known_texts import KnownTexts


@dataclass(frozen=True, slots=True)
class Place:
    """A working tree (None: nowhere, so that only what is recorded counts), the name of the host it is on, what that host knows
    of large trees of code, and the environment variables there. `past`: nothing of now counts."""

    cwd: Path | None = None
    host: str = ""
    texts: KnownTexts | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    past: bool = False


NOWHERE = Place()
PAST = Place(past=True)
"""The place of a question about a past moment: nothing of now counts, neither a working tree nor what bytes are there."""
