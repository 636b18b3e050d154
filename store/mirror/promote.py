"""Promotion: from now on another side decides on the logs of a mirrored store (docs/design.md, "Mirrored stores")."""

from collections.abc import Mapping
from dataclasses import dataclass

from datamon.errors import Conflict, Invalid, Unavailable
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.backend.arbiter import Epoch, Marks, mark_key, whole_key
from datamon.store.bundle import Author
from datamon.store.clock import Clock, system_clock
from datamon.store.codec import encode_sealed
from datamon.store.mirror.logs import Accounts, align, read_logs, strandeds
from datamon.store.mirror.opening import Mirror, epoch_record, read_epoch


@dataclass(frozen=True, slots=True)
class Promotion:
    """Which side is to decide, why, and who says so."""

    side: str
    author: Author
    reason: str | None = None
    clock: Clock = system_clock


@dataclass(frozen=True, slots=True)
class Promoted:
    """What a promotion did: the epoch that began, the sides that are whole in it, those that were not reached and have to be
    repaired, and how many entries did not count any more and were set aside."""

    epoch: Epoch
    whole: tuple[str, ...]
    unreached: tuple[str, ...]
    stranded: int


def promote(mirror: Mirror, promotion: Promotion) -> Promoted:
    """The side decides from now on, and has every entry that was acknowledged, when this returns; whoever writes under an earlier
    epoch is refused from then on. Stopped in the middle, no side decides until it is done again.

    First so many sides are marked that every acknowledgement of the epochs before involves one of them; after that what the
    marked sides have is brought to the new first side. Raises Invalid (`bad-argument`) for no side's name, Unavailable
    (`too-few-sides`) when not enough sides can be reached, Conflict (`sides-differ`) when the side has missed something and needs
    repair before: the last two not when writes are degraded, unless the side has nothing; Conflict (`epoch-passed`) when another
    was promoted at the same time.
    """
    arbiter, sides = mirror.arbiter, mirror.metadata.sides
    if promotion.side not in sides.backends:
        message = f"there is no side {promotion.side!r}; there are {', '.join(sides.names)}"
        raise Invalid("bad-argument", message, side=promotion.side)
    heard = sides.hear(sides.names, lambda name, _: arbiter.look(name))
    _check_reached(mirror, promotion.side, heard.answers, heard.told())
    epoch = Epoch(max(marks.epoch.number for marks in heard.answers.values() if marks.epoch) + 1, promotion.side)
    record = encode_sealed(epoch_record(mirror, epoch, promotion.author, promotion.clock(), promotion.reason))
    marked = sides.hear(list(heard.answers), lambda _, side: side.put_if_absent(mark_key(layout.EPOCHS, epoch), record))
    _check_reached(mirror, promotion.side, {name: heard.answers[name] for name in marked.answers}, marked.told())
    return _Succession(mirror, epoch, record).carry_out(list(marked.answers))


def _check_reached(mirror: Mirror, first: str, marks: Mapping[str, Marks], told: str) -> None:
    """Returns when these sides are enough for a promotion."""
    arbiter = mirror.arbiter
    known = [each.epoch for each in marks.values() if each.epoch is not None]
    needed = set(arbiter.sides.names), arbiter.believed
    if known and not arbiter.terms.degraded:
        needed = _needed_before(mirror, max(known))
    count = len(needed[0].intersection(marks))
    enough = len(marks) >= arbiter.believed and count >= needed[1]
    if first not in marks or not known or not (enough or arbiter.terms.degraded):
        message = f"{first!r} can be promoted when it and enough other sides can be reached ({told or 'too few'}); try again then"
        raise Unavailable("too-few-sides", message, side=first)
    last_whole = max((each.whole for each in marks.values() if each.whole is not None), default=None)
    if last_whole is None and not arbiter.sides.backends[first].has(layout.STORE):
        message = f"{first!r} has lost the store; promote another, or run `datamon repair` when one that has it can be reached"
        raise Conflict("sides-differ", message, side=first)
    if (last_whole is None or marks[first].whole != last_whole) and not arbiter.terms.degraded:
        message = f"{first!r} has lost something or missed a promotion; run `datamon repair` first, or promote another"
        raise Conflict("sides-differ", message, side=first)


