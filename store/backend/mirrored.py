"""A backend that keeps everything on several sides, so that the loss of one loses nothing (docs/design.md, "Mirrored stores")."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import TypeVar

from datamon.errors import Corrupt, DatamonError, NotFound, Unavailable
from datamon.store.backend import Backend, Content, Settling, Span, Stored
from datamon.store.backend.arbiter import Arbiter, Marks, Standing
from datamon.store.backend.keys import check_key, check_prefix, key_not_found
from datamon.store.backend.refusals import differing, epoch_passed, first_lost, too_few
from datamon.store.backend.sides import FAILURES, Heard, Side, Sides

_ATTEMPTS = 3
_Answer = TypeVar("_Answer")


class MirroredBackend:
    """The same bytes by key on all `sides`, which have the names of the arbiter's. Also `Settling` and `Sided`.

    What is put is acknowledged when `min_sides` sides have it; reads fall over to the next side. Where a listing, or a key that
    is not there, is concerned, so many sides are heard that what was acknowledged cannot be missed. Under keys that the arbiter
    decides on (the logs) the first side's word is final, and only sides that are whole in the epoch count. A side's marks are not
    shown.

    Beside what `Backend` says, calls raise Unavailable: `too-few-sides`, `first-side-lost`, `sides-differ`, `epoch-passed`; after
    each of these a write may have been carried out in part, and may stand later.
    """

    def __init__(self, sides: Sides, arbiter: Arbiter) -> None:
        self.sides = sides
        self.arbiter = arbiter
        self._reached: set[tuple[str, str]] = set()
        """What sides are known to have of what is decided on, with all that comes before it."""

    def through(self, wrap: Callable[[Backend], Backend]) -> "MirroredBackend":
        """See `Sided`. Who decides is as it was: marks are read on the sides as they are."""
        wrapped = (Side(side.name, wrap(side.backend)) for side in self.sides.all)
        return MirroredBackend(Sides(wrapped, together=self.sides.together), self.arbiter)

    @property
    def url(self) -> str:
        """See `Backend`: every side with its name."""
        return "mirror(" + ", ".join(f"{side.name}: {side.backend.url}" for side in self.sides.all) + ")"

    @property
    def pack_bytes(self) -> int:
        """See `Backend`: the least of the sides'."""
        return min(side.backend.pack_bytes for side in self.sides.all)

    @property
    def is_degraded(self) -> bool:
        """See `Sided`."""
        return self.arbiter.terms.degraded

    def epoch(self) -> str:
        """See `Sided`."""
        return str(self.arbiter.standing.epoch)

    # -- reading

    def get(self, key: str, span: Span | None = None) -> bytes:
        """See `Backend`."""
        return self._read(key, lambda side: side.get(key, span))

    def has(self, key: str) -> bool:
        """See `Backend`."""

        def present(side: Backend) -> bool:
            if side.has(key):
                return True
            raise key_not_found(key, side.url)

        try:
            return self._read(key, present)
        except NotFound:
            return False

    def copies(self, key: str, span: Span | None = None) -> Iterator[bytes]:
        """See `Sided`. Of a log's entry only sides that are whole have copies."""
        for name in self._readers(key):
            try:
                yield self.sides.backends[name].get(key, span)
            except (NotFound, Corrupt, *FAILURES):
                continue

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """See `Backend`. Each side's listing is in memory."""
        check_prefix(prefix)
        if not self.arbiter.decides(prefix):
            return self._merged(prefix, after)
        for _ in range(_ATTEMPTS):
            standing = self.arbiter.standing
            if standing.is_settled:
                try:
                    found = [*self.sides.backends[standing.first].list(prefix, after)]
                    if self._still_decides(standing):
                        return iter(found)
                except FAILURES:
                    break
            else:
                break
        return self._merged(prefix, after)

    def _read(self, key: str, ask: Callable[[Backend], _Answer]) -> _Answer:
        """What the first side answers that has the key. Raises NotFound when no acknowledged thing can be there."""
        check_key(key)
        if not self.arbiter.decides(key):
            return self._first_answer(key, self._readers(key), ask)
        for _ in range(_ATTEMPTS):
            standing = self.arbiter.standing
            if not standing.is_settled:
                break
            try:
                return ask(self.sides.backends[standing.first])
            except NotFound:
                if self._still_decides(standing):
                    raise
            except (Corrupt, *FAILURES) as error:
                names = [name for name in self._readers(key) if name != standing.first]
                return self._first_answer(key, names, ask, {standing.first: error})
        return self._first_answer(key, self._readers(key), ask)

    def _still_decides(self, standing: Standing) -> bool:
        """Whether the first side is whole and knows of no later epoch, so that what it has not is not there. If not, the arbiter
        has looked anew."""
        try:
            if self.arbiter.look(standing.first) == Marks(standing.epoch, standing.epoch):
                return True
        except FAILURES:
            pass
        self.arbiter.refresh()
        return False

    def _readers(self, key: str) -> Sequence[str]:
        """The sides to be asked for a key, in this order."""
        standing = self.arbiter.standing
        names = sorted(self.sides.names, key=lambda name: (name not in standing.whole, name != standing.first))
        if standing.whole and self.arbiter.decides(key):
            return [name for name in names if name in standing.whole]
        return names

    def _first_answer(
        self,
        key: str,
        names: Sequence[str],
        ask: Callable[[Backend], _Answer],
        failed: Mapping[str, DatamonError] = MappingProxyType({}),
    ) -> _Answer:
        """What the first of these sides answers that has the key and can tell that it has it right. That it is not there is
        believed of so many whole sides that one of them would have what was acknowledged, or of all sides."""
        absent = set[str]()
        failures = dict(failed)
        for name in names:
            try:
                return ask(self.sides.backends[name])
            except NotFound:
                absent.add(name)
            except (Corrupt, *FAILURES) as error:
                failures[name] = error
        damage = next((error for error in failures.values() if isinstance(error, Corrupt)), None)
        if damage is not None:
            raise damage
        if self._believable(absent, failures):
            raise key_not_found(key, self.url)
        heard: Heard[object] = Heard({}, failures)
        message = (
            f"{key} is not on the sides that can be reached, and may be on others ({heard.told()}); try again later"
        )
        raise Unavailable("too-few-sides", message, key=key, sides=list(failures))

    def _believable(self, heard: Iterable[str], failures: Mapping[str, DatamonError]) -> bool:
        """Whether what none of these sides has was never acknowledged undegraded. Where a side could not be heard, the others'
        marks are looked at: one that has just lost everything has nothing to say."""
        if not failures:
            return True
        standing = self.arbiter.standing
        marks = self.sides.hear(sorted(standing.whole.intersection(heard)), lambda name, _: self.arbiter.look(name))
        sound = [name for name, each in marks.answers.items() if each == (standing.epoch, standing.epoch)]
        return len(sound) >= self.arbiter.believed

    def _merged(self, prefix: str, after: str) -> Iterator[Stored]:
        """The listings of the sides in one. Of what is decided on only those of the sides that may be read count."""
        names = self._readers(prefix) if self.arbiter.decides(prefix) else self.sides.names
        heard = self.sides.hear(names, lambda _, side: [*side.list(prefix, after)])
        if not self._believable(heard.answers, heard.failures):
            message = f"{prefix or 'the keys'} cannot be listed on enough sides ({heard.told()}); try again later"
            raise Unavailable("too-few-sides", message, prefix=prefix, sides=list(heard.failures))
        return self._union(heard.answers)

    def _union(self, listings: Mapping[str, Iterable[Stored]]) -> Iterator[Stored]:
        arbiter = self.arbiter
        standing = arbiter.standing
        deciding = (
            {standing.first} if standing.is_settled and standing.first in listings else standing.whole or set(listings)
        )
        named = ([(stored, name) for stored in listings[name]] for name in self._readers("") if name in listings)
        last = ""
        for stored, name in heapq.merge(*named, key=lambda pair: pair[0].key):
            if stored.key == last or stored.key.startswith(arbiter.prefix):
                continue
            if arbiter.decides(stored.key) and name not in deciding:
                continue
            last = stored.key
            yield stored

    # -- writing

    def put(self, key: str, content: Content) -> None:
        """See `Backend`."""
        check_key(key)
        heard = self.sides.hear(self.sides.names, lambda _, side: side.put(key, content))
        self._acknowledge(key, heard.answers, heard.failures)

    def delete(self, key: str) -> None:
        """See `Backend`. Raises Unavailable (`too-few-sides`) when a side cannot be reached, unless writes are degraded."""
        check_key(key)
        heard = self.sides.hear(self.sides.names, lambda _, side: side.delete(key))
        if heard.failures and not (self.arbiter.terms.degraded and heard.answers):
            message = f"{key} may still be on a side ({heard.told()}); try again when all sides can be reached"
            raise Unavailable("too-few-sides", message, key=key, sides=list(heard.failures))

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """See `Backend`. The first side decides; of a key that nobody races for, the first that answers."""
        check_key(key)
        if self.arbiter.decides(key):
            standing = self._deciding(key)
            try:
                won = self.sides.backends[standing.first].put_if_absent(key, content)
            except FAILURES as error:
                raise first_lost(key, standing.first, error.message) from error
            if won:
                self._spread_decided(key, content, standing)
            return won
        return self._put_undecided(key, content)

    def settle(self, key: str) -> None:
        """See `Settling`: what a side has under the key, the others have too, as many as an acknowledgement promises. Where no
        side has anything under it, that holds for all keys beside it."""
        check_key(key)
        self.sides.hear(self.sides.names, _settle(key))
        if self.arbiter.decides(key):
            standing = self._deciding(key)
            self._spread_decided(key, self.get(key), standing, likely=True)
        elif not self._bring(key):
            self._settle_beside(key)

    def _deciding(self, key: str) -> Standing:
        """How things stand when the first side is whole. Raises Unavailable (`first-side-lost`)."""
        standing = self.arbiter.standing
        if not standing.is_settled:
            standing = self.arbiter.refresh()
        if standing.is_settled:
            return standing
        failure = standing.failures.get(standing.first)
        raise first_lost(key, standing.first, failure.message if failure else "it is not whole")

    def _spread_decided(self, key: str, content: bytes, standing: Standing, *, likely: bool = False) -> None:
        """What the first side has under the key is acknowledged when this returns: so many whole sides have it, and on none of
        them a later epoch had begun after it stood there: then whoever is promoted later finds it (docs/design.md). `likely`:
        most often the others have it already."""

        def stands(name: str, _: Backend) -> tuple[bool, Marks]:
            same = name == standing.first or self._follows(name, key, content, likely=likely)
            return same, self.arbiter.look(name)

        for attempt in (1, 2):
            heard = self.sides.hear(sorted(standing.whole), stands)
            passed = [epoch for _, (epoch, _) in heard.answers.values() if epoch is not None and epoch > standing.epoch]
            if passed:
                self.arbiter.refresh()
                raise epoch_passed(key, max(passed))
            whole = {
                name: same for name, (same, marks) in heard.answers.items() if marks == (standing.epoch, standing.epoch)
            }
            if not all(whole.values()):
                raise differing(key, [name for name, same in whole.items() if not same])
            if standing.first in whole and len(whole) >= self.arbiter.terms.needed:
                return self._acknowledge(key, whole, heard.failures)
            refreshed = self.arbiter.refresh()
            if attempt == 2 or refreshed.epoch != standing.epoch or not refreshed.is_settled:
                break
            standing = refreshed
        raise too_few(self.arbiter.terms.needed, key, len(whole), heard.failures)

    def _follows(self, name: str, key: str, content: bytes, *, likely: bool) -> bool:
        """Whether the side has these bytes under a key that is decided on, now; it gets them where it has nothing, and before
        them what it lacks of what comes before: so no side ever has an entry of a log and not the one before it."""
        side = self.sides.backends[name]
        if not (likely and _holds(side, key, content)):
            for earlier in self._lacking(name, key):
                if not _same(side, earlier, self.get(earlier)):
                    return False
            if not _same(side, key, content):
                return False
        self._reached.add((name, key))
        self._reached.discard((name, self.arbiter.before(key) or ""))
        return True

    def _lacking(self, name: str, key: str) -> Sequence[str]:
        """What comes before `key` and the side has not, the first of it first."""
        lacking: list[str] = []
        before = self.arbiter.before(key)
        while before is not None and (name, before) not in self._reached:
            if self.sides.backends[name].has(before):
                break
            lacking.append(before)
            before = self.arbiter.before(before)
        return lacking[::-1]

    def _put_undecided(self, key: str, content: bytes) -> bool:
        """By the first side that answers; then the others get what that one has."""
        failures: dict[str, DatamonError] = {}
        for name in self._readers(key):
            side = self.sides.backends[name]
            try:
                won = side.put_if_absent(key, content)
                self._spread(key, content if won else side.get(key), name)
                return won
            except FAILURES as error:
                if error.code in ("too-few-sides", "sides-differ"):
                    raise
                failures[name] = error
        raise too_few(self.arbiter.terms.needed, key, 0, failures)

    def _spread(self, key: str, content: bytes, source: str) -> None:
        """What one side has under the key is acknowledged when this returns: the others have it too, as many as must."""
        others = [name for name in self.sides.names if name != source]
        heard = self.sides.hear(others, lambda _, side: _same(side, key, content))
        equal = [source, *(name for name, same in heard.answers.items() if same)]
        unlike = [name for name, same in heard.answers.items() if not same]
        if unlike and len(equal) < self.arbiter.terms.needed:
            raise differing(key, unlike)
        self._acknowledge(key, equal, heard.failures)

    def _bring(self, key: str) -> bool:
        """What some side has under the key is acknowledged when this returns True; False when no side has anything there. Keys
        are asked for and not their bytes, which their names promise."""
        heard = self.sides.hear(self.sides.names, lambda _, side: side.has(key))
        having = [name for name, is_there in heard.answers.items() if is_there]
        lacking = [name for name, is_there in heard.answers.items() if not is_there]
        if not having:
            return False
        if lacking:
            content = self.get(key)
            brought = self.sides.hear(lacking, lambda _, side: side.put_if_absent(key, content))
            having += brought.answers
            heard = Heard(heard.answers, {**heard.failures, **brought.failures})
        self._acknowledge(key, having, heard.failures)
        return True

    def _settle_beside(self, key: str) -> None:
        folder = key.rpartition("/")[0]
        prefix = f"{folder}/" if folder else ""
        heard = self.sides.hear(self.sides.names, lambda _, side: {stored.key for stored in side.list(prefix)})
        if len(heard.answers) < self.arbiter.terms.needed:
            raise too_few(self.arbiter.terms.needed, key, len(heard.answers), heard.failures)
        seen = frozenset[str]().union(*heard.answers.values())
        for each in sorted(seen):
            if sum(each in keys for keys in heard.answers.values()) < min(len(self.sides.all), len(heard.answers)):
                with suppress(NotFound):  # taken away since it was listed
                    self._bring(each)

    def _acknowledge(self, key: str, having: Iterable[str], failures: Mapping[str, DatamonError]) -> None:
        """Returns when so many sides have it that this may be acknowledged; tells of less than is promised."""
        names = list(having)
        terms = self.arbiter.terms
        if len(names) < terms.needed:
            raise too_few(self.arbiter.terms.needed, key, len(names), failures)
        if len(names) < terms.min_sides:
            self.arbiter.tell_once(
                f"degraded: what is written now stands on {', '.join(names)} alone, and is lost with it; "
                "run `datamon repair` as soon as all sides can be reached"
            )


def _settle(key: str) -> Callable[[str, Backend], None]:
    def settle(_: str, side: Backend) -> None:
        if isinstance(side, Settling):
            side.settle(key)

    return settle


def _holds(side: Backend, key: str, content: bytes) -> bool:
    """Whether the side has these bytes under the key now."""
    try:
        return side.get(key) == content
    except (NotFound, Corrupt):
        return False


def _same(side: Backend, key: str, content: bytes) -> bool:
    """Whether the side has these bytes under the key now; it gets them where it has nothing."""
    return side.put_if_absent(key, content) or _holds(side, key, content)
