"""What a command writes: passed on as it comes, and kept without secrets up to a bound."""

import os
import selectors
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Self

from datamon.lineage.secrets import Redactor

KEPT_BYTES = 64 * 1024 * 1024
"""So much of each stream is kept, counted after secrets are taken out."""
GRACE_S = 2.0
"""How long a stream may stay open after its command ended, because a process it left behind holds it."""
_PIECE_BYTES = 64 * 1024
_IN_MEMORY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where a command's streams are passed on to; None keeps without passing on."""

    stdout: BinaryIO | None = None
    stderr: BinaryIO | None = None


class KeptStream:
    """The beginning of a stream, at most `limit` bytes of it, without secrets. `truncated` says that there was more."""

    def __init__(self, name: str, redactor: Redactor, limit: int = KEPT_BYTES) -> None:
        self.name = name
        self.truncated = False
        self.size_bytes = 0
        self._limit = limit
        self._cleaner = redactor.stream()
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 (it lives as long as self)

    def write(self, piece: bytes) -> None:
        """Keeps `piece`, without secrets. No room left on the temporary disk ends the keeping, not the command."""
        self._keep(self._cleaner.feed(piece))

    def finish(self) -> None:
        """Keeps what was held back."""
        self._keep(self._cleaner.finish())

    def copy_to(self, path: Path) -> None:
        """Writes what was kept to the file `path`."""
        self._file.seek(0)
        with path.open("wb") as file:
            while piece := self._file.read(_PIECE_BYTES):
                file.write(piece)

    def close(self) -> None:
        """Forgets what was kept."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, piece: bytes) -> None:
        room = self._limit - self.size_bytes
        self.truncated = self.truncated or len(piece) > room
        kept = piece[: max(0, room)]
        if not kept:
            return
        try:
            self._file.write(kept)
            self.size_bytes += len(kept)
        except OSError:
            self.truncated = True
            self._limit = self.size_bytes


class Pump:
    """A thread that carries a pipe's bytes to a sink and into a kept stream until the pipe ends. When the sink is gone the
    pipe is closed, so that its writer learns it as it would have without a recorder. `cut` says that it was ended early."""

    def __init__(self, source: IO[bytes], sink: BinaryIO | None, kept: KeptStream) -> None:
        self.cut = False
        self.kept = kept
        self._source = source
        self._sink = sink
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name=f"datamon-{kept.name}", daemon=True)
        self._thread.start()

    def finish(self, grace_s: float = GRACE_S) -> None:
        """The stream is kept to its end when this returns, or as far as it came within `grace_s` seconds."""
        self._thread.join(grace_s)
        if self._thread.is_alive():
            self.cut = True
            os.write(self._wake_write, b"x")
            self._thread.join(grace_s)
        if not self._thread.is_alive():  # else a sink that takes nothing holds it, and it goes with the process
            self.kept.finish()
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _run(self) -> None:
        with self._source as source, selectors.DefaultSelector() as selector:
            selector.register(source, selectors.EVENT_READ)
            woken = selector.register(self._wake_read, selectors.EVENT_READ)
            while True:
                ready = [key for key, _ in selector.select()]
                piece = b"" if ready == [woken] else os.read(source.fileno(), _PIECE_BYTES)
                if not piece:
                    return
                self.kept.write(piece)
                if not self._passed_on(piece):
                    return

    def _passed_on(self, piece: bytes) -> bool:
        if self._sink is None:
            return True
        try:
            self._sink.write(piece)
            self._sink.flush()
        except (OSError, ValueError):
            return False
        return True
