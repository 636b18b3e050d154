"""`datamon run import --format ndjson`: records of runs that were made elsewhere."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from datamon.cli.output import note, say
from datamon.cli.progress import watching
from datamon.errors import Conflict, Denied, Invalid, NotFound
from datamon.store.opening import Store

if TYPE_CHECKING:
    from datamon.lineage.bulk.load import Imported, Refusal

_MOST_TOLD = 20


def import_lines(store: Store, file: str, *, strict: bool) -> None:
    """The runs of the file (`-`: of stdin) are in the store. Raises Invalid (`bad-run-record`) and Conflict (`run-exists`) for
    lines that were refused, when the others are in, with `strict` before any is."""
    from datamon.lineage.bulk.load import Listener, check_lines, import_runs, read_lines  # sqlite3, 10 ms

    refused: list[Refusal] = []

    def tell(refusal: "Refusal") -> None:
        if len(refused) < _MOST_TOLD:
            refused.append(refusal)
            note(refusal.message)

    with _reading(file, twice=strict) as source, watching() as progress:
        if strict:
            check_lines(store, read_lines(source))
            source.seek(0)
        imported = import_runs(store, read_lines(source), Listener(tell, progress))
    say(f"imported {imported.added:,} runs; {imported.known:,} were here already")
    if imported.unfinished:
        note(
            f"{imported.unfinished:,} runs had not ended when they were exported and are left out; export them again later"
        )
    _complain(imported, refused)


def _complain(imported: "Imported", refused: "list[Refusal]") -> None:
    count = imported.bad + imported.differing
    if count == 0:
        return
    more = f" The first {len(refused)} are named above." if count > len(refused) else ""
    message = f"{count:,} lines were refused; the others are imported.{more} Mend them and import the file again"
    if imported.bad:
        raise Invalid("bad-run-record", message, bad=imported.bad, differing=imported.differing)
    raise Conflict("run-exists", message, differing=imported.differing)


@contextmanager
def _reading(name: str, *, twice: bool) -> Iterator[BinaryIO]:
    """The bytes of a file or of stdin; what is read `twice` and cannot be is copied to a temporary file."""
    if name != "-":
        try:
            opened = Path(name).open("rb")  # noqa: SIM115 (closed below, where errors are not those of opening)
        except PermissionError as error:
            raise Denied("unreadable", f"{name} cannot be read ({error.strerror}); ask its owner", path=name) from error
        except OSError as error:
            raise NotFound(
                "path-not-found", f"{name} cannot be read ({error.strerror}); name a file, or -", path=name
            ) from error
        with opened:
            if not twice or opened.seekable():
                yield opened
                return
            with _copied(opened) as copy:
                yield copy
    elif twice:
        with _copied(sys.stdin.buffer) as copy:
            yield copy
    else:
        yield sys.stdin.buffer


@contextmanager
def _copied(source: BinaryIO) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(source, copy)
        copy.seek(0)
        yield cast("BinaryIO", copy)
