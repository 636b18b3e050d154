"""What unfinished work still needs, which nothing here may take away unasked."""

from collections.abc import Callable
from dataclasses import dataclass

from datamon.store.bundle import Bundle
from datamon.store.ids import BundleId, RunId


@dataclass(frozen=True, slots=True)
class Needs:
    """What unfinished runs need: the bundles that they read or are to point refs at, and whatever they committed."""

    bundles: frozenset[BundleId] = frozenset()
    runs: frozenset[RunId] = frozenset()

    def hold(self, bundle: Bundle) -> bool:
        """Whether `bundle` is needed."""
        return bundle.id in self.bundles or bundle.run in self.runs


FindNeeds = Callable[[], Needs]
"""Asked each time after the repo's log was read to its tail and before an entry is tried. So no run slips through: one that
committed before the log was read is found unless it has ended by then, and then its refs moved by entries of the log, which
makes the entry that is tried lose its number."""


def no_needs() -> Needs:
    """Where nothing records runs."""
    return Needs()
