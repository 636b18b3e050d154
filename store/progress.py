"""How long work tells what it is doing, without knowing who listens."""

from typing import Protocol


class Progress(Protocol):
    """A listener. Calls come from any thread and return at once; a listener that raises stops the work (Ctrl-C does)."""

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
        """A stage named `what` begins; totals are None where they are not known yet."""

    def advance(self, files: int, size_bytes: int) -> None:
        """So much more of the stage is done."""

    def end(self) -> None:
        """The stage is done."""


class Silent:
    """A listener that does nothing."""

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
        """Does nothing."""

    def advance(self, files: int, size_bytes: int) -> None:
        """Does nothing."""

    def end(self) -> None:
        """Does nothing."""


SILENT = Silent()
