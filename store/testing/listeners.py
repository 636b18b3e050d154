"""Listeners of progress, for tests."""


class Interrupting:
    """A listener in which somebody presses Ctrl-C at the n-th call of `advance`."""

    def __init__(self, number: int) -> None:
        self._left = number

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
        """See `Progress`."""

    def advance(self, files: int, size_bytes: int) -> None:  # noqa: ARG002 (the shape of a listener)
        """See `Progress`."""
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt

    def end(self) -> None:
        """See `Progress`."""
