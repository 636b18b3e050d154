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


class Heard:
    """A listener that remembers: the stages in the order in which they ended, and how many bytes each told of."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.size_bytes: dict[str, int] = {}
        self._under_way: list[str] = []

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:  # noqa: ARG002 (the shape of a listener)
        """See `Progress`."""
        self._under_way.append(what)
        self.size_bytes.setdefault(what, 0)

    def advance(self, files: int, size_bytes: int) -> None:  # noqa: ARG002 (as above)
        """See `Progress`."""
        self.size_bytes[self._under_way[-1]] += size_bytes

    def end(self) -> None:
        """See `Progress`."""
        self.ended.append(self._under_way.pop())
