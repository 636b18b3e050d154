"""Where values in memory came from: what a step returned and kept as a bundle is known when it is handed to another step."""

import weakref
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any

from datamon.store.ids import BundleId, RunId

MOST_HELD = 256
"""So many values that cannot be watched (lists, mappings, text, bytes) are remembered, the latest."""
_UNTRACEABLE = (bool, int, float, complex, type(None))
"""Equal ones may be one and the same in memory, so that it says nothing where one came from."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The bundle that a value was kept as: in which store, by which run, on which branch of which repo."""

    store: str
    run: RunId
    repo: str
    branch: str
    bundle: BundleId


class Origins:
    """What is known of values, by identity: as long as they live where Python can tell, else for the latest `MOST_HELD`."""

    def __init__(self) -> None:
        self._watched: dict[int, tuple[weakref.ref[Any], Origin]] = {}
        self._held: OrderedDict[int, tuple[Any, Origin]] = OrderedDict()
        self._lock = Lock()

    def remember(self, value: Any, origin: Origin) -> Any:
        """The value to hand on in place of `value`: equal to it, and known to be of `origin` from now on, where it can be."""
        if isinstance(value, _UNTRACEABLE):
            return value
        value = _of_its_own(value)
        key = id(value)
        with self._lock:
            try:
                self._watched[key] = (weakref.ref(value, lambda _: self._watched.pop(key, None)), origin)
            except TypeError:
                self._held[key] = (value, origin)
                self._held.move_to_end(key)
                if len(self._held) > MOST_HELD:
                    self._held.popitem(last=False)
        return value

    def of(self, value: Any) -> Origin | None:
        """Where this very value came from, if it is known."""
        watched = self._watched.get(id(value))
        if watched is not None:
            return watched[1] if watched[0]() is value else None
        held = self._held.get(id(value))
        return held[1] if held is not None and held[0] is value else None

    def among(self, name: str, value: Any) -> Iterator[tuple[str, Origin]]:
        """The origins of an argument, and of what a list, tuple or mapping holds, each with what it is called."""
        whole = self.of(value)
        if whole is not None:
            yield name, whole
            return
        if isinstance(value, list | tuple):
            pairs = [(f"{name}.{number}", each) for number, each in enumerate(value)]
        elif isinstance(value, dict):
            pairs = [(f"{name}.{key}", each) for key, each in value.items()]
        else:
            return
        for called, each in pairs:
            origin = self.of(each)
            if origin is not None:
                yield called, origin


def _of_its_own(value: Any) -> Any:
    """Text and bytes anew: equal ones of other places may be the same one in memory."""
    if type(value) is str:
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass")
    return bytes(bytearray(value)) if type(value) is bytes else value


ORIGINS = Origins()
"""Those of this process."""
