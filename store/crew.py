"""A crew: processes forked from this one that each do a share of its work, tell how far they are, and never outlive it."""

import json
import os
import select
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from datamon.errors import Conflict, Corrupt, DatamonError, Denied, Invalid, NotFound, Unavailable
from datamon.store.forking import fork, reap, undisturbed
from datamon.store.progress import Progress

_KINDS: dict[str, type[DatamonError]] = {
    kind.__name__: kind for kind in (NotFound, Conflict, Invalid, Denied, Corrupt, Unavailable)
}
_TOLD_AT_ONCE = 64
"""A member tells of so many files at a time, and this process looks what it was told as often."""
_READ_BYTES = 64 * 1024

Duty = Callable[[int, Progress], None]
"""What a member does, by its number (from 1) and the listener that it tells of it."""


class Crew:
    """Processes at work, and a listener for the work of this process, which passes on to `progress` what all of them do. A
    context manager: after the block no member runs and none is a zombie, whatever ended it. To be made where `can_fork`.

    A Ctrl-C is for this process only; when it dies, the kernel kills the members. `look` and `wait`, and `advance` now and then,
    raise what a member raised, of the same kind and with the same code and facts, and Unavailable (`worker-died`) when one ended
    without a word.
    """

    def __init__(self, progress: Progress, members: int, duty: Duty) -> None:
        self._progress = progress
        self._advanced = 0
        self._members: dict[int, _Member] = {}
        self._poll = select.poll()
        try:
            for number in range(1, members + 1):
                with undisturbed():
                    self._fork(number, duty)
        except BaseException:
            self._dismiss()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dismiss()

    @property
    def pids(self) -> list[int]:
        """The processes that are not known to have ended."""
        return [member.pid for member in self._members.values()]

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
        """See `Progress`."""
        self._progress.begin(what, files, size_bytes)

    def advance(self, files: int, size_bytes: int) -> None:
        """See `Progress`."""
        self._progress.advance(files, size_bytes)
        self._advanced += 1
        if self._advanced % _TOLD_AT_ONCE == 0:
            self.look()

    def end(self) -> None:
        """See `Progress`."""
        self._progress.end()

    def look(self) -> None:
        """What members told so far is passed on. Returns at once."""
        self._listen(0)

    def wait(self) -> None:
        """Every member has done its work."""
        while self._members:
            self._listen(None)

    def _fork(self, number: int, duty: Duty) -> None:
        reading, writing = os.pipe()
        try:
            pid = fork(lambda: _serve(writing, lambda telling: duty(number, telling)))
        except DatamonError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        os.set_blocking(reading, False)
        self._members[reading] = _Member(pid)
        self._poll.register(reading, select.POLLIN)

    def _listen(self, timeout_ms: int | None) -> None:
        for channel, _ in self._poll.poll(timeout_ms) if self._members else ():
            member = self._members[channel]
            heard = os.read(channel, _READ_BYTES)
            *lines, member.unread = (member.unread + heard).split(b"\n")
            for line in lines:
                self._take(member, json.loads(line))
            if not heard:
                self._part_with(channel)

    def _take(self, member: "_Member", told: dict[str, object]) -> None:
        match told:
            case {"files": int(files), "size_bytes": int(size_bytes)}:
                self._progress.advance(files, size_bytes)
            case {"kind": str(kind), "code": str(code), "message": str(message), "facts": dict(facts)}:
                raise _KINDS[kind](code, message, **facts)
            case {"unforeseen": what}:
                raise RuntimeError(what)
            case _:
                member.is_done = True

    def _part_with(self, channel: int) -> None:
        """The member, which closed its channel, has ended."""
        with undisturbed():
            member = self._members.pop(channel)
            self._poll.unregister(channel)
            os.close(channel)
            os.waitpid(member.pid, 0)
        if not member.is_done:
            message = "a process that shared the work was killed, perhaps for want of memory; try again"
            raise Unavailable("worker-died", message, pid=member.pid)

    def _dismiss(self) -> None:
        """All members are killed first, so that none works on while another is waited for."""
        with undisturbed():
            reap(self.pids)
            while self._members:
                os.close(self._members.popitem()[0])


@dataclass(slots=True)
class _Member:
    """A process, what it told last and not to the end of a line, and whether it said that all is done."""

    pid: int
    unread: bytes = b""
    is_done: bool = False


class _Telling:
    """In a member: the listener that tells the first process."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._files = self._size_bytes = self._advanced = 0

    def begin(self, what: str, files: int | None, size_bytes: int | None) -> None:
        """Stages are for the first process to tell of."""

    def advance(self, files: int, size_bytes: int) -> None:
        self._files += files
        self._size_bytes += size_bytes
        self._advanced += 1
        if self._advanced % _TOLD_AT_ONCE == 0:
            self.tell_rest()

    def end(self) -> None:
        """As `begin`."""

    def tell_rest(self) -> None:
        self._tell(files=self._files, size_bytes=self._size_bytes)
        self._files = self._size_bytes = 0

    def done(self) -> None:
        self.tell_rest()
        self._tell(done=True)

    def failed(self, error: Exception) -> None:
        if not isinstance(error, DatamonError):
            self._tell(unforeseen=f"{type(error).__name__}: {error}")
            return
        kind = next(name for name, kind in _KINDS.items() if isinstance(error, kind))
        self._tell(kind=kind, code=error.code, message=error.message, facts=error.facts)

    def _tell(self, **told: object) -> None:
        line = memoryview(json.dumps(told, default=str).encode() + b"\n")
        while line:
            line = line[os.write(self._channel, line) :]


def _serve(channel: int, duty: Callable[[_Telling], None]) -> None:
    """The whole life of a member."""
    telling = _Telling(channel)
    try:
        duty(telling)
    except Exception as error:  # noqa: BLE001 (the edge of this process: all that goes wrong here is told there)
        telling.failed(error)
    else:
        telling.done()
