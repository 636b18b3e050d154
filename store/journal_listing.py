"""Which records of a journal lie there as objects of their own."""

from dataclasses import dataclass

from datamon.store import layout
from datamon.store.backend import Backend

Numbers = dict[str, list[int]]
"""Of each writer the numbers of the records, rising."""


def list_loose(backend: Backend) -> Numbers:
    """The records that lie there as objects of their own, whether they were merged or not."""
    found: Numbers = {}
    for stored in backend.list(layout.JOURNAL):
        if stored.key != layout.JOURNAL_FILE and not stored.key.startswith(layout.MERGES):
            writer, number = stored.key.removeprefix(layout.JOURNAL).split("/")
            found.setdefault(writer, []).append(int(number))
    return found


@dataclass(frozen=True, slots=True)
class Listing:
    """The records that lie there, and what a second listing showed of those whose predecessor the first did not show.

    A number without its predecessor has one of two reasons. The predecessor was merged and deleted before; or both were put while
    the listing was made, which came too late to the one and not to the other. A second listing shows which.
    """

    loose: Numbers
    again: dict[str, frozenset[int]]

    @classmethod
    def make(cls, backend: Backend, read: dict[str, int]) -> "Listing":
        """Of the records there now, for whom has read so far of each writer. A predecessor that is missing in `again` too was
        merged before this returns."""
        loose = list_loose(backend)
        if not any(_has_gap(numbers, read.get(writer, 0)) for writer, numbers in loose.items()):
            return cls(loose, {})
        return cls(loose, {writer: frozenset(numbers) for writer, numbers in list_loose(backend).items()})

    @property
    def count(self) -> int:
        """How many records there are."""
        return sum(map(len, self.loose.values()))

    def following(self, writer: str, last: int, *, were_merged: bool) -> list[int]:
        """The numbers behind `last` that this writer's records are to be read by: up to the first of which a predecessor is
        still to be read. `were_merged`: whether anything was ever merged; if not, nothing was deleted."""
        numbers = []
        for number in self.loose[writer]:
            if number <= last:
                continue
            if number != last + 1 and (not were_merged or number - 1 in self.again.get(writer, ())):
                break
            numbers.append(number)
            last = number
        return numbers


def _has_gap(numbers: list[int], last: int) -> bool:
    for number in numbers:
        if number > last + 1:
            return True
        last = max(last, number)
    return False
