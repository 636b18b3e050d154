"""Reading many sources at once: their parts by several threads, and given in order to one."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

from datamon.errors import Conflict, DatamonError
from datamon.store.external.failures import CHANGED, changed
from datamon.store.external.source import Listed
from datamon.store.external.sources import Sources

PART_BYTES = 4 * 2**20
"""One request asks for no more than so many bytes."""
AHEAD_BYTES = 32 * 2**20
"""So many bytes are asked for ahead of what was taken, and this bounds memory."""
_MOST_AHEAD = 256
_READERS = 16
_ATTEMPTS = 3

Used = TypeVar("Used")


class _Part(NamedTuple):
    """Bytes of a source that a thread reads; `future` None: the thread that takes them reads all of it."""

    listed: Listed
    size_bytes: int
    future: Future[bytes] | None
    is_last: bool


def use_each(
    sources: Sources, wanted: Iterable[Listed], use: Callable[[Listed, Iterator[bytes]], Used]
) -> Iterator[tuple[Listed, Used]]:
    """What `use` makes of the bytes of each source, in order; it must read them to the end. A source that changes while it is
    read is read again as it is then, and comes with that status.

    Raises Conflict (`source-changed`) when it goes on changing, or `use` says so, and as `Source.read` does.
    """
    with _fetching(sources) as fetching:
        for listed, parts in fetching.each(wanted):
            try:
                with _naming(listed):
                    used = use(listed, _counted(listed, parts))
            except Conflict as error:
                if error.code != CHANGED:
                    raise
                with _naming(listed):
                    used_again = _use_again(sources, listed, use)
                yield used_again
            else:
                yield listed, used


@contextmanager
def _naming(listed: Listed) -> Iterator[None]:
    """An error of ours raised inside has the path as a fact."""
    try:
        yield
    except DatamonError as error:
        error.facts.setdefault("path", listed.path)
        raise


def use_one(sources: Sources, listed: Listed, use: Callable[[Listed, Iterator[bytes]], Used]) -> Used:
    """As `use_each`, of one source, all of it by this thread."""
    with _naming(listed):
        try:
            return use(listed, _counted(listed, _whole(sources, listed)))
        except Conflict as error:
            if error.code != CHANGED:
                raise
        return _use_again(sources, listed, use)[1]


def _use_again(sources: Sources, listed: Listed, use: Callable[[Listed, Iterator[bytes]], Used]) -> tuple[Listed, Used]:
    source = sources.of(listed.url)
    for attempt in range(1, _ATTEMPTS + 1):
        fresh = replace(listed, at=source.status(listed.url))
        try:
            return fresh, use(fresh, _counted(fresh, _whole(sources, fresh)))
        except Conflict as error:
            if error.code != CHANGED or attempt == _ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


def _whole(sources: Sources, listed: Listed) -> Iterator[bytes]:
    """All bytes of the source, part by part."""
    source, at = sources.of(listed.url), listed.at
    if at.size_bytes is None or not at.ranges:
        yield from source.stream(listed.url, at)
        return
    for begin in range(0, at.size_bytes or 1, PART_BYTES):
        yield source.read(listed.url, at, begin, min(begin + PART_BYTES, at.size_bytes))


def _counted(listed: Listed, parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same. Raises Conflict (`source-changed`) at the end when they are not as many bytes as the place said."""
    count = 0
    for part in parts:
        count += len(part)
        yield part
    if listed.at.size_bytes is not None and count != listed.at.size_bytes:
        raise changed(listed.url, f"it has {count} bytes where its place says {listed.at.size_bytes}")


@contextmanager
def _fetching(sources: Sources) -> Iterator["_Fetching"]:
    """Reading, of which nothing goes on after the block, save that a failure does not wait for requests under way."""
    threads = ThreadPoolExecutor(_READERS, thread_name_prefix="sources")
    try:
        yield _Fetching(sources, threads)
    except BaseException:
        threads.shutdown(wait=False, cancel_futures=True)  # one may be waiting for a server that is silent
        raise
    threads.shutdown()


class _Fetching:
    """Parts that are on their way, in order."""

    def __init__(self, sources: Sources, threads: ThreadPoolExecutor) -> None:
        self._sources = sources
        self._threads = threads
        self._waiting: deque[_Part] = deque()
        self._ahead_bytes = 0
        self._jobs: Iterator[_Part] = iter(())

    def each(self, wanted: Iterable[Listed]) -> Iterator[tuple[Listed, Iterator[bytes]]]:
        """Each source with its bytes; those that are not taken before the next is asked for are dropped."""
        self._jobs = self._begun(wanted)
        while (part := self._next()) is not None:
            bytes_left = _BytesLeft(self, part)
            yield part.listed, bytes_left.all()
            bytes_left.drop()

    def _begun(self, wanted: Iterable[Listed]) -> Iterator[_Part]:
        """Every part of the sources, each begun when it is asked for."""
        for listed in wanted:
            source, at = self._sources.of(listed.url), listed.at
            size_bytes = at.size_bytes
            if size_bytes is None or (size_bytes > PART_BYTES and not at.ranges):
                yield _Part(listed, 0, None, is_last=True)
                continue
            for begin in range(0, size_bytes or 1, PART_BYTES):
                end = min(begin + PART_BYTES, size_bytes)
                future = self._threads.submit(partial(source.read, listed.url, at, begin, end))
                yield _Part(listed, end - begin, future, is_last=end == size_bytes)

    def _next(self) -> _Part | None:
        while self._ahead_bytes < AHEAD_BYTES and len(self._waiting) < _MOST_AHEAD:
            part = next(self._jobs, None)
            if part is None:
                break
            self._waiting.append(part)
            self._ahead_bytes += part.size_bytes
        if not self._waiting:
            return None
        part = self._waiting.popleft()
        self._ahead_bytes -= part.size_bytes
        return part

    def contents(self, part: _Part) -> Iterator[bytes]:
        """The bytes of a part."""
        if part.future is not None:
            yield part.future.result()
        else:
            yield from self._sources.of(part.listed.url).stream(part.listed.url, part.listed.at)

    def following(self) -> _Part:
        """The next part of the same source."""
        part = self._next()
        assert part is not None
        return part


class _BytesLeft:
    """The bytes of one source from a part of it on."""

    def __init__(self, fetching: _Fetching, part: _Part) -> None:
        self._fetching = fetching
        self._part: _Part | None = part

    def all(self) -> Iterator[bytes]:
        """All of them; to be called once."""
        while self._part is not None:
            yield from self._fetching.contents(self._part)
            self._pass()

    def drop(self) -> None:
        """What was not taken is not needed any more."""
        while self._part is not None:
            if self._part.future is not None:
                self._part.future.cancel()
            self._pass()

    def _pass(self) -> None:
        assert self._part is not None
        self._part = None if self._part.is_last else self._fetching.following()
