"""Sequences and mappings that grow by making longer ones, which share what they have in common."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Generic, TypeVar, overload

_K = TypeVar("_K")
_V = TypeVar("_V")
_T = TypeVar("_T")


class Joined(Sequence[_T]):
    """Parts, one after the other. They never change. Equal to every sequence of equal parts."""

    def __init__(self, *parts: Sequence[_T]) -> None:
        self.parts = parts
        self._length = sum(map(len, parts))

    def with_more(self, more: Sequence[_T]) -> "Joined[_T]":
        """These and then `more`. An element is copied some times as the whole doubles, not at each call."""
        if not more:
            return self
        parts = [*self.parts, list(more)]
        while len(parts) > 1 and isinstance(parts[-2], list) and len(parts[-2]) <= 2 * len(parts[-1]):
            parts[-2:] = [[*parts[-2], *parts[-1]]]
        return Joined(*parts)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[_T]:
        return chain.from_iterable(self.parts)

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> list[_T]: ...
    def __getitem__(self, index: int | slice) -> _T | list[_T]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(self._length))]
        at = index + self._length if index < 0 else index
        for part in self.parts:
            if 0 <= at < len(part):
                return part[at]
            at -= len(part)
        raise IndexError(index)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(_equal, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))


class Deferred(Sequence[_T]):
    """`length` elements, each made by `make` from its position when it is first looked at. Any thread may."""

    def __init__(self, length: int, make: Callable[[int], _T]) -> None:
        self._made: list[_T | None] = [None] * length
        self._make = make

    def __len__(self) -> int:
        return len(self._made)

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> list[_T]: ...
    def __getitem__(self, index: int | slice) -> _T | list[_T]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        made = self._made[index]
        if made is None:
            made = self._made[index] = self._make(index % len(self._made))
        return made


class JoinedMap(Mapping[_K, _V], Generic[_K, _V]):
    """Parts that have no key in common, in their order. They never change."""

    def __init__(self, *parts: Mapping[_K, _V]) -> None:
        self.parts = parts

    def with_more(self, more: Mapping[_K, _V]) -> "JoinedMap[_K, _V]":
        """These and then `more`, whose values count where a key is in both. Copies as `Joined`."""
        if not more:
            return self
        if any(key in self for key in more):
            return JoinedMap({**self, **more})
        parts = [*self.parts, dict(more)]
        while len(parts) > 1 and isinstance(parts[-2], dict) and len(parts[-2]) <= 2 * len(parts[-1]):
            parts[-2:] = [{**parts[-2], **parts[-1]}]
        return JoinedMap(*parts)

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __iter__(self) -> Iterator[_K]:
        return chain.from_iterable(self.parts)

    def __contains__(self, key: object) -> bool:
        return any(key in part for part in self.parts)

    def __getitem__(self, key: _K) -> _V:
        for part in self.parts:
            if key in part:
                return part[key]
        raise KeyError(key)

    def __repr__(self) -> str:
        return repr(dict(self))


class Found(Mapping[_K, _V], Generic[_K, _V]):
    """Keys in the order of `places`; a value is what `find` gives for a key and its place, when it is looked at."""

    def __init__(self, places: Mapping[_K, int], find: Callable[[_K, int], _V]) -> None:
        self._places = places
        self._find = find

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[_K]:
        return iter(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __getitem__(self, key: _K) -> _V:
        return self._find(key, self._places[key])


def _equal(one: object, other: object) -> bool:
    return one == other
