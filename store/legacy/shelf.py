"""The bundles of one repo of an old store, as their records and file lists tell of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

from blake3 import blake3

from datamon.errors import Corrupt, Invalid
from datamon.store.backend.foreign import Foreign
from datamon.store.legacy import layout
from datamon.store.legacy.plain_yaml import Where
from datamon.store.legacy.read_ahead import Asked, Readers
from datamon.store.legacy.records import LONGEST_LIST, LegacyBundle, LegacyFile, read_bundle, read_files
from datamon.store.legacy.trees import Placed, place_files

_RECORD_BYTES = 1024
_LIST_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class Listed:
    """A bundle with its files, in the order of their paths. `digest` names its record and lists, byte by byte; `short` are the
    lists, not the last, that have not as many files as the first datamon put into each."""

    bundle: LegacyBundle
    placed: Sequence[Placed]
    digest: str
    short: Sequence[int]


class _FileList(NamedTuple):
    files: list[LegacyFile]
    digest: bytes


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the bundles of `repo` are; `parts` says of each which of its records there are (see `layout.lists_in`)."""

    metadata: Foreign
    readers: Readers
    repo: str
    parts: Mapping[str, set[int]]

    def unfinished(self) -> list[str]:
        """The ids of uploads that never ended: their files are listed, and they have no record."""
        return [bundle for bundle, parts in sorted(self.parts.items()) if -1 not in parts]

    def bundles(self) -> Iterator[tuple[str, LegacyBundle | Corrupt]]:
        """The bundles, by the id that their place says, or what is wrong with their records. Raises Denied, Unavailable."""
        ids = [bundle for bundle, parts in sorted(self.parts.items()) if -1 in parts]
        asked: Iterable[Asked[LegacyBundle]] = ((_RECORD_BYTES, partial(self._read_record, bundle)) for bundle in ids)
        for bundle, found in zip(ids, self.readers.each(asked), strict=True):
            yield bundle, self._counted(found) if isinstance(found, LegacyBundle) else found

    def listed(self, bundles: Sequence[LegacyBundle]) -> Iterator[Listed | Corrupt | Invalid]:
        """Each of these bundles with its files, or why they cannot be told: a list is missing or damaged (Corrupt), or its names
        form no tree (Invalid). One bundle's files are in memory at a time, and the lists that are read ahead."""
        asked: Iterable[Asked[_FileList]] = (
            (_LIST_BYTES, partial(self._read_list, bundle, number))
            for bundle in bundles
            for number in range(bundle.lists)
        )
        found = self.readers.each(asked)
        for bundle in bundles:
            lists = list(islice(found, bundle.lists))
            fault = next((each for each in lists if isinstance(each, Corrupt)), None)
            yield fault or _joined(bundle, [each for each in lists if isinstance(each, _FileList)])

    def where(self, name: str) -> Where:
        """Where a record is."""
        return Where(self.metadata.url, name)

    def _read_record(self, bundle: str) -> LegacyBundle:
        name = layout.bundle_record(self.repo, bundle)
        return read_bundle(self.metadata.read(name), bundle, self.where(name))

    def _read_list(self, bundle: LegacyBundle, number: int) -> _FileList:
        name = layout.file_list(self.repo, bundle.id, number)
        content = self.metadata.read(name)
        return _FileList(read_files(content, self.where(name)), blake3(content).digest())

    def _counted(self, bundle: LegacyBundle) -> LegacyBundle | Corrupt:
        """The bundle, when it has as many file lists as there are."""
        numbers = self.parts[bundle.id] - {-1}
        if numbers == set(range(min(bundle.lists, len(numbers) + 1))):
            return bundle
        missing = next(number for number in range(len(numbers) + 1) if number not in numbers)
        if missing < bundle.lists:
            where = self.where(layout.file_list(self.repo, bundle.id, missing))
            message = f"{where} is missing, one of {bundle.lists} file lists; restore it from a copy"
            return Corrupt("missing-bytes", message, key=where.name)
        where = self.where(layout.bundle_record(self.repo, bundle.id))
        return where.corrupt(f"counts {bundle.lists} file lists where there are {len(numbers)}")


def _joined(bundle: LegacyBundle, lists: Sequence[_FileList]) -> Listed | Invalid:
    digest = blake3(bundle.digest)
    for each in lists:
        digest.update(each.digest)
    try:
        placed = place_files([file for each in lists for file in each.files])
    except Invalid as error:
        return error
    short = [number for number, each in enumerate(lists[:-1]) if len(each.files) != LONGEST_LIST]
    return Listed(bundle, placed, digest.hexdigest(), short)
