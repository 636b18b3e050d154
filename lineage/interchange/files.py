"""A file that is there whole or not at all."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from datamon.store.beneath import writing


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """Inside, a file beside `file` to write to; afterwards `file` holds what it held, or, after an exception, what it did before.
    Raises Denied (`unwritable`), NotFound (`path-not-found`), Unavailable (`disk-full`)."""
    partial = file.with_name(f".{file.name}.partial")
    with writing(file):
        try:
            partial.write_bytes(b"")
            yield partial
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)


def write_pieces(file: Path, pieces: Iterable[bytes]) -> None:
    """The pieces are in `file`, all of them or none. Raises as `whole` and as what makes the pieces."""
    with whole(file) as partial, partial.open("wb") as stream:
        stream.writelines(pieces)
