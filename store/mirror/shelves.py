"""What lies on the sides of a mirrored store beside logs and marks, key by key, and which bytes are right."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from datamon.errors import Corrupt, DatamonError, NotFound
from datamon.store import layout
from datamon.store.backend.mirrored import MirroredBackend
from datamon.store.codec import decode_sealed
from datamon.store.repair.verify import verify_bytes

_READERS = 4
"""So many packs are in memory at one time, once for each side."""
_SEALED = (
    layout.PACKS,
    layout.INDEX,
    layout.MANIFESTS,
    layout.SEGMENTS,
    layout.STATS,
    layout.ENVIRONMENTS,
    layout.OPEN_RUNS,
    layout.RESULTS,
    layout.MERGED,
)

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Shelf:
    """One key: how many bytes each of the sides that were listed has under it, in their order; None where a side has nothing."""

    key: str
    sizes: Mapping[str, int | None]

    @property
    def lacking(self) -> tuple[str, ...]:
        """The sides that have nothing there."""
        return tuple(name for name, size in self.sizes.items() if size is None)

    @property
    def is_even(self) -> bool:
        """Whether all sides have the same, as far as listings tell."""
        return len(set(self.sizes.values())) == 1


def shelves(backend: MirroredBackend, names: Sequence[str]) -> Iterator[Shelf]:
    """Every key that one of these sides has, in order, save logs and marks. The listings are in memory.
    Raises Unavailable, Denied."""
    listings = {name: {each.key: each.size_bytes for each in backend.sides.backends[name].list("")} for name in names}
    for key in sorted(set().union(*listings.values())):
        if not key.startswith(layout.EPOCHS) and not backend.arbiter.decides(key):
            yield Shelf(key, {name: listings[name].get(key) for name in names})


def right_content(backend: MirroredBackend, shelf: Shelf) -> tuple[bytes | None, dict[str, bytes | None]]:
    """The bytes that the key promises, and what each side has (None: what cannot be opened): of several that could be right, what
    most sides have, and then the first side. None when no side has them right. What no rule of ours says how to verify is right
    as it is."""
    contents: dict[str, bytes | None] = {}
    for name in shelf.sizes:
        try:
            contents[name] = backend.sides.backends[name].get(shelf.key)
        except Corrupt:
            contents[name] = None
        except NotFound:
            continue
    opened = [content for content in contents.values() if content is not None]
    right = [content for content in opened if is_right(shelf.key, content)]
    if not right and not shelf.key.startswith(_SEALED):
        right = opened
    best = Counter(right).most_common(1)
    return (best[0][0] if best else None), contents


def is_right(key: str, content: bytes) -> bool:
    """Whether the bytes are whole and may lie there."""
    try:
        if key == layout.JOURNAL_FILE:
            return True
        verify_bytes(key, content)
    except DatamonError as error:
        return error.code == "newer-format"
    return True


def swept_names(entries: Mapping[str, bytes]) -> frozenset[str]:
    """The keys of packs and metadata that the store's log says a collector has deleted."""
    gone: set[str] = set()
    for key, content in entries.items():
        if key.startswith(layout.STORE_LOG):
            record = decode_sealed(content, key)
            if record["kind"] == "swept":
                gone.update(map(layout.pack, record["packs"]), record["keys"])
    return frozenset(gone)


def in_parallel(backend: MirroredBackend, work: Callable[[_Given], _Made], given: Iterable[_Given]) -> Iterator[_Made]:
    """What `work` makes of each, in their order, a few at a time where the sides are asked at once."""
    if not backend.sides.together:
        yield from map(work, given)
        return
    from concurrent.futures import ThreadPoolExecutor  # 4 ms, for what is done rarely

    waiting = iter(given)
    with ThreadPoolExecutor(_READERS, thread_name_prefix="shelf") as threads:
        while batch := list(islice(waiting, _READERS * 16)):
            yield from threads.map(work, batch)