def _needed_before(mirror: Mirror, epoch: Epoch) -> tuple[set[str], int]:
    """Of which sides of the epoch before so many must be reached that none of its acknowledgements is missed."""
    record = read_epoch(mirror, epoch)
    return set(record["sides"]), len(record["sides"]) - record["min_sides"] + 1


@dataclass(frozen=True, slots=True)
class _Succession:
    """What comes after the marks."""

    mirror: Mirror
    epoch: Epoch
    record: bytes

    def carry_out(self, marked: list[str]) -> Promoted:
        sides = self.mirror.metadata.sides
        # Only now: whoever wrote before the marks, and was acknowledged, is in what is read from here on.
        marks = {name: self.mirror.arbiter.look(name) for name in marked}
        before = max((each.whole for each in marks.values() if each.whole is not None), default=None)
        whole = frozenset(name for name, each in marks.items() if before is not None and each.whole == before)
        if before is None:  # nothing better is left than what this side has
            whole = frozenset({self.epoch.first})
        self._check_whole(whole)
        decider = before.first if before is not None and before.first in whole else None
        order = sorted(
            marked, key=lambda name: name == decider
        )  # what is copied while this reads, the decider had before
        accounts = Accounts({name: read_logs(sides.backends[name]) for name in order}, str(before), decider, whole)
        self._check_unchanged(marks)
        truth = accounts.truth()
        aside = [each for each in strandeds(accounts, truth) if each.side in whole | {self.epoch.first}]
        for each in aside:
            for name in marked:
                sides.backends[name].put(each.kept_key, each.content)
        following = [self.epoch.first, *sorted(whole - {self.epoch.first})]
        self._copy_journal(marked, self.epoch.first)
        for name in following:
            self._check_not_passed(name)  # what is done under a later epoch is not for this one to judge
            align(sides.backends[name], accounts.logs[name], truth)
            self._check_not_passed(name)
            sides.backends[name].put_if_absent(whole_key(layout.EPOCHS, self.epoch), self.record)
        self.mirror.arbiter.refresh()
        unreached = tuple(name for name in sides.names if name not in following)
        return Promoted(self.epoch, tuple(following), unreached, len(aside))

    def _check_whole(self, whole: frozenset[str]) -> None:
        """Returns when the first side has everything that was acknowledged: it had it when it was looked at before the marks."""
        if self.epoch.first not in whole and not self.mirror.arbiter.terms.degraded:
            message = (
                f"{self.epoch.first!r} has lost something just now; promote another side, then run `datamon repair`"
            )
            raise Conflict("sides-differ", message, side=self.epoch.first)

    def _check_unchanged(self, marks: Mapping[str, Marks]) -> None:
        """Returns when no side was lost, and none promoted, while the logs were read."""
        for name, before in marks.items():
            if self.mirror.arbiter.look(name) != before:
                message = (
                    f"the side {name!r} changed during the promotion; look at `datamon store get`, then promote again"
                )
                raise Conflict("epoch-passed", message, side=name)

    def _check_not_passed(self, name: str) -> None:
        marks = self.mirror.arbiter.look(name)
        if marks.epoch is not None and marks.epoch > self.epoch:
            message = f"{marks.epoch.first!r} was promoted at the same time; look at `datamon store get`, then decide"
            raise Conflict("epoch-passed", message, epoch=str(marks.epoch))

    def _copy_journal(self, marked: list[str], first: str) -> None:
        """The first side has every journal record that a marked side has."""
        backends = self.mirror.metadata.sides.backends
        had = {stored.key for stored in backends[first].list(layout.JOURNAL)}
        for name in marked:
            for stored in backends[name].list(layout.JOURNAL):
                if stored.key not in had and not layout.is_log_entry(stored.key):
                    _copy(backends[name], backends[first], stored.key)
                    had.add(stored.key)


def _copy(source: Backend, target: Backend, key: str) -> None:
    target.put_if_absent(key, source.get(key))
