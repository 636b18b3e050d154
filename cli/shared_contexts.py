"""The contexts that a team shares, as the settings name their place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datamon.store.backend.opening import open_backend
from datamon.store.bundle import Author
from datamon.store.contexts import SharedContexts

_NOBODY = Author("nobody", "nobody@example.org")


@dataclass(frozen=True, slots=True)
class SharedSource:
    """Where shared contexts lie, as `open_backend` takes it, and who may read it. Every method asks that place, and raises as
    `SharedContexts` does, Invalid (`bad-config`) when it is none."""

    place: str
    credential: Path | None = None

    def opened(self, author: Author = _NOBODY) -> SharedContexts:
        """The contexts there, written by `author`."""
        return SharedContexts(open_backend(self.place, credential=self.credential), author)

    def find(self, name: str) -> Mapping[str, object] | None:
        """What the context of this name says; None when there is none."""
        found = self.opened().find(name)
        return None if found is None else found.place

    def names(self) -> Sequence[str]:
        """The names of the contexts there are."""
        return [context.name for context in self.opened().list()]
